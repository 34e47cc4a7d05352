/* SPDX-License-Identifier: MIT */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "ctrl.h"
#include "deadline.h"
#include "device.h"
#include "isolate.h"
#include "lock.h"
#include "log.h"
#include "proc.h"
#include "settle.h"
#include "uevent.h"

/* How often a device without a handler is looked at, and one that is about to lose it. */
#define LOOK_MS 1000
#define SOON_MS 20
/* A handler that did not serve for so long has failed; after so many in a row there is no next. */
#define LIVED_MS    500
#define MAX_FAILED  8
#define FIRST_DELAY 100

struct keeper {
	const struct uc_server_args *args;
	struct uc_spec spec; /* with the device's id */
	struct uc_keeper_id self;
	struct uc_uevent *events;
	uint64_t cookie;
	struct uc_locks locks; /* of the device, while it is being given a server */
	unsigned failed;       /* handlers in a row */
};

bool uc_keeper_wanted(const struct uc_spec *spec, const struct uc_target *target)
{
	return spec->respawn ||
	       (spec->recovery != UC_RECOVERY_NONE && target->home == UC_HOME_MEMORY);
}

/* Nothing of the handler's or the caller's may be held: neither pipes nor what they opened. */
static void close_all_but(const struct uc_target *target, int pipe_fd)
{
	int kept[UC_TARGET_FDS + 1] = {pipe_fd};

	for (unsigned i = 0; i < target->nr_fds; i++)
		kept[i + 1] = target->fds[i];
	uc_close_all_but(kept, target->nr_fds + 1);
}

/* The handler's word that its device is up. False: it has ended. */
static bool await_up(int fd, uint32_t *ret_id)
{
	ssize_t len;

	do {
		len = read(fd, ret_id, sizeof(*ret_id));
	} while (len < 0 && errno == EINTR);
	return len == (ssize_t)sizeof(*ret_id);
}

/* Servers that were children of ours; one may need a moment for what it has in the kernel. */
static void reap(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static void await_end(int fd)
{
	uint32_t id;

	while (await_up(fd, &id))
		;
	close(fd);
	reap();
}

enum fate {
	GONE,    /* the device, or our part in it */
	SERVED,  /* still, or again */
	STOPPED, /* or nobody can tell */
	WAITS,   /* for a handler */
};

/* While it is started again there is no device for a moment. */
static bool is_stopped(const struct keeper *k)
{
	const struct ublksrv_ctrl_dev_info info = {.dev_id = k->spec.id,
						   .ublksrv_flags = k->cookie};
	struct uc_record record;

	return uc_record_read(k->args->host, &info, &record) == 0 && record.stopped.is &&
	       record.keeper.pid == k->self.pid && record.keeper.start == k->self.start;
}

static enum fate look(const struct keeper *k)
{
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	struct ublksrv_ctrl_dev_info info = {0};
	struct uc_error err = {0};
	struct uc_record record;
	int ret = uc_ctrl_open(k->args->host, &ctrl, &err);

	if (ret == 0)
		ret = uc_ctrl_get_dev_info(ctrl, k->spec.id, &info, &err);
	if (ret == -ENODEV)
		return is_stopped(k) ? STOPPED : GONE;
	if (ret < 0)
		return err.code == UC_NO_DRIVER ? GONE : STOPPED;
	if (info.ublksrv_flags != k->cookie)
		return GONE;
	if (uc_record_read(k->args->host, &info, &record) == 0 &&
	    (record.keeper.pid != k->self.pid || record.keeper.start != k->self.start))
		return GONE;
	if (info.state == UBLK_S_DEV_DEAD)
		return STOPPED;
	return info.state == UBLK_S_DEV_LIVE ? SERVED : WAITS;
}

static int tell_up(void *ctx, const struct uc_added *added)
{
	const int *fd = ctx;

	return write(*fd, &added->info.dev_id, sizeof(added->info.dev_id)) ==
			       (ssize_t)sizeof(added->info.dev_id)
		       ? 0
		       : -EPIPE;
}

/* What `resize` and `set` have noted there is newer than what `add` was asked for. */
static void take_record(const struct keeper *k, struct uc_device *d, struct uc_spec *spec)
{
	const struct uc_host *host = k->args->host;
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	int ret = uc_ctrl_open(host, &ctrl, NULL);

	if (ret == 0)
		ret = uc_device_get(host, ctrl, spec->id, d, NULL);
	if (ret == 0)
		ret = uc_settle(host, k->locks.device, d, NULL);
	if (ret < 0 || d->record_state != UC_RECORD_OK)
		return;
	spec->target_options = d->record.options;
	spec->cpus = d->record.cpus;
}

static _Noreturn void handler(struct keeper *k, int fd)
{
	struct uc_server_args args = *k->args;
	struct uc_spec spec = k->spec;
	struct uc_device device = {0};
	struct uc_error err = {0};

	uc_uevent_close(k->events);
	take_record(k, &device, &spec);
	args.spec = &spec;
	args.resume = true;
	args.keeper = &k->self;
	args.locks = &k->locks;
	args.ready = tell_up;
	args.ctx = &fd;
	if (uc_server_run(&args, &err) == 0)
		_exit(EXIT_SUCCESS);
	uc_log(LOG_ERR, "%s", err.text);
	_exit(EXIT_FAILURE);
}

/* The end to read of a new handler's pipe, or -1. */
static int start_handler(struct keeper *k)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		handler(k, fds[1]);
	}
	close(fds[1]);
	if (pid > 0)
		return fds[0];
	close(fds[0]);
	return -1;
}

