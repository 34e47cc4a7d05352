/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bounded.h"
#include "cleanup.h"
#include "inuse.h"
#include "keeper.h"
#include "manage.h"
#include "node.h"
#include "proc.h"

/* What a child process may need besides the driver's own time. */
#define BOUND_MARGIN_MS 500

struct request {
	const struct uc_host *host;
	const struct uc_device *device;
	bool force;
};

static int stop(void *ctx, void *ret, struct uc_error *err)
{
	const struct request *r = ctx;
	const uint32_t id = r->device->info.dev_id;
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	int res = uc_ctrl_open(r->host, &ctrl, err);

	(void)ret;
	if (res < 0)
		return res;
	/* Between our look at its users and now someone may have come: let the driver decide. */
	if (!r->force && r->device->has_node && (r->device->info.flags & UBLK_F_SAFE_STOP_DEV)) {
		res = uc_ctrl_try_stop_dev(ctrl, id, err);
		/* It has no disk any more, and so no users; whether it has a server is not said. */
		if (res != -ENODEV)
			return res;
	}
	return uc_ctrl_stop_dev(ctrl, id, err);
}

static int remove_device(void *ctx, void *ret, struct uc_error *err)
{
	const struct request *r = ctx;
	const uint32_t id = r->device->info.dev_id;
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	int res = uc_ctrl_open(r->host, &ctrl, err);

	(void)ret;
	if (res < 0)
		return res;
	/* With users left DEL_DEV would wait for them; the driver can also let them go first. */
	if (r->force && !(r->device->info.flags & UBLK_F_UNPRIVILEGED_DEV)) {
		res = uc_ctrl_del_dev_async(ctrl, id, err);
		if (res != -EOPNOTSUPP)
			return res;
	}
	return uc_ctrl_del_dev(ctrl, id, err);
}

/*
 * The process that serves the device, as a pidfd, or -1. Who it is comes from the kernel, never
 * from a record, and it counts only if it really holds ublkcN open: the pidfd is opened first, so
 * a pid that was used again since does not pass.
 */
static int open_server(const struct uc_host *host, const struct uc_device *device)
{
	pid_t pid = device->info.ublksrv_pid;
	char path[64];
	struct stat st;
	int pidfd;

	uc_node_char_path(host, device->info.dev_id, path, sizeof(path));
	if (stat(path, &st) < 0)
		return -1;
	/* The driver forgets the pid when the device is stopped. */
	if (pid <= 0)
		pid = uc_proc_find_opener(&st, getpid());
	pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	if (pidfd >= 0 && !uc_proc_has_open(pid, &st)) {
		close(pidfd);
		pidfd = -1;
	}
	return pidfd;
}

/* True when the process is gone, or is none. */
static bool await_server(const struct uc_host *host, int pidfd)
{
	struct pollfd gone = {.fd = pidfd, .events = POLLIN};

	return pidfd < 0 || poll(&gone, 1, (int)host->timeout_ms) > 0;
}

static bool kill_server(const struct uc_host *host, int pidfd)
{
	return pidfd >= 0 && syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) == 0 &&
	       await_server(host, pidfd);
}

/* Ends service. A server that does not answer holds up STOP_DEV; one that is stuck stays. */
static int stop_bounded(struct request *r, int pidfd, struct uc_error *err)
{
	const unsigned bound = r->host->timeout_ms + BOUND_MARGIN_MS;
	int ret = uc_bounded(stop, r, NULL, 0, bound, "stopping the device", err);

	if (ret == -ETIMEDOUT && r->force && kill_server(r->host, pidfd))
		ret = uc_bounded(stop, r, NULL, 0, bound, "stopping the device", err);
	if (ret < 0 || await_server(r->host, pidfd) || (r->force && kill_server(r->host, pidfd)))
		return ret;
	return uc_fail(err, UC_TIMEOUT, ETIMEDOUT,
		       "device %u is stopped, but its handler did not end within %u ms; use "
		       "--force to kill it",
		       r->device->info.dev_id, r->host->timeout_ms);
}

int uc_del(const struct uc_host *host, uint32_t id, bool force, struct uc_error *err)
{
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	uc_auto_close int pidfd = -1;
	struct uc_device device = {0};
	struct request r = {.host = host, .device = &device, .force = force};
	int ret;

	ret = uc_ctrl_open(host, &ctrl, err);
	if (ret == 0)
		ret = uc_device_get(host, ctrl, id, &device, err);
	if (ret == 0 && !force)
		ret = uc_inuse_check(host, &device, err);
	if (ret < 0)
		return ret;
	pidfd = open_server(host, &device);
	ret = stop_bounded(&r, pidfd, err);
	if (ret < 0)
		return ret;
	/* While the id is still taken: after DEL_DEV a new device may own these files. */
	uc_record_remove(host, id);
	ret = uc_bounded(remove_device, &r, NULL, 0, host->timeout_ms + BOUND_MARGIN_MS,
			 "deleting the device", err);
	/* The handler may have deleted it itself on its way out. */
	if (ret < 0 && ret != -ENODEV)
		return uc_wrap(err, "device %u is stopped but not deleted", id);
	ret = uc_node_await_gone(host, id, err);
	/* With it goes the memory of a ramdisk. */
	if (ret == 0 && device.record_state == UC_RECORD_OK)
		uc_keeper_end(&device.record.keeper);
	return ret;
}
