/* SPDX-License-Identifier: MIT */
/* Why there is no driver. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cause.h"
#include "machine.h"

/* A package that has a kernel with the driver, or the module of this kernel; false: unknown. */
static bool name_package(const struct uc_host *host, const char *release, bool lost,
			 struct uc_cause *cause)
{
#ifdef __aarch64__
	static const char arch[] = "arm64";
#else
	static const char arch[] = "amd64";
#endif
	const char *cloud = strstr(release, "cloud") ? "cloud-" : "";
	char id[32] = "";
	char version[32] = "";

	(void)uc_machine_line(host, "/etc/os-release", "ID=", id, sizeof(id));
	(void)uc_machine_line(host, "/etc/os-release", "VERSION_ID=", version, sizeof(version));
	if (strcmp(id, "ubuntu") == 0)
		uc_cause_remedy(cause, "apt-get install linux-modules-extra-%s", release);
	else if (strcmp(id, "debian") == 0 && lost)
		uc_cause_remedy(cause, "apt-get install --reinstall linux-image-%s", release);
	else if (strcmp(id, "debian") == 0)
		/* The kernel of Debian 12 itself, 6.1, is without; from 13 on all are with it. */
		uc_cause_remedy(cause, "apt-get install linux-image-%s%s%s",
				strcmp(version, "\"12\"") == 0 ? "6.12-" : "", cloud, arch);
	return cause->remedy[0];
}

static void cause_no_module(const struct uc_host *host, bool lost, struct uc_cause *cause)
{
	char release[128];
	bool known;

	uc_machine_release(host, release, sizeof(release));
	if (lost)
		uc_cause_text(
			cause, UC_NO_DRIVER,
			"the file of the module ublk_drv is missing for the running kernel %s",
			release);
	else
		uc_cause_text(cause, UC_NO_DRIVER, "the running kernel %s has no ublk driver",
			      release);
	known = name_package(host, release, lost, cause);
	if (lost)
		uc_cause_advice(cause, "reboot if another kernel was installed meanwhile");
	else if (known)
		uc_cause_advice(cause, "boot the kernel that it brings");
	else
		uc_cause_advice(cause, "boot Linux 6.0 or newer with CONFIG_BLK_DEV_UBLK");
}

/* Loaded, but without a node here: a container, or a /dev that is no devtmpfs. */
static void cause_no_node(const struct uc_host *host, struct uc_cause *cause)
{
	unsigned major = 0;
	unsigned minor = 0;
	char dev[32];

	uc_cause_text(cause, UC_NO_DRIVER,
		      "the ublk driver is loaded, but there is no %s/ublk-control", host->dev_dir);
	if (uc_machine_sysfs(host, "class/misc/ublk-control/dev", dev, sizeof(dev)) &&
	    sscanf(dev, "%u:%u", &major, &minor) == 2)
		uc_cause_remedy(cause, "mknod -m 600 %s/ublk-control c %u %u", host->dev_dir, major,
				minor);
	if (uc_machine_container(host, dev, sizeof(dev)))
		uc_cause_advice(cause, "give the container this device (--device)");
}

static void cause_not_loaded(const struct uc_host *host, struct uc_cause *cause)
{
	char buf[32];

	uc_cause_text(cause, UC_NO_DRIVER, "the ublk driver is not loaded");
	if (uc_machine_number(host, "/proc/sys/kernel/modules_disabled", 0)) {
		uc_cause_advice(cause,
				"reboot: kernel.modules_disabled forbids to load any module");
		return;
	}
	uc_cause_remedy(cause, "modprobe ublk_drv");
	if (uc_machine_container(host, buf, sizeof(buf)))
		uc_cause_advice(cause, "do it outside of this container (%s)",
				uc_machine_container(host, buf, sizeof(buf)));
}

static void cause_no_driver(const struct uc_host *host, struct uc_cause *ret_cause)
{
	switch (uc_machine_driver(host)) {
	case UC_DRIVER_LOADED:
		cause_no_node(host, ret_cause);
		break;
	case UC_DRIVER_LOST:
		cause_no_module(host, true, ret_cause);
		break;
	case UC_DRIVER_OFF:
		cause_no_module(host, false, ret_cause);
		break;
	case UC_DRIVER_BUILTIN:
		uc_cause_text(ret_cause, UC_NO_DRIVER,
			      "the ublk driver is part of this kernel, but did not start");
		uc_cause_advice(ret_cause, "see dmesg");
		break;
	default:
		cause_not_loaded(host, ret_cause);
		break;
	}
}

void uc_cause_control(const struct uc_host *host, int errnum, struct uc_cause *ret_cause)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/ublk-control", host->dev_dir);
	if (errnum == ENOENT || errnum == ENXIO || errnum == ENODEV)
		cause_no_driver(host, ret_cause);
	else
		uc_cause_open(host, path, errnum, ret_cause);
	ret_cause->errnum = errnum;
}
