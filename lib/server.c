/* SPDX-License-Identifier: MIT */
/*
 * The handler process of one device: get it out of the driver, queue threads that fetch every tag,
 * START_DEV (or END_USER_RECOVERY, for one that is taken over), see the node work, write the
 * record, be ready; then wait for the end, and take everything down in the opposite order.
 */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "bounded.h"
#include "cleanup.h"
#include "ctrl.h"
#include "deadline.h"
#include "isolate.h"
#include "keeper.h"
#include "linger.h"
#include "lock.h"
#include "log.h"
#include "node.h"
#include "notify.h"
#include "obtain.h"
#include "proc.h"
#include "progress.h"
#include "queue.h"
#include "record.h"
#include "rundir.h"

/* How often what another does is looked at. */
#define LOOK_MS 10

struct server {
	const struct uc_server_args *args;
	struct uc_host host; /* its run_dir changes when the mounts are left behind */
	struct uc_obtained dev;
	struct uc_ctrl *last_ctrl; /* for taking down: opened while /dev can still be reached */
	struct uc_stats *stats;
	struct uc_queue_setup setup;
	struct uc_buffers *buffers; /* of each hardware queue */
	struct uc_queue *queues;    /* as each thread serves them */
	unsigned nr_threads;
	int keeper_fd; /* tells a keeper of ours; its end is our end */
	int char_fd;
	int signal_fd;
	int notify_fd; /* of a service manager that waits for us, or -1 */
	int dev_fd;    /* the directory of nodes, for the time when it has no path any more */

	/* What the queue threads have told; under the mutex. */
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	unsigned nr_started;
	unsigned nr_ended;
	bool failed;
	struct uc_error failure; /* the first one */
	int end_pipe[2];         /* readable when a queue has ended */
};

/* It has a record, which holds until the device is up. */
static bool is_known(const struct server *s)
{
	return s->args->resume || s->args->restart;
}

static void on_queue_report(struct uc_queue *queue, bool started, const struct uc_error *err)
{
	struct server *s = queue->setup->report_ctx;

	pthread_mutex_lock(&s->mutex);
	if (started)
		s->nr_started++;
	else
		s->nr_ended++;
	if (err && !s->failed) {
		s->failed = true;
		s->failure = *err;
	}
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->mutex);
	if (!started)
		(void)!write(s->end_pipe[1], "", 1);
}

static void init_sync(struct server *s)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&s->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->changed, &attr);
	pthread_condattr_destroy(&attr);
}

/* Signals are read, never handled: blocked before any thread exists, so that all inherit it. */
static int open_signals(struct server *s, struct uc_error *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	sigdelset(&set, SIGPIPE);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signal_fd < 0)
		return uc_fail_errno(err, errno, "signalfd");
	if (pipe2(s->end_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return uc_fail_errno(err, errno, "pipe");
	return 0;
}

/* One of a queue's threads, with its share of the tags. */
static int start_thread(struct server *s, uint16_t qid, uint16_t nr, const struct uc_cpus *cpus,
			struct uc_error *err)
{
	const struct uc_queue_setup *setup = &s->setup;
	const unsigned index = (unsigned)qid * setup->threads + nr;
	struct uc_queue *queue = &s->queues[index];

	queue->setup = setup;
	queue->stats = &s->stats->threads[index];
	queue->buffers = s->buffers[qid].memory;
	queue->qid = qid;
	/* Interleaved, since low tags are given out first. */
	queue->first_tag = nr;
	queue->cpus = *cpus;
	return uc_queue_start(queue, err);
}

static int start_queue(struct server *s, uint16_t qid, struct uc_error *err)
{
	struct uc_cpus cpus;
	int ret = uc_ctrl_get_queue_affinity(s->dev.ctrl, s->dev.info.dev_id, qid, &cpus, err);

	if (ret == 0)
		ret = uc_buffers_map(&s->setup, &s->buffers[qid], err);
	for (uint16_t nr = 0; ret == 0 && nr < s->setup.threads; nr++)
		ret = start_thread(s, qid, nr, &cpus, err);
	return ret;
}

static int start_queues(struct server *s, struct uc_error *err)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int ret = 0;

	s->setup = (struct uc_queue_setup){
		.host = &s->host,
		.target = s->args->target,
		.path = s->dev.path,
		.dev_id = s->dev.info.dev_id,
		.depth = s->dev.info.queue_depth,
		.threads = s->args->spec->threads,
		.buf_size = (s->dev.info.max_io_buf_bytes + page - 1) / page * page,
		.cpus = &s->args->spec->cpus,
		.shared = s->dev.path->shared ? &s->dev.shared : NULL,
		.char_fd = s->char_fd,
		.end_fd = s->end_pipe[0],
		.report = on_queue_report,
		.report_ctx = s,
	};
	s->buffers = calloc(s->dev.info.nr_hw_queues, sizeof(*s->buffers));
	s->queues = calloc(s->nr_threads, sizeof(*s->queues));
	if (!s->buffers || !s->queues)
		return uc_fail_errno(err, ENOMEM, "queues");
	for (uint16_t qid = 0; ret == 0 && qid < s->dev.info.nr_hw_queues; qid++)
		ret = start_queue(s, qid, err);
	return ret;
}

