/* SPDX-License-Identifier: MIT */
/*
 * A handler process, and a pipe on which it says once how it went. The pipe's end without a word
 * means that the handler died; then what a new device left in the driver is found by its cookie.
 */
#include "handler.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bounded.h"
#include "cleanup.h"
#include "deadline.h"
#include "device.h"
#include "isolate.h"
#include "log.h"
#include "progress.h"
#include "udev.h"

/* How long a handler that shall go may take to do so by itself. */
#define GRACE_MS 1000

/* The one message of a handler; less than PIPE_BUF, so it comes whole or not at all. */
struct ready_message {
	bool up;
	struct uc_added added; /* up */
	struct uc_error err;   /* not up */
};

static int send_message(int fd, const struct ready_message *message)
{
	return write(fd, message, sizeof(*message)) == (ssize_t)sizeof(*message) ? 0 : -EPIPE;
}

static int send_ready(void *ctx, const struct uc_added *added)
{
	const struct ready_message message = {.up = true, .added = *added};
	int *fd = ctx;
	int ret = send_message(*fd, &message);

	if (ret == 0) {
		close(*fd);
		*fd = -1;
	}
	return ret;
}

/* The child of `add`: becomes the handler. Never returns: the parent's atexit work is not ours. */
static _Noreturn void handler(const struct uc_server_args *args, int pipe_fd)
{
	struct uc_server_args mine = *args;
	struct ready_message message = {0};
	int ret;

	mine.ready = send_ready;
	mine.ctx = &pipe_fd;
	uc_log_to_syslog();
	ret = uc_isolate_stdio(&message.err);
	if (ret == 0)
		ret = uc_server_run(&mine, &message.err);
	if (ret < 0 && pipe_fd >= 0)
		(void)send_message(pipe_fd, &message);
	_exit(ret < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

/*
 * Waits for the handler's word. 0: it has come; -EINTR: the user wants no more; -EPIPE: the
 * handler is dead; -ETIMEDOUT.
 */
static int await_message(int pipe_fd, int signal_fd, uint64_t deadline,
			 struct ready_message *ret_message)
{
	struct pollfd fds[] = {
		{.fd = pipe_fd, .events = POLLIN},
		{.fd = signal_fd, .events = POLLIN},
	};

	for (;;) {
		int ret = uc_progress_poll(fds, 2, (int)uc_left_ms(deadline));

		if (ret == 0)
			return -ETIMEDOUT;
		if (ret < 0)
			continue;
		if (fds[0].revents)
			return read(pipe_fd, ret_message, sizeof(*ret_message)) ==
					       (ssize_t)sizeof(*ret_message)
				       ? 0
				       : -EPIPE;
		if (fds[1].revents)
			return -EINTR;
	}
}

/* Waits for the handler to be gone; a handler that does not go by itself is killed. */
static void reap(pid_t pid, uint64_t deadline)
{
	while (waitpid(pid, NULL, WNOHANG) == 0) {
		if (uc_left_ms(deadline) == 0) {
			(void)kill(pid, SIGKILL);
			/* One that is stuck in the kernel cannot be waited for; init will. */
			uc_sleep_ms(100);
			(void)waitpid(pid, NULL, WNOHANG);
			return;
		}
		uc_progress_tick();
		uc_sleep_ms(2);
	}
}

/* The device with our cookie: there is one at most. -ENODEV: there is none. */
static int find_leftover(const struct uc_host *host, uint64_t cookie, uint32_t *ret_id,
			 struct uc_error *err)
{
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	uc_auto_free uint32_t *ids = NULL;
	struct ublksrv_ctrl_dev_info info;
	size_t count = 0;
	int ret = uc_device_ids(host, &ids, &count, err);

	if (ret == 0 && count)
		ret = uc_ctrl_open(host, &ctrl, err);
	for (size_t i = 0; ret == 0 && i < count; i++) {
		*ret_id = ids[i];
		ret = uc_ctrl_get_dev_info(ctrl, ids[i], &info, err);
		if (ret == 0 && info.ublksrv_flags == cookie)
			return 0;
		if (uc_device_is_out_of_sight(host, ret))
			ret = 0;
	}
	return ret < 0 ? ret : -ENODEV;
}

struct leftover {
	const struct uc_host *host;
	const struct uc_lock *lock;
};

static int remove_leftover(void *ctx, void *ret, struct uc_error *err)
{
	const struct leftover *l = ctx;
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	int res = uc_ctrl_open(l->host, &ctrl, err);

	(void)ret;
	if (res < 0)
		return res;
	(void)uc_ctrl_stop_dev(ctrl, l->lock, NULL);
	(void)uc_record_remove(l->host, l->lock, NULL);
	return uc_ctrl_del_dev(ctrl, l->lock, err);
}

/* Whoever has died in the making of the device has left us its lock, as far as it came. */
static int remove_leftovers(const struct uc_server_args *args, struct uc_error *err)
{
	const struct uc_host host = uc_host_within(args->host, UC_TIDY_MS);
	struct leftover l = {&host, args->locks->device};
	uint32_t id;
	int ret = find_leftover(&host, args->cookie, &id, err);

	if (ret < 0)
		return ret == -ENODEV ? 0 : ret;
	ret = uc_lock_bind(&host, args->locks->device, id, err);
	if (ret < 0)
		return ret;
	return uc_bounded(remove_leftover, &l, NULL, 0, uc_host_left_ms(&host) + UC_MARGIN_MS,
			  "removing the half-made device", err);
}

/* After a failed start: err stays what it is, unless something could not be taken away. */
static void clean_up(const struct uc_server_args *args, struct uc_error *err)
{
	struct uc_error why = {0};
	int ret = remove_leftovers(args, &why);

	/* Without a driver there is nothing that could be left. */
	if (ret < 0 && why.code != UC_NO_DRIVER && why.code != UC_PERMISSION)
		uc_wrap(err, "a device may be left, see 'ublkctl list' (%.80s)", why.text);
}

static sigset_t held_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	return set;
}

void uc_handler_hold_signals(void)
{
	const sigset_t set = held_signals();

	sigprocmask(SIG_BLOCK, &set, NULL);
}

int uc_handler_block_signals(int *ret_fd, struct uc_error *err)
{
	const sigset_t set = held_signals();

	uc_handler_hold_signals();
	*ret_fd = signalfd(-1, &set, SFD_CLOEXEC);
	return *ret_fd < 0 ? uc_fail_errno(err, errno, "signalfd") : 0;
}

/* The device was there before, and is there afterwards. */
static bool stays(const struct uc_server_args *args)
{
	return args->resume || args->restart;
}

static int explain_no_message(const struct uc_server_args *args, int ret, struct uc_error *err)
{
	switch (ret) {
	case -EINTR:
		return uc_fail(err, UC_FAILED, EINTR, "interrupted; %s",
			       stays(args) ? "the device still has no handler"
					   : "no device was made");
	case -ETIMEDOUT:
		return uc_fail(err, UC_TIMEOUT, ETIMEDOUT,
			       "the handler was not ready within %u ms; see dmesg and syslog",
			       args->host->timeout_ms);
	default:
		return uc_fail(err, UC_FAILED, EPIPE,
			       "the handler process died before the device was ready; see dmesg "
			       "and syslog");
	}
}

/* The parent's half: hears the handler out, and leaves nothing behind if it went wrong. */
static int follow(const struct uc_server_args *args, pid_t pid, int pipe_fd, int signal_fd,
		  struct uc_added *ret_added, struct uc_error *err)
{
	const struct uc_host *host = args->host;
	/* It has the same time, and takes back what it has begun before it says so. */
	const unsigned bound = uc_host_left_ms(host) + UC_TIDY_MS + UC_MARGIN_MS;
	struct ready_message message = {0};
	uc_auto_progress struct uc_progress progress;
	int ret;

	if (stays(args))
		uc_progress_begin(&progress, uc_deadline(bound),
				  "waiting for a handler of device %u", args->spec->id);
	else
		uc_progress_begin(&progress, uc_deadline(bound), "waiting for the new device");
	ret = await_message(pipe_fd, signal_fd, uc_deadline(bound), &message);

	if (ret == 0 && message.up) {
		*ret_added = message.added;
		return 0;
	}
	/* One that has the device up by now would delete it when it is asked to stop. */
	if (ret == -EINTR)
		(void)kill(pid, stays(args) ? SIGKILL : SIGTERM);
	reap(pid, uc_deadline(GRACE_MS));
	if (ret == 0) {
		*err = message.err;
		ret = -message.err.errnum;
	} else {
		ret = explain_no_message(args, ret, err);
	}
	if (!stays(args))
		clean_up(args, err);
	return ret;
}

/* Whoever hears of a new device may use its links and partitions. It is there in any case. */
static void await_udev(const struct uc_host *host, const struct uc_added *added, uint64_t since_ns,
		       int signal_fd)
{
	if (uc_udev_await(host, added->info.dev_id, since_ns, signal_fd) == -ETIMEDOUT)
		uc_log(LOG_WARNING,
		       "%s is there, but udev is not done with it after %u ms: its links may come "
		       "later; see 'udevadm settle'",
		       added->node, host->timeout_ms);
}

int uc_handler_start(const struct uc_server_args *args, struct uc_added *ret_added,
		     struct uc_error *err)
{
	const struct uc_host host = args->host->deadline
					    ? *args->host
					    : uc_host_within(args->host, args->host->timeout_ms);
	const uint64_t began = uc_now();
	struct uc_server_args mine = *args;
	uc_auto_close int signal_fd = -1;
	uc_auto_close int pipe_fd = -1;
	int fds[2];
	pid_t pid;
	int ret;

	if (host.dry_run)
		return uc_server_check(args, ret_added, err);
	ret = uc_handler_block_signals(&signal_fd, err);
	if (ret < 0)
		return ret;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return uc_fail_errno(err, errno, "pipe");
	pipe_fd = fds[0];
	mine.host = &host;
	pid = fork();
	if (pid == 0) {
		/* Ours must be the only write end, and not the read end: its end is the signal. */
		close(fds[0]);
		close(signal_fd);
		handler(&mine, fds[1]);
	}
	if (pid < 0)
		ret = uc_fail_errno(err, errno, "cannot start the handler process");
	close(fds[1]);
	if (pid > 0)
		ret = follow(&mine, pid, pipe_fd, signal_fd, ret_added, err);
	/* What udev runs may want to change it. */
	if (ret == 0)
		uc_locks_release(args->locks);
	if (ret == 0 && !args->resume)
		await_udev(&host, ret_added, began, signal_fd);
	return ret;
}
