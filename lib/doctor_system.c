/* SPDX-License-Identifier: MIT */
/* What is around the driver: containers, udev, limits. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "doctor_priv.h"

void uc_check_dev(struct visit *v)
{
	char mount[300];

	snprintf(mount, sizeof(mount), " %s devtmpfs ", v->host->dev_dir);
	if (uc_machine_mentions(v->host, "/proc/mounts", mount))
		uc_found_text(v, UC_VERDICT_OK, "nodes come and go by themselves in %s",
			      v->host->dev_dir);
	else if (uc_machine_has(v->host, "/proc/mounts"))
		uc_found_text(v, UC_VERDICT_WARNING,
			      "%s is no devtmpfs: nodes of devices may not come by themselves",
			      v->host->dev_dir);
}

void uc_check_container(struct visit *v)
{
	const bool filtered = uc_machine_has_seccomp(v->host);
	char buf[32];
	const char *container = uc_machine_container(v->host, buf, sizeof(buf));

	if (container)
		uc_found_text(
			v, UC_VERDICT_NOTE,
			"this is a container (%s)%s: devices are made on the machine around it",
			container, filtered ? " with a seccomp filter" : "");
	else if (filtered)
		uc_found_text(v, UC_VERDICT_NOTE, "a seccomp filter is on this process");
	else
		uc_found_text(v, UC_VERDICT_OK, "no container, no seccomp filter");
}

static bool has_rules(const struct uc_host *host)
{
	static const char *const dirs[] = {"/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"};

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		char path[128];

		snprintf(path, sizeof(path), "%s/udev/rules.d/59-ublkctl.rules", dirs[i]);
		if (uc_machine_has(host, path))
			return true;
	}
	return false;
}

/* What else it does, permissions and links of others, is not for us to want. */
void uc_check_udev(struct visit *v)
{
	struct uc_cause cause;

	if (!uc_machine_has(v->host, "/run/udev/control")) {
		uc_cause_text(
			&cause, UC_FAILED,
			"udev is not running: devices get no links in /dev/disk or /dev/ublk");
		if (uc_machine_has(v->host, "/run/systemd/system"))
			uc_cause_remedy(&cause, "systemctl start systemd-udevd");
		uc_found(v, UC_VERDICT_NOTE, &cause);
	} else if (!has_rules(v->host)) {
		uc_cause_text(&cause, UC_FAILED,
			      "59-ublkctl.rules is not among udev's rules: names have no links in "
			      "/dev/ublk/by-name");
		uc_cause_advice(&cause, "install ublkctl");
		uc_found(v, UC_VERDICT_NOTE, &cause);
	} else {
		uc_found_text(v, UC_VERDICT_OK, "udev is running, with 59-ublkctl.rules");
	}
}

void uc_check_memlock(struct visit *v)
{
	struct rlimit limit = {0};

	if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return;
	if (limit.rlim_cur == RLIM_INFINITY)
		uc_found_text(v, UC_VERDICT_OK, "no limit of locked memory");
	else if (uc_machine_capable(v->host, CAP_IPC_LOCK))
		uc_found_text(v, UC_VERDICT_OK,
			      "the limit of locked memory does not hold for this process");
	else
		uc_found_text(v, UC_VERDICT_NOTE,
			      "at most %lu bytes of memory can be locked: see 'ulimit -l'",
			      (unsigned long)limit.rlim_cur);
}