static int await_queues(struct server *s, struct uc_error *err)
{
	const uint64_t deadline = uc_host_deadline(&s->host);
	const struct timespec until = {
		.tv_sec = (time_t)(deadline / 1000000000U),
		.tv_nsec = (long)(deadline % 1000000000U),
	};
	int ret = 0;

	pthread_mutex_lock(&s->mutex);
	while (s->nr_started < s->nr_threads && !s->failed && ret == 0)
		ret = pthread_cond_timedwait(&s->changed, &s->mutex, &until);
	if (s->failed) {
		*err = s->failure;
		ret = -err->errnum;
	} else if (ret) {
		ret = uc_fail(err, UC_TIMEOUT, ETIMEDOUT,
			      "the queues of device %u were not set up within %u ms; the machine "
			      "may be overloaded",
			      s->dev.info.dev_id, s->host.timeout_ms);
	}
	pthread_mutex_unlock(&s->mutex);
	return ret;
}

struct start {
	const struct server *s;
	pid_t pid;
};

static int work_start(void *ctx, void *ret, struct uc_error *err)
{
	const struct start *start = ctx;
	const struct uc_lock *lock = start->s->args->locks->device;
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	int res = uc_ctrl_open(&start->s->host, &ctrl, err);

	(void)ret;
	if (res < 0)
		return res;
	return start->s->args->resume ? uc_ctrl_end_user_recovery(ctrl, lock, start->pid, err)
				      : uc_ctrl_start_dev(ctrl, lock, start->pid, err);
}

/*
 * A child tells the driver: before 6.19 that looks for partitions then, which is reading from us,
 * and who has a command in the driver cannot be killed.
 */
static int tell_started(struct server *s, struct uc_error *err)
{
	struct start start = {s, getpid()};

	return uc_bounded(work_start, &start, NULL, 0, uc_host_left_ms(&s->host) + UC_MARGIN_MS,
			  "starting the device", err);
}

static int look_at_node(struct server *s, struct uc_error *err)
{
	struct uc_node_look look = {
		.host = s->host,
		.id = s->dev.info.dev_id,
		.block = s->args->target->limits.logical_bs,
		.partitions = s->dev.info.flags & UBLK_F_NO_AUTO_PART_SCAN,
	};
	return uc_bounded(uc_node_await_block, &look, NULL, 0,
			  uc_host_left_ms(&s->host) + UC_MARGIN_MS, "reading the new device", err);
}

static int start_device(struct server *s, struct uc_error *err)
{
	const uint32_t id = s->dev.info.dev_id;
	int ret = uc_node_open_char(&s->host, id, &s->char_fd, err);

	s->nr_threads = s->dev.info.nr_hw_queues * (unsigned)s->args->spec->threads;
	if (ret == 0)
		ret = uc_stats_create(&s->host, id, s->nr_threads, s->args->resume, &s->stats, err);
	if (ret == 0)
		ret = start_queues(s, err);
	if (ret == 0)
		ret = await_queues(s, err);
	/* Who hears of the new block device, udev first of all, wants to know what it is. */
	if (ret == 0 && !is_known(s))
		ret = uc_obtained_write_record(&s->dev, err);
	if (ret < 0)
		return ret;
	ret = tell_started(s, err);
	/* Ours from now on, to be deleted on a signal. */
	s->dev.added = ret == 0 || s->dev.added;
	/* Of one that was served before, its users know what it can read, and have it open. */
	if (ret == 0 && !s->args->resume)
		ret = look_at_node(s, err);
	return ret;
}

