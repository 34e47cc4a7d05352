/* SPDX-License-Identifier: MIT */
/* The end of service, for good or for a while. */
#include "stop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bounded.h"
#include "cleanup.h"
#include "inuse.h"
#include "keeper.h"
#include "lifecycle.h"
#include "node.h"
#include "proc.h"
#include "progress.h"

/* How long a user may be there whom only the driver sees, and how often that is looked at. */
#define UNSEEN_MS 500
#define LOOK_MS   10

struct request {
	const struct uc_host *host;
	const struct uc_change *change;
	bool force;
};

/* Whether the driver does. Else one who comes after our look at them is not noticed. */
static bool sees_users(const struct uc_device *d)
{
	return d->has_node && (d->info.flags & UBLK_F_SAFE_STOP_DEV);
}

static int stop(void *ctx, void *ret, struct uc_error *err)
{
	const struct request *r = ctx;
	const struct uc_device *d = &r->change->device;
	const struct uc_lock *lock = uc_change_lock(r->change);
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	int res = uc_ctrl_open(r->host, &ctrl, err);

	(void)ret;
	if (res < 0)
		return res;
	/* Between a look at its users and now someone may have come: let the driver decide. */
	if (!r->force && sees_users(d)) {
		res = uc_ctrl_try_stop_dev(ctrl, lock, err);
		/* Without a disk it has no users: stopped meanwhile, or never started. */
		if (res != -ENODEV)
			return res;
	}
	return uc_ctrl_stop_dev(ctrl, lock, err);
}

static int stop_within(const struct uc_host *host, const struct uc_change *change, bool force,
		       struct uc_error *err)
{
	struct request r = {.host = host, .change = change, .force = force};

	return uc_bounded(stop, &r, NULL, 0, uc_host_left_ms(host) + UC_MARGIN_MS,
			  "stopping the device", err);
}

/* The process that serves the device, and a pidfd of it; -1: there is none. */
struct server {
	pid_t pid;
	int pidfd;
};

/*
 * Who it is comes from the kernel, never from a record, and it counts only if it really holds
 * ublkcN open: the pidfd is opened first, so a pid that was used again since does not pass.
 */
static void open_server(const struct uc_change *change, struct server *ret_server)
{
	const struct ublksrv_ctrl_dev_info *info = &change->device.info;
	pid_t pid = info->ublksrv_pid;
	char path[64];
	struct stat st;

	*ret_server = (struct server){.pidfd = -1};
	uc_node_char_path(change->host, info->dev_id, path, sizeof(path));
	if (stat(path, &st) < 0)
		return;
	/* The driver forgets the pid when the device is stopped. */
	if (pid <= 0)
		pid = uc_proc_find_opener(&st, getpid());
	if (pid <= 0)
		return;
	*ret_server = (struct server){pid, (int)syscall(SYS_pidfd_open, pid, 0)};
	if (ret_server->pidfd >= 0 && !uc_proc_has_open(pid, &st)) {
		close(ret_server->pidfd);
		ret_server->pidfd = -1;
	}
}

/* True when the process is gone, or is none. */
static bool await_server(const struct server *server, unsigned timeout_ms)
{
	struct pollfd gone = {.fd = server->pidfd, .events = POLLIN};

	return server->pidfd < 0 || uc_progress_poll(&gone, 1, (int)timeout_ms) > 0;
}

static bool kill_server(const struct uc_host *host, const struct server *server)
{
	return server->pidfd >= 0 &&
	       syscall(SYS_pidfd_send_signal, server->pidfd, SIGKILL, NULL, 0) == 0 &&
	       await_server(server, uc_host_left_ms(host));
}

/* A handler that stands still keeps requests, and thereby the driver; that is worth a word. */
static int blame_server(const struct server *server, struct uc_error *err)
{
	char where[UC_WHERE_MAX];

	if (!err || server->pidfd < 0 || await_server(server, 0) ||
	    !uc_proc_where(server->pid, where, sizeof(where)))
		return -ETIMEDOUT;
	return uc_wrap(err, "the handler does not answer (%s), and --force kills it", where);
}

/* A server that does not answer holds up STOP_DEV. One that is to be killed gets half the time. */
static int stop_block(const struct uc_change *change, bool force, const struct server *server,
		      struct uc_error *err)
{
	const struct uc_host *host = change->host;
	const struct uc_host half = uc_host_within(host, uc_host_left_ms(host) / 2);
	int ret = stop_within(force && server->pidfd >= 0 ? &half : host, change, force, err);

	if (ret != -ETIMEDOUT)
		return ret;
	if (force && kill_server(host, server))
		return stop_within(host, change, force, err);
	return blame_server(server, err);
}

static int await_end(const struct uc_change *change, bool force, const struct server *server,
		     struct uc_error *err)
{
	const struct uc_host *host = change->host;
	const unsigned left = uc_host_left_ms(host);
	char where[UC_WHERE_MAX];

	if (await_server(server, force ? left / 2 : left) || (force && kill_server(host, server)))
		return 0;
	(void)uc_proc_where(server->pid, where, sizeof(where));
	return uc_fail(err, UC_TIMEOUT, ETIMEDOUT,
		       "device %u is stopped, but its handler did not end within %u ms: %s; %s",
		       change->device.info.dev_id, host->timeout_ms, where,
		       force ? "see dmesg" : "use --force to kill it");
}