/* Serves until the next handler has ended, too. */
static void revive(struct keeper *k)
{
	uint64_t lived;
	uint32_t id;
	bool up;
	int fd;

	if (k->failed)
		uc_sleep_ms(FIRST_DELAY << (k->failed - 1));
	/* Somebody sees to it already. */
	if (uc_lock_try_device(k->args->host, k->spec.id, &k->locks.device, NULL) < 0) {
		uc_uevent_wait(k->events, LOOK_MS);
		return;
	}
	/* Before that it may have been given another server, or its id to another device. */
	if (look(k) != WAITS) {
		uc_locks_release(&k->locks);
		return;
	}
	fd = start_handler(k);
	lived = uc_deadline(LIVED_MS);
	up = fd >= 0 && await_up(fd, &id);
	uc_locks_release(&k->locks);
	/* The one before is dead by now, and this one may live long. */
	reap();
	if (up) {
		uc_log(LOG_NOTICE, "device %u has a new handler", k->spec.id);
		lived = uc_deadline(LIVED_MS);
		await_end(fd);
	} else if (fd >= 0) {
		await_end(fd);
		lived = UINT64_MAX;
	}
	k->failed = uc_now() >= lived ? 0 : k->failed + 1;
	if (k->failed == MAX_FAILED)
		uc_log(LOG_ERR,
		       "device %u: %u handlers in a row have died at once; there will be no more, "
		       "use 'ublkctl recover %u'",
		       k->spec.id, MAX_FAILED, k->spec.id);
}

static _Noreturn void keep(struct keeper *k, int pipe_fd)
{
	const bool revives = k->spec.respawn;

	if (!await_up(pipe_fd, &k->spec.id))
		_exit(EXIT_SUCCESS);
	await_end(pipe_fd);
	k->events = uc_uevent_open();
	for (;;) {
		switch (look(k)) {
		case GONE:
			_exit(EXIT_SUCCESS);
		case WAITS:
			if (revives && k->failed < MAX_FAILED) {
				revive(k);
				continue;
			}
			uc_uevent_wait(k->events, LOOK_MS);
			break;
		case SERVED:
			uc_uevent_wait(k->events, revives ? SOON_MS : LOOK_MS);
			break;
		case STOPPED:
			uc_uevent_wait(k->events, LOOK_MS);
			break;
		}
	}
}

/* As `add` has blocked them. */
static void unblock_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

int uc_keeper_start(const struct uc_server_args *args, struct uc_keeper_id *ret_keeper, int *ret_fd,
		    struct uc_error *err)
{
	/* The time that the handler has is not ours. */
	struct uc_host host = *args->host;
	struct uc_server_args mine = *args;
	struct keeper k = {
		.args = &mine, .spec = *args->spec, .cookie = args->cookie, .locks = UC_LOCKS_NONE};
	const int file = args->target->nr_fds ? args->target->fds[0] : -1;
	int fds[2];
	pid_t pid;

	host.deadline = 0;
	mine.host = &host;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return uc_fail_errno(err, errno, "pipe");
	pid = fork();
	if (pid == 0) {
		close_all_but(args->target, fds[0]);
		(void)uc_isolate_stdio(NULL);
		uc_isolate_memory();
		unblock_signals();
		(void)!chdir("/");
		uc_log_to_syslog();
		k.self = (struct uc_keeper_id){getpid(), uc_proc_start_time(getpid()), file};
		keep(&k, fds[0]);
	}
	close(fds[0]);
	if (pid < 0) {
		close(fds[1]);
		return uc_fail_errno(err, errno, "cannot start the keeper process");
	}
	*ret_keeper = (struct uc_keeper_id){pid, uc_proc_start_time(pid), file};
	*ret_fd = fds[1];
	/* It ends when it finds its pipe closed. */
	if (!ret_keeper->start)
		return uc_fail(err, UC_FAILED, ENOENT, "/proc/%d/stat cannot be read", pid);
	return 0;
}

/* A pidfd of the process that the record means, or -1. Opened first, so it cannot be another's. */
static int open_keeper(const struct uc_keeper_id *keeper)
{
	int pidfd = keeper->pid > 0 ? (int)syscall(SYS_pidfd_open, keeper->pid, 0) : -1;

	if (pidfd >= 0 && uc_proc_start_time(keeper->pid) != keeper->start) {
		close(pidfd);
		pidfd = -1;
	}
	return pidfd;
}

static void end(int pidfd)
{
	struct pollfd gone = {.fd = pidfd, .events = POLLIN};

	(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	(void)poll(&gone, 1, LOOK_MS);
}

void uc_keeper_end(const struct uc_keeper_id *keeper)
{
	uc_auto_close int pidfd = open_keeper(keeper);

	if (pidfd >= 0)
		end(pidfd);
}

bool uc_keeper_is_alive(const struct uc_keeper_id *keeper)
{
	return keeper->pid && !uc_proc_has_died(keeper->pid, keeper->start);
}

bool uc_keeper_has_lost(const struct uc_record *record)
{
	const struct uc_keeper_id *keeper = &record->keeper;

	return keeper->fd >= 0 && !record->backing[0] && !uc_keeper_is_alive(keeper);
}

int uc_keeper_take(const struct uc_record *record, int *ret_fd, struct uc_error *err)
{
	const struct uc_keeper_id *keeper = &record->keeper;

	*ret_fd = uc_proc_take_file(keeper->pid, keeper->start, keeper->fd);
	if (*ret_fd == -ESRCH)
		return uc_fail(
			err, UC_FAILED, ENOENT,
			"the memory of device %u is gone with the process that kept it (%d); "
			"delete the device",
			record->id, keeper->pid);
	return *ret_fd < 0 ? uc_fail_errno(err, -*ret_fd, "cannot take the memory from process %d",
					   keeper->pid)
			   : 0;
}