static int tell_ready(struct server *s, struct uc_error *err)
{
	struct uc_added added = {.info = s->dev.info};

	added.info.state = UBLK_S_DEV_LIVE;
	added.info.ublksrv_pid = getpid();
	uc_node_block_path(&s->host, s->dev.info.dev_id, added.node, sizeof(added.node));
	snprintf(added.data_path, sizeof(added.data_path), "%s", s->dev.path->name);
	if (uc_told_to_end(s->signal_fd))
		return uc_fail(err, UC_FAILED, EINTR, "interrupted");
	/* A device that there was before is served, whether or not somebody hears of it. */
	if (s->args->ready(s->args->ctx, &added) < 0 && !is_known(s))
		return uc_fail(err, UC_FAILED, EPIPE, "nobody is left to hear of device %u",
			       s->dev.info.dev_id);
	uc_notify(s->notify_fd, "READY=1\nSTATUS=%s serves %s", s->args->target->ops->name,
		  added.node);
	return 0;
}

/* A service manager ends units in an order that not everybody has been told of. */
static bool lingers(const struct server *s)
{
	return s->notify_fd >= 0 || s->args->spec->lingers;
}

/* From here on our files are reached by relative paths only: see uc_isolate_mounts(). */
static int leave_mounts(struct server *s, struct uc_error *err)
{
	int ret = uc_ctrl_open(&s->host, &s->last_ctrl, err);

	if (ret < 0)
		return ret;
	if (lingers(s))
		s->dev_fd = open(s->host.dev_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (chdir(s->host.run_dir) < 0)
		return uc_fail_errno(err, errno, "%s", s->host.run_dir);
	s->host.run_dir = ".";
	uc_isolate_mounts();
	return 0;
}

static int bring_up(struct server *s, struct uc_error *err)
{
	struct uc_locks *locks = s->args->locks;
	int ret = open_signals(s, err);

	if (ret == 0)
		ret = uc_ctrl_open(&s->host, &s->dev.ctrl, err);
	if (ret == 0 && !is_known(s))
		ret = uc_lock_making(&s->host, false, &locks->making_fd, err);
	if (ret == 0)
		ret = uc_obtain(&s->dev, err);
	if (ret == 0)
		ret = start_device(s, err);
	/* A keeper of ours is in office before the record calls the old one off. */
	if (ret == 0 && s->keeper_fd >= 0)
		(void)!write(s->keeper_fd, &s->dev.info.dev_id, sizeof(s->dev.info.dev_id));
	if (ret == 0 && is_known(s))
		ret = uc_obtained_write_record(&s->dev, err);
	if (ret == 0)
		ret = leave_mounts(s, err);
	if (ret == 0)
		ret = tell_ready(s, err);
	if (ret == 0)
		uc_locks_release(locks);
	return ret;
}

/* While this process has but one thread and the mounts of everyone else. */
static int get_keeper(struct server *s, struct uc_error *err)
{
	if (s->args->keeper)
		s->dev.keeper = *s->args->keeper;
	else if (uc_keeper_wanted(s->args->spec, s->args->target))
		return uc_keeper_start(s->args, &s->dev.keeper, &s->keeper_fd, err);
	return 0;
}

/*
 * Sleeps until a signal asks for the end (true) or a queue has lost its driver (false). Who has the
 * device of a unit mounted may be next to end, and gets time.
 */
static bool await_end(struct server *s)
{
	struct pollfd fds[] = {
		{.fd = s->signal_fd, .events = POLLIN},
		{.fd = s->end_pipe[0], .events = POLLIN},
	};

	for (;;) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if ((fds[0].revents & POLLIN) && uc_told_to_end(s->signal_fd))
			return lingers(s)
				       ? uc_linger(s->dev_fd, s->dev.info.dev_id, fds, s->notify_fd)
				       : true;
		if (fds[1].revents & POLLIN)
			return false;
	}
}

