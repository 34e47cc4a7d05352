/* SPDX-License-Identifier: MIT */
/* Another handler for a device that has one, while it is in use. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bounded.h"
#include "change.h"
#include "cleanup.h"
#include "deadline.h"
#include "handler.h"
#include "lifecycle.h"
#include "log.h"
#include "proc.h"
#include "progress.h"
#include "recover.h"

/* The driver holds the device's mutex as long. */
#define QUIESCE_MS 1000
/* How many processes may be killed over it. */
#define QUIESCE_TRIES 2

/* The handler that is to leave. */
struct old {
	int pidfd;
	int program;
};

static void forget(struct old *old)
{
	uc_cleanup_close(&old->pidfd);
	uc_cleanup_close(&old->program);
}

/*
 * With batches the driver would fail new requests from then on: see ublk_batch_cancel_queue() in
 * 7.3, which sets force_abort.
 */
static bool can_quiesce(const struct ublksrv_ctrl_dev_info *info)
{
	return (info->flags & UBLK_F_QUIESCE) && !(info->flags & UBLK_F_BATCH_IO);
}

/* By the unit of a line of ublktab. A handler that is nobody's child would not be the service's. */
static bool is_service(const struct uc_host *host, pid_t pid)
{
	char path[PATH_MAX];
	char text[1024];
	ssize_t len;

	snprintf(path, sizeof(path), "%s/proc/%d/cgroup", host->root ? host->root : "", pid);
	uc_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	text[len < 0 ? 0 : len] = '\0';
	return strstr(text, "/ublkctl@") != NULL;
}

/* Whether a device with a record can be given another server while it is in use. */
static int check(const struct uc_host *host, const struct uc_device *device, struct uc_error *err)
{
	const enum uc_recovery recovery = uc_recovery_of(device->info.flags);
	const uint32_t id = device->info.dev_id;

	if (device->info.state != UBLK_S_DEV_LIVE || !uc_recover_is_served(host, &device->info))
		return uc_fail(err, UC_FAILED, EINVAL,
			       "device %u has no handler that could be replaced; see 'ublkctl "
			       "recover'",
			       id);
	if (device->record.pid != device->info.ublksrv_pid ||
	    device->record.pid_start != uc_proc_start_time(device->record.pid))
		return uc_fail(err, UC_FAILED, EINVAL,
			       "device %u is served by process %d, and its record names another",
			       id, device->info.ublksrv_pid);
	if (recovery != UC_RECOVERY_QUEUE && recovery != UC_RECOVERY_REISSUE)
		return uc_fail(err, UC_UNSUPPORTED, EOPNOTSUPP,
			       "device %u cannot be without a handler for a moment: it was made "
			       "with --recovery %s, not reissue or queue",
			       id, uc_recovery_name(recovery));
	if (is_service(host, device->info.ublksrv_pid))
		return uc_fail(err, UC_FAILED, EINVAL,
			       "device %u is a service of systemd's, which would lose it: use "
			       "'systemctl kill -s KILL --kill-whom=main ublkctl@%s'",
			       id, device->record.name);
	if (recovery == UC_RECOVERY_QUEUE && !can_quiesce(&device->info))
		return uc_fail(err, UC_UNSUPPORTED, EOPNOTSUPP,
			       "device %u cannot be upgraded: with --recovery queue that needs "
			       "quiesce, which the driver %s",
			       id,
			       device->info.flags & UBLK_F_QUIESCE ? "cannot do with batches"
								   : "did not grant");
	return 0;
}

static int open_old(const struct uc_device *device, struct old *old, struct uc_error *err)
{
	const pid_t pid = device->record.pid;
	char path[64];

	old->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (old->pidfd < 0 || uc_proc_start_time(pid) != device->record.pid_start)
		return uc_fail(err, UC_FAILED, ESRCH, "the handler of device %u has just ended",
			       device->info.dev_id);
	/* Its file may have been replaced on disk; this is the one that works. */
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	old->program = open(path, O_RDONLY | O_CLOEXEC);
	return old->program < 0 ? uc_fail_errno(err, errno, "%s", path) : 0;
}