int uc_stop_block(const struct uc_change *change, bool force, struct uc_error *err)
{
	struct server server;
	int ret;

	open_server(change, &server);
	ret = stop_block(change, force, &server, err);
	uc_cleanup_close(&server.pidfd);
	return ret;
}

/*
 * The driver's look at its users costs nothing; ours is at all processes, and knows their names.
 * Whom the driver saw, and we do not, has gone by then, or will in a moment.
 */
static int stop_seen_unused(const struct uc_change *change, const struct server *server,
			    struct uc_error *err)
{
	const uint64_t deadline = uc_deadline(UNSEEN_MS);
	struct uc_error user = {0};
	int ret;

	while ((ret = stop_block(change, false, server, err)) == -EBUSY && uc_left_ms(deadline)) {
		if (uc_inuse_check(change->host, &change->device, &user) < 0) {
			if (err)
				*err = user;
			return -EBUSY;
		}
		uc_progress_tick();
		uc_sleep_ms(LOOK_MS);
	}
	return ret;
}

static int stop_unused(const struct uc_change *change, const struct server *server,
		       struct uc_error *err)
{
	int ret;

	if (sees_users(&change->device))
		return stop_seen_unused(change, server, err);
	ret = uc_inuse_check(change->host, &change->device, err);
	return ret == 0 ? stop_block(change, false, server, err) : ret;
}

int uc_stop_device(const struct uc_change *change, bool force, struct uc_error *err)
{
	struct server server;
	int ret;

	open_server(change, &server);
	ret = force ? stop_block(change, true, &server, err) : stop_unused(change, &server, err);
	if (ret == 0)
		ret = await_end(change, force, &server, err);
	uc_cleanup_close(&server.pidfd);
	return ret;
}

/* --- stopped, to be started again --- */

static int check_stop(const struct uc_device *d, bool force, struct uc_error *err)
{
	const uint32_t id = d->info.dev_id;

	if (d->record_state != UC_RECORD_OK)
		return uc_fail(err, UC_FAILED, ENOENT,
			       "there is no record of device %u, so it could not be started again; "
			       "use 'ublkctl del'",
			       id);
	if (d->info.state == UBLK_S_DEV_DEAD)
		return uc_fail(err, UC_FAILED, EINVAL,
			       "device %u is dead: its handler has ended; use 'ublkctl del'", id);
	if (!force && uc_keeper_has_lost(&d->record))
		return uc_fail(err, UC_FAILED, EPERM,
			       "the data of device %u is in the memory of its handler alone, and "
			       "would be lost; use --force, or make it with --recovery",
			       id);
	return 0;
}

/* Before the device is stopped: afterwards it would look like one that has died. */
static int note_stopped(const struct uc_change *change, bool is, struct uc_error *err)
{
	const struct uc_device *d = &change->device;
	struct uc_record record = d->record;

	record.stopped = (struct uc_stopped){
		.is = is,
		.queues = d->info.nr_hw_queues,
		.depth = d->info.queue_depth,
		.max_io_size = d->info.max_io_buf_bytes,
		.flags = d->info.flags,
	};
	return uc_record_write(change->host, uc_change_lock(change), &record, err);
}

int uc_stop_await(const struct uc_change *change, struct uc_error *err)
{
	const struct uc_host *host = change->host;
	const uint32_t id = change->device.info.dev_id;
	char where[UC_WHERE_MAX];
	uc_auto_progress struct uc_progress progress;
	struct server server;
	int ret = 0;

	uc_progress_begin(&progress, uc_host_deadline(host),
			  "waiting for the handler that device %u had to end", id);
	open_server(change, &server);
	if (!await_server(&server, uc_host_left_ms(host))) {
		(void)uc_proc_where(server.pid, where, sizeof(where));
		ret = uc_fail(err, UC_TIMEOUT, ETIMEDOUT,
			      "the handler that device %u had did not end within %u ms: %s; "
			      "'ublkctl stop --force %u' kills it",
			      id, host->timeout_ms, where, id);
	}
	uc_cleanup_close(&server.pidfd);
	return ret;
}

static int stop_running(struct uc_change *change, bool force, struct uc_error *err)
{
	const struct uc_host *host = change->host;
	int ret = check_stop(&change->device, force, err);

	if (ret == 0 && !force && host->dry_run)
		ret = uc_inuse_check(host, &change->device, err);
	if (ret < 0 || host->dry_run)
		return ret;
	ret = note_stopped(change, true, err);
	if (ret < 0)
		return ret;
	ret = uc_stop_device(change, force, err);
	/* It goes on, unless the driver is at it yet: then the next look will tell. */
	if (ret < 0 && ret != -ETIMEDOUT && ret != -EPIPE)
		(void)note_stopped(change, false, NULL);
	return ret;
}

int uc_stop(const struct uc_host *host, const struct uc_ref *ref, bool force, struct uc_error *err)
{
	uc_auto_change struct uc_change change = UC_CHANGE_NONE;
	uc_auto_progress struct uc_progress progress;
	int ret;

	uc_progress_begin(&progress, uc_host_deadline(host), "waiting for device %u to be stopped",
			  ref->id);
	ret = uc_change_begin(host, ref, &change, err);
	if (ret < 0)
		return ret;
	if (!uc_device_is_stopped(&change.device))
		return stop_running(&change, force, err);
	/* Its handler may be there yet. */
	if (!host->dry_run && !change.device.only_recorded)
		ret = uc_stop_device(&change, force, err);
	return ret < 0 ? ret : UC_AS_IT_WAS;
}