/* Waits for all queue threads. Returns false when one is still running: nothing may be freed. */
static bool join_queues(struct server *s)
{
	const uint64_t deadline = uc_host_deadline(&s->host);
	bool all = true;

	for (unsigned i = 0; s->queues && i < s->nr_threads; i++) {
		if (uc_queue_join(&s->queues[i], deadline) < 0) {
			uc_log(LOG_ERR, "device %u queue %u does not end", s->dev.info.dev_id,
			       s->queues[i].qid);
			all = false;
		}
	}
	return all;
}

/*
 * The right to take our device away: that of a start which has failed is ours yet; later another
 * may be at it, and if that is to stop the device, there is nothing left to do. NULL: not ours.
 */
static const struct uc_lock *lock_to_delete(struct server *s, struct uc_error *err)
{
	const uint64_t deadline = uc_host_deadline(&s->host);
	struct uc_locks *locks = s->args->locks;
	struct pollfd end = {.fd = s->end_pipe[0], .events = POLLIN};

	while (!locks->device &&
	       uc_lock_try_device(&s->host, s->dev.info.dev_id, &locks->device, err) == -EBUSY) {
		if (uc_left_ms(deadline) == 0 || poll(&end, 1, LOOK_MS) > 0)
			break;
	}
	return locks->device;
}

typedef int removal_command(struct uc_ctrl *ctrl, const struct uc_lock *lock, struct uc_error *err);

/* How the driver is told that the device goes. */
struct removal {
	const struct uc_host *host;
	const struct uc_lock *lock;
	struct uc_ctrl *ctrl; /* NULL: a child's own */
	removal_command *command;
};

static int work_removal(void *ctx, void *ret, struct uc_error *err)
{
	const struct removal *r = ctx;
	uc_auto_ctrl struct uc_ctrl *own = NULL;
	int res = r->ctrl ? 0 : uc_ctrl_open(r->host, &own, err);

	(void)ret;
	return res < 0 ? res : r->command(r->ctrl ? r->ctrl : own, r->lock, err);
}

/*
 * A child does it where it can open the control device: STOP_DEV waits for whoever closes the
 * block device, who may wait for us, and who has a command in the driver cannot be killed.
 */
static int tell_driver(struct removal *r, removal_command *command)
{
	struct uc_error err = {0};
	int ret;

	r->command = command;
	ret = r->ctrl ? work_removal(r, NULL, &err)
		      : uc_bounded(work_removal, r, NULL, 0,
				   uc_host_left_ms(r->host) + UC_MARGIN_MS,
				   "taking the device away", &err);
	if (ret < 0)
		uc_log(LOG_ERR, "%s", err.text);
	return ret;
}

/*
 * Takes down what bring_up() made, however far it came. The device itself is removed only when
 * `delete`: a device that someone else stopped is theirs to delete; and with `stay` it is only
 * stopped. Failures are logged: there may be an earlier error to report, and the parent looks after
 * what is left.
 */
static void take_down(struct server *s, bool delete, bool stay)
{
	/* A client of its own: a command of the other one may still be waiting for its answer. */
	uc_auto_ctrl struct uc_ctrl *last = s->last_ctrl;
	struct removal removal = {.host = &s->host, .ctrl = last};
	struct uc_error err = {0};

	if (delete &&s->dev.added && !(removal.lock = lock_to_delete(s, &err)))
		uc_log(LOG_ERR, "%s", err.text);
	if (removal.lock && s->queues && tell_driver(&removal, uc_ctrl_stop_dev) == -ETIMEDOUT)
		return;
	if (!join_queues(s))
		return;
	uc_stats_unmap(s->stats);
	for (uint16_t qid = 0; s->buffers && qid < s->dev.info.nr_hw_queues; qid++)
		uc_buffers_unmap(&s->buffers[qid]);
	free(s->buffers);
	free(s->queues);
	uc_shared_close(&s->dev.shared);
	if (s->char_fd >= 0)
		close(s->char_fd);
	if (removal.lock && !stay) {
		if (uc_record_remove(&s->host, removal.lock, &err) < 0)
			uc_log(LOG_ERR, "%s", err.text);
		(void)tell_driver(&removal, uc_ctrl_del_dev);
	}
}

