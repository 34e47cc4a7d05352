/* SPDX-License-Identifier: MIT */
/*
 * The program with the driver model in place of the kernel, for command-line tests. The state is
 * below $UBLKCTL_MODEL_ROOT and made on first use; $UBLKCTL_MODEL_KERNEL=6.12 chooses an older
 * driver, $UBLKCTL_MODEL_FAULT plans failures (see model.h), $UBLKCTL_MODEL_TIMEOUT_MS bounds
 * waits, $UBLKCTL_MODEL_DRIVER=missing takes the control device away. $UBLKCTL_MODEL_UNGRANTED is a
 * number: features that the driver, when it is made, gets to name but not to grant;
 * $UBLKCTL_MODEL_UBLKS_MAX how many devices of plain users it allows. $UBLKCTL_MODEL_UID, if not 0,
 * makes a plain user of the caller, with a runtime directory of their own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "model.h"

static int open_model(const char *root)
{
	const char *kernel = getenv("UBLKCTL_MODEL_KERNEL");
	const char *ungranted = getenv("UBLKCTL_MODEL_UNGRANTED");
	struct model_config cfg =
		kernel && strcmp(kernel, "6.12") == 0 ? model_config_6_12() : model_config_newest();
	const char *max = getenv("UBLKCTL_MODEL_UBLKS_MAX");
	int ret = model_attach(root);

	if (max)
		cfg.ublks_max = (unsigned)atoi(max);
	cfg.ungranted = ungranted ? strtoull(ungranted, NULL, 0) : 0;
	return ret == -ENOENT ? model_create(root, &cfg) : ret;
}

static void become_user(struct uc_host *host, uint32_t uid)
{
	model_be_user(uid);
	host->unprivileged = uid != 0;
	uc_host_find_run_dir(host, getenv("XDG_RUNTIME_DIR"));
}

int main(int argc, char **argv)
{
	const char *root = getenv("UBLKCTL_MODEL_ROOT");
	const char *driver = getenv("UBLKCTL_MODEL_DRIVER");
	const char *timeout = getenv("UBLKCTL_MODEL_TIMEOUT_MS");
	const char *uid = getenv("UBLKCTL_MODEL_UID");
	struct uc_host host;
	int ret = root ? open_model(root) : -EINVAL;

	if (ret == 0)
		ret = model_fault_from_env();
	if (ret < 0) {
		fprintf(stderr, "ublkctl_model: no model: %s\n", strerror(-ret));
		return 99;
	}
	host = model_host(timeout ? (unsigned)atoi(timeout) : 2000);
	become_user(&host, uid ? (uint32_t)atoi(uid) : 0);
	if (driver && strcmp(driver, "missing") == 0)
		host.dev_dir = "/nonexistent";
	return ublkctl_main(&host, argc, argv);
}