struct request {
	const struct uc_host *host;
	const struct uc_lock *lock;
};

/* Less than the time for the command, which must not be given up in the middle. */
static uint32_t quiesce_ms(const struct uc_host *host)
{
	const unsigned half = uc_host_left_ms(host) / 2;

	return half < QUIESCE_MS ? half : QUIESCE_MS;
}

static int work_quiesce(void *ctx, void *ret, struct uc_error *err)
{
	const struct request *r = ctx;
	const uint64_t deadline = uc_host_deadline(r->host);
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	int res = uc_ctrl_open(r->host, &ctrl, err);

	(void)ret;
	/* Half of it would be worse than what nobody owns: see ublk_wait_for_idle_io(). */
	(void)prctl(PR_SET_PDEATHSIG, 0);
	if (res < 0)
		return res;
	do {
		res = uc_ctrl_quiesce_dev(ctrl, r->lock, quiesce_ms(r->host), err);
	} while (res == -EBUSY && uc_left_ms(deadline) > 0);
	return res;
}

/*
 * -EBUSY: requests wait, but the handler may not have been told to go. In a process of its own: one
 * that is killed in the middle leaves it so, and another can do it all.
 */
static int quiesce(const struct uc_host *host, const struct uc_lock *lock, struct uc_error *err)
{
	struct request r = {host, lock};
	int ret = -EPIPE;

	for (int i = 0; ret == -EPIPE && i < QUIESCE_TRIES; i++)
		ret = uc_bounded(work_quiesce, &r, NULL, 0, uc_host_left_ms(host) + UC_MARGIN_MS,
				 "quiescing the device", err);
	return ret == -ETIMEDOUT || ret == -EPIPE ? -EBUSY : ret;
}

static bool await_end(const struct old *old, unsigned timeout_ms)
{
	struct pollfd gone = {.fd = old->pidfd, .events = POLLIN};

	return uc_progress_poll(&gone, 1, (int)timeout_ms) > 0;
}

/* The handler leaves with all requests answered; or, where they will be sent again, it is killed.
 */
static int end_old(const struct uc_change *change, const struct old *old, struct uc_error *err)
{
	const struct uc_host *host = change->host;
	const struct uc_device *device = &change->device;
	/* The rest of the time is the new one's. */
	const unsigned waited = uc_host_left_ms(host) / 2;
	const struct uc_host patience = uc_host_within(host, waited);
	const uint32_t id = device->info.dev_id;
	uc_auto_progress struct uc_progress progress;
	char where[UC_WHERE_MAX];
	int ret = -EBUSY;

	uc_progress_begin(&progress, uc_host_deadline(host),
			  "waiting for the old handler of device %u to leave", id);
	if (can_quiesce(&device->info))
		ret = quiesce(&patience, uc_change_lock(change), err);
	if (ret < 0 && ret != -EBUSY)
		return ret;
	if (ret == 0 && await_end(old, uc_host_left_ms(&patience)))
		return 0;
	/* The device does not go on without a new handler any more. */
	if (uc_recovery_of(device->info.flags) == UC_RECOVERY_QUEUE)
		uc_log(LOG_WARNING,
		       "device %u: the old handler did not end within %u ms and was killed; what "
		       "it had in hand has failed",
		       id, waited);
	(void)syscall(SYS_pidfd_send_signal, old->pidfd, SIGKILL, NULL, 0);
	if (await_end(old, uc_host_left_ms(host)))
		return 0;
	(void)uc_proc_where(device->record.pid, where, sizeof(where));
	return uc_fail(err, UC_TIMEOUT, ETIMEDOUT,
		       "the old handler of device %u does not end within %u ms, not even by "
		       "SIGKILL: %s",
		       id, host->timeout_ms, where);
}