/* Another try finds what this one has found; the memory may have gone to the new keeper. */
static void restore_stopped(const struct server *s, struct uc_record *record)
{
	struct uc_record now;

	if (uc_record_load(&s->host, record->id, &now) < 0 || now.cookie != record->cookie)
		return;
	record->keeper = now.keeper;
	if (uc_record_write(&s->host, s->args->locks->device, record, NULL) < 0)
		uc_log(LOG_ERR, "device %u: the record that it is stopped cannot be written",
		       record->id);
}

int uc_server_check(const struct uc_server_args *args, struct uc_added *ret_added,
		    struct uc_error *err)
{
	struct uc_obtained dev = {.args = args, .host = args->host};
	int ret = uc_ctrl_open(args->host, &dev.ctrl, err);

	if (ret == 0)
		ret = uc_rundir_prepare(args->host, err);
	if (ret == 0)
		ret = uc_obtain(&dev, err);
	if (ret == 0) {
		*ret_added = (struct uc_added){.info = dev.info};
		uc_node_block_path(args->host, dev.info.dev_id, ret_added->node,
				   sizeof(ret_added->node));
		snprintf(ret_added->data_path, sizeof(ret_added->data_path), "%s", dev.path->name);
	}
	uc_shared_close(&dev.shared);
	uc_ctrl_close(dev.ctrl);
	return ret;
}

int uc_server_run(const struct uc_server_args *args, struct uc_error *err)
{
	struct server s = {
		.args = args,
		.host = *args->host,
		.dev.args = args,
		.dev.host = &s.host,
		.dev.pid_start = uc_proc_start_time(getpid()),
		.dev.keeper.fd = args->target->nr_fds ? args->target->fds[0] : -1,
		.keeper_fd = -1,
		.char_fd = -1,
		.signal_fd = -1,
		.dev_fd = -1,
		.notify_fd = args->spec->foreground ? uc_notify_open() : -1,
		.end_pipe = {-1, -1},
	};
	struct uc_record before = {0};
	bool delete = true;
	int ret;

	init_sync(&s);
	if (args->restart &&
	    (uc_record_load(&s.host, args->spec->id, &before) < 0 || before.cookie != args->cookie))
		return uc_fail(err, UC_FAILED, ESTALE, "the record of device %u is gone",
			       args->spec->id);
	s.dev.before = before.keeper;
	/* Else nobody could tell later that it is this process, and no other with its pid. */
	if (!s.dev.pid_start)
		return uc_fail(err, UC_FAILED, ENOENT, "/proc/self/stat cannot be read");
	ret = get_keeper(&s, err);
	if (ret < 0)
		return ret;
	uc_isolate_process(s.host.unprivileged);
	ret = bring_up(&s, err);
	/*
	 * The device is not ours, and what has been fetched comes back only when this process
	 * ends: its threads wait for that.
	 */
	if (ret < 0 && args->resume)
		return ret;
	if (ret == -ENODEV && s.dev.added && err->code == UC_NO_DEVICE)
		ret = uc_fail(err, UC_NO_DEVICE, ENODEV,
			      "device %u was deleted by someone else before it was ready",
			      s.dev.info.dev_id);
	/* Service has no end by itself; what a failure has left may outlast the time for all. */
	if (ret == 0)
		s.host.deadline = 0;
	else
		s.host = uc_host_within(&s.host, UC_TIDY_MS);
	if (ret == 0) {
		uc_progress_to(NULL);
		delete = await_end(&s);
		uc_notify(s.notify_fd, "STOPPING=1\nSTATUS=%s",
			  delete ? "takes the device away" : "stopped by a command");
		uc_log(LOG_NOTICE, "device %u: %s", s.dev.info.dev_id,
		       delete ? "stopping on a signal" : "stopped");
	}
	take_down(&s, delete, ret < 0 && args->restart);
	if (ret < 0 && args->restart)
		restore_stopped(&s, &before);
	uc_ctrl_close(s.dev.ctrl);
	return ret;
}
