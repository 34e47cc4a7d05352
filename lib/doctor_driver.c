/* SPDX-License-Identifier: MIT */
/* What every command needs: io_uring, the driver, its node, and to be root. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "doctor_priv.h"

void uc_check_io_uring(struct visit *v)
{
	const int ret = v->host->transport->ring_probe();
	struct uc_cause cause;

	if (ret == 0) {
		uc_found_text(v, UC_VERDICT_OK, "rings can be made");
		return;
	}
	uc_cause_io_uring(v->host, -ret, &cause);
	uc_found(v, UC_VERDICT_PROBLEM, &cause);
}

static void control_path(const struct visit *v, char *buf, size_t size)
{
	snprintf(buf, size, "%s/ublk-control", v->host->dev_dir);
}

void uc_check_driver(struct visit *v)
{
	struct uc_cause cause;
	char release[128];
	char path[256];

	uc_machine_release(v->host, release, sizeof(release));
	control_path(v, path, sizeof(path));
	if (access(path, F_OK) == 0) {
		uc_found_text(v, UC_VERDICT_OK, "ublk_drv of Linux %s", release);
		return;
	}
	uc_cause_control(v->host, ENOENT, &cause);
	uc_found(v, UC_VERDICT_PROBLEM, &cause);
}

static void look_at_mode(struct visit *v, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return;
	if ((st.st_mode & 0600) != 0600) {
		struct uc_cause cause;

		uc_cause_open(v->host, path, EACCES, &cause);
		cause.errnum = 0;
		uc_found(v, UC_VERDICT_WARNING, &cause);
	} else if (st.st_mode & 0066) {
		uc_found_text(v, UC_VERDICT_NOTE, "%s has mode %04o: not only root may use it",
			      path, st.st_mode & 07777U);
	} else {
		uc_found_text(v, UC_VERDICT_OK, "%s opens", path);
	}
}

/* Drivers before 6.5 cannot say what they know. */
static void ask_driver(struct visit *v)
{
	struct uc_error err = {0};
	struct uc_cause cause;
	int ret = uc_ctrl_open(v->host, &v->ctrl, &err);

	if (ret == 0)
		ret = uc_ctrl_get_features(v->ctrl, &v->features, &err);
	v->has_features = ret == 0;
	if (ret == 0 || ret == -EOPNOTSUPP)
		return;
	uc_cause_text(&cause, (enum uc_code)err.code, "%.255s", err.text);
	uc_found(v, UC_VERDICT_PROBLEM, &cause);
}

/* Opened by itself first: without io_uring the driver cannot be asked, but its node is fine. */
void uc_check_control(struct visit *v)
{
	uc_auto_close int fd = -1;
	struct uc_cause cause;
	char path[256];

	control_path(v, path, sizeof(path));
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return; /* the driver's check has told */
	if (fd < 0) {
		uc_cause_control(v->host, errno, &cause);
		uc_found(v, UC_VERDICT_PROBLEM, &cause);
		return;
	}
	look_at_mode(v, path);
	if (v->host->transport->ring_probe() == 0)
		ask_driver(v);
}

void uc_check_root(struct visit *v)
{
	struct uc_cause cause;

	if (uc_cause_not_root(v->host, "making devices", &cause)) {
		uc_found(v, UC_VERDICT_PROBLEM, &cause);
		return;
	}
	uc_found_text(v, UC_VERDICT_OK, "this is root, with CAP_SYS_ADMIN");
	/* Else writing back what is dirty may wait for the handler, which waits for memory. */
	if (!uc_machine_capable(v->host, CAP_SYS_RESOURCE))
		uc_found_text(
			v, UC_VERDICT_WARNING,
			"without CAP_SYS_RESOURCE a handler may wait for itself when memory is "
			"short");
}