/* Runs `recover` of the old program. True when that has worked. */
static bool recover_by(const struct uc_host *host, uint32_t id, const struct old *old)
{
	/* As long as a `recover` may take with the same timeout. */
	const unsigned bound = host->timeout_ms + 3 * UC_TIDY_MS;
	char program[64];
	char number[16];
	char seconds[16];
	char *const argv[] = {(char[]){"ublkctl"},
			      (char[]){"--timeout"},
			      seconds,
			      (char[]){"recover"},
			      number,
			      NULL};
	posix_spawn_file_actions_t quiet;
	int status = -1;
	uc_auto_close int pidfd = -1;
	pid_t pid;
	int ret;

	snprintf(program, sizeof(program), "/proc/self/fd/%d", old->program);
	snprintf(number, sizeof(number), "%u", id);
	snprintf(seconds, sizeof(seconds), "%u", (host->timeout_ms + 999) / 1000);
	posix_spawn_file_actions_init(&quiet);
	/* What it says goes to our stderr, after all: it is why there is no handler. */
	for (int fd = 0; fd <= 1; fd++)
		posix_spawn_file_actions_addopen(&quiet, fd, "/dev/null", O_RDWR, 0);
	ret = posix_spawn(&pid, program, &quiet, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&quiet);
	if (ret)
		return false;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (!await_end(&(struct old){.pidfd = pidfd}, bound))
		(void)kill(pid, SIGKILL);
	/* One that is stuck in the kernel is left to init. */
	(void)await_end(&(struct old){.pidfd = pidfd}, UC_MARGIN_MS);
	return waitpid(pid, &status, WNOHANG) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

static int replace(const struct uc_server_args *args, struct uc_change *change,
		   const struct old *old, struct uc_added *ret_added, struct uc_error *err)
{
	uc_auto_close int signal_fd = -1;
	int ret = uc_handler_block_signals(&signal_fd, err);

	if (ret == 0)
		ret = end_old(change, old, err);
	return ret < 0 ? ret : uc_handler_start(args, ret_added, err);
}

/* The old program wants to be alone with the device, and with what is behind it. */
static int go_back(struct uc_change *change, const struct old *old, struct uc_error *err)
{
	const uint32_t id = change->device.info.dev_id;

	uc_locks_release(&change->locks);
	return recover_by(change->host, id, old)
		       ? uc_wrap(err, "device %u is not upgraded, and served by the old program",
				 id)
		       : uc_wrap(err, "device %u has no handler; see 'ublkctl recover %u'", id, id);
}

static int upgrade(struct uc_change *change, const struct uc_restore *restore,
		   const struct old *old, struct uc_added *ret_added, struct uc_error *err)
{
	const struct uc_host *host = change->host;
	struct uc_spec spec = {.dry_run = host->dry_run};
	struct uc_server_args args = {.host = host,
				      .spec = &spec,
				      .cookie = change->device.info.ublksrv_flags,
				      .resume = true,
				      .locks = &change->locks};
	struct uc_target *target = NULL;
	bool left = false;
	int ret;

	uc_recover_spec(&change->device, &spec);
	/* All that can fail for the target's sake fails while the old server still serves. */
	ret = restore->open(restore->ctx, host, &change->device, &spec, &target, err);
	if (ret < 0 || !target)
		return ret;
	args.target = target;
	if (host->dry_run) {
		ret = uc_server_check(&args, ret_added, err);
	} else {
		ret = replace(&args, change, old, ret_added, err);
		left = ret < 0 && await_end(old, 0);
	}
	target->ops->close(target);
	return left ? go_back(change, old, err) : ret;
}

int uc_upgrade(const struct uc_host *host, const struct uc_ref *ref,
	       const struct uc_restore *restore, struct uc_added *ret_added, struct uc_error *err)
{
	uc_auto_change struct uc_change change = UC_CHANGE_NONE;
	struct old old = {-1, -1};
	int ret = uc_change_begin(host, ref, &change, err);

	if (ret == 0 && change.device.record_state != UC_RECORD_OK)
		ret = uc_fail(err, UC_FAILED, ENOENT,
			      "there is no record of device %u, so what is behind it is not known",
			      ref->id);
	if (ret == 0)
		ret = check(host, &change.device, err);
	if (ret == 0)
		ret = open_old(&change.device, &old, err);
	if (ret == 0)
		ret = upgrade(&change, restore, &old, ret_added, err);
	forget(&old);
	return ret;
}
