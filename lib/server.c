/* SPDX-License-Identifier: MIT */
/*
 * The handler process of one device: ADD_DEV, compare what was granted, SET_PARAMS, queue threads
 * that fetch every tag, START_DEV, see the node work, write the record, be ready; then wait for
 * the end, and take everything down in the opposite order. One that takes a device over has
 * START_USER_RECOVERY and END_USER_RECOVERY for the driver instead.
 */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "bounded.h"
#include "cleanup.h"
#include "ctrl.h"
#include "deadline.h"
#include "device.h"
#include "feature.h"
#include "isolate.h"
#include "keeper.h"
#include "lock.h"
#include "log.h"
#include "node.h"
#include "params.h"
#include "proc.h"
#include "queue.h"
#include "record.h"
#include "recover.h"
#include "shared.h"

struct server {
	const struct uc_server_args *args;
	struct uc_host host; /* its run_dir changes when the mounts are left behind */
	const struct uc_path *path;
	uint64_t features; /* of the driver */
	struct uc_ctrl *ctrl;
	struct uc_ctrl *last_ctrl; /* for taking down: opened while /dev can still be reached */
	struct ublksrv_ctrl_dev_info info;
	struct uc_stats *stats;
	struct uc_shared shared;
	struct uc_queue_setup setup;
	struct uc_buffers *buffers; /* of each hardware queue */
	struct uc_queue *queues;    /* as each thread serves them */
	unsigned nr_threads;
	struct uc_keeper_id keeper;
	int keeper_fd; /* tells a keeper of ours; its end is our end */
	int char_fd;
	int signal_fd;
	bool added;

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

/* True when a signal asks for the end. A hang-up of the terminal does not. */
static bool stop_requested(const struct server *s)
{
	struct signalfd_siginfo si;

	while (read(s->signal_fd, &si, sizeof(si)) == sizeof(si))
		if (si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT)
			return true;
	return false;
}

static int check_threads(const struct server *s, struct uc_error *err)
{
	if (s->args->spec->threads > 1 &&
	    !(s->info.flags & (UBLK_F_PER_IO_DAEMON | UBLK_F_BATCH_IO)))
		return uc_fail(err, UC_UNSUPPORTED, EOPNOTSUPP,
			       "this kernel's driver lets one thread serve a queue, not %u; use "
			       "--threads 1, or more queues with -q",
			       s->args->spec->threads);
	return 0;
}

/* The driver negotiates silently; whoever asked must hear of it. */
static int compare_granted(const struct server *s, struct uc_error *err)
{
	const struct uc_spec *spec = s->args->spec;
	const uint64_t missing = s->path->flags & ~s->info.flags;
	char names[256];

	if (spec->unprivileged && !(s->info.flags & UBLK_F_UNPRIVILEGED_DEV))
		return uc_fail(err, UC_UNSUPPORTED, EOPNOTSUPP,
			       "the driver does not grant --unprivileged");
	if (spec->unprivileged && uc_recovery_of(s->info.flags) != spec->recovery)
		return uc_fail(err, UC_UNSUPPORTED, EOPNOTSUPP,
			       "the driver gives unprivileged devices no recovery; leave out "
			       "--recovery");
	if (uc_recovery_of(s->info.flags) != spec->recovery)
		return uc_fail(err, UC_UNSUPPORTED, EOPNOTSUPP,
			       "the driver grants --recovery %s, not %s",
			       uc_recovery_name(uc_recovery_of(s->info.flags)),
			       uc_recovery_name(spec->recovery));
	if (missing) {
		uc_feature_names(missing, names, sizeof(names));
		return uc_fail(err, UC_UNSUPPORTED, EOPNOTSUPP,
			       "this kernel's driver does not grant %s, which target %s needs for "
			       "data path %s",
			       names, s->args->target->ops->name, s->path->name);
	}
	if (s->info.nr_hw_queues != spec->queues && spec->queues_set)
		return uc_fail(err, UC_UNSUPPORTED, EOPNOTSUPP,
			       "the driver grants %u queues, not %u: it gives at most one per CPU; "
			       "use -q %u",
			       s->info.nr_hw_queues, spec->queues, s->info.nr_hw_queues);
	if (s->info.queue_depth != spec->depth || s->info.max_io_buf_bytes != spec->max_io_size)
		return uc_fail(err, UC_UNSUPPORTED, EOPNOTSUPP,
			       "the driver grants depth %u and I/O of %u bytes, not %u and %u",
			       s->info.queue_depth, s->info.max_io_buf_bytes, spec->depth,
			       spec->max_io_size);
	return check_threads(s, err);
}

static int check_recovery(const struct uc_spec *spec, uint64_t features, struct uc_error *err)
{
	const uint64_t missing = uc_recovery_flags(spec->recovery) & ~features;
	char names[256];

	if (!missing)
		return 0;
	uc_feature_names(missing, names, sizeof(names));
	return uc_fail(err, UC_UNSUPPORTED, EOPNOTSUPP,
		       "--recovery %s needs %s, which this kernel's driver does not have",
		       uc_recovery_name(spec->recovery), names);
}

/* Drivers before 6.5 cannot say what they know; they are taken by their grants. */
static int choose_path(struct server *s, struct uc_error *err)
{
	uint64_t features = 0;
	int ret = uc_ctrl_get_features(s->ctrl, &features, err);

	if (ret == -EOPNOTSUPP)
		features = UBLK_F_NEED_GET_DATA;
	else if (ret < 0)
		return ret;
	ret = check_recovery(s->args->spec, features, err);
	if (ret < 0)
		return ret;
	s->features = features;
	return uc_path_choose(s->args->target, features, s->args->spec, &s->path, err);
}

/* What costs nothing to have, for `resize` and `upgrade`. The latter is for devices that wait. */
static uint64_t extras(const struct server *s)
{
	const bool waits = s->args->spec->recovery != UC_RECOVERY_NONE;

	return s->features & (UBLK_F_UPDATE_SIZE | (waits ? UBLK_F_QUIESCE : 0));
}

static uint64_t wanted_flags(const struct server *s)
{
	const struct uc_spec *spec = s->args->spec;

	return s->path->flags | uc_recovery_flags(spec->recovery) | extras(s) |
	       (spec->unprivileged ? UBLK_F_UNPRIVILEGED_DEV : 0) | UBLK_F_CMD_IOCTL_ENCODE;
}

static int add_device(struct server *s, struct uc_error *err)
{
	const struct uc_spec *spec = s->args->spec;
	struct ublk_params params;
	int ret;

	s->info = (struct ublksrv_ctrl_dev_info){
		.dev_id = spec->id,
		.nr_hw_queues = spec->queues,
		.queue_depth = spec->depth,
		.max_io_buf_bytes = spec->max_io_size,
		.flags = wanted_flags(s),
		.ublksrv_flags = s->args->cookie,
	};
	ret = uc_ctrl_add_dev(s->ctrl, &s->info, err);
	if (ret < 0)
		return ret;
	s->added = true;
	s->nr_threads = s->info.nr_hw_queues * (unsigned)spec->threads;
	/* Without the node every other command is refused, also the one that deletes it again. */
	if (s->info.flags & UBLK_F_UNPRIVILEGED_DEV)
		ret = uc_node_await_ours(&s->host, s->info.dev_id, err);
	if (ret == 0)
		ret = compare_granted(s, err);
	if (ret < 0)
		return ret;
	uc_params_build(s->args->target, s->path, &s->info, &params);
	ret = uc_ctrl_set_params(s->ctrl, s->info.dev_id, &params, err);
	if (ret == 0 && s->path->shared)
		ret = uc_shared_register(&s->shared, s->ctrl, s->info.dev_id, err);
	return ret;
}

static int work_remove(void *ctx, void *ret, struct uc_error *err)
{
	const struct server *s = ctx;
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	int res = uc_ctrl_open(&s->host, &ctrl, err);

	(void)ret;
	return res < 0 ? res : uc_ctrl_del_dev(ctrl, s->args->spec->id, err);
}

/*
 * The stopped device gives its id away, as late as can be: until there is another one, the record
 * is all there is of it. What a start that was killed has left may have the id, too, or nobody.
 */
static int make_way(struct server *s, struct uc_error *err)
{
	struct ublksrv_ctrl_dev_info info;
	int ret = uc_ctrl_get_dev_info(s->ctrl, s->args->spec->id, &info, err);

	if (ret == 0 && info.ublksrv_flags != s->args->cookie)
		return uc_fail(err, UC_DIFFERS, EEXIST, "another device has the id %u by now",
			       info.dev_id);
	if (ret == 0)
		ret = uc_bounded(work_remove, s, NULL, 0, uc_host_left_ms(&s->host) + UC_MARGIN_MS,
				 "removing the stopped device", err);
	return ret == -ENODEV ? 0 : ret;
}

static int make_device(struct server *s, struct uc_error *err)
{
	int ret = choose_path(s, err);

	if (ret == 0 && s->path->shared)
		ret = uc_shared_open(s->args->spec->shared_memory, &s->shared, err);
	if (ret == 0 && s->args->restart)
		ret = make_way(s, err);
	return ret < 0 ? ret : add_device(s, err);
}

/* What the device's clients were promised must be there. */
static int check_size(const struct server *s, struct uc_error *err)
{
	const uint64_t size = uc_device_attr(&s->host, s->info.dev_id, "size") << 9;
	const struct uc_target *target = s->args->target;
	/* It may have been resized since the target was opened. */
	const uint64_t room = target->ops->room ? target->ops->room(target) : target->size;

	if (room >= size)
		return 0;
	return uc_fail(err, UC_FAILED, EINVAL,
		       "device %u has %" PRIu64 " bytes, but what is to be behind it has only "
		       "%" PRIu64,
		       s->info.dev_id, size, room);
}

static int write_record(const struct server *s, const struct uc_keeper_id *keeper, bool recovering,
			struct uc_error *err);

/* The driver knows the old handler's memory, and has it pinned; ours may be another file. */
static int replace_shared(struct server *s, struct uc_error *err)
{
	int ret = uc_shared_open(s->args->spec->shared_memory, &s->shared, err);

	if (ret < 0)
		return ret;
	(void)uc_ctrl_unreg_buf(s->ctrl, s->info.dev_id, 0, NULL);
	return uc_shared_register(&s->shared, s->ctrl, s->info.dev_id, err);
}

/* From where a handler has died to where the next one may open and fetch. */
static int take_over(struct server *s, struct uc_error *err)
{
	const uint32_t id = s->args->spec->id;
	struct uc_record record;
	int ret = uc_ctrl_get_dev_info(s->ctrl, id, &s->info, err);
	bool known;

	if (ret < 0)
		return ret;
	known = uc_record_read(&s->host, &s->info, &record) == 0;
	s->nr_threads = s->info.nr_hw_queues * (unsigned)s->args->spec->threads;
	ret = uc_path_resume(s->args->target, s->info.flags, s->args->spec, &s->path, err);
	if (ret == 0)
		ret = check_threads(s, err);
	if (ret == 0)
		ret = check_size(s, err);
	if (ret == 0)
		ret = uc_recover_begin(&s->host, s->ctrl, id, known ? &record : NULL, &s->info,
				       err);
	/*
	 * Before anything is fetched: see uc_recover_begin(). The old keeper stays, as long as it
	 * may have to keep for yet another.
	 */
	if (ret == 0)
		ret = write_record(s, known ? &record.keeper : &s->keeper, true, err);
	if (ret == 0 && s->path->shared)
		ret = replace_shared(s, err);
	return ret;
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
	int ret = uc_ctrl_get_queue_affinity(s->ctrl, s->info.dev_id, qid, &cpus, err);

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
		.path = s->path,
		.dev_id = s->info.dev_id,
		.depth = s->info.queue_depth,
		.threads = s->args->spec->threads,
		.buf_size = (s->info.max_io_buf_bytes + page - 1) / page * page,
		.cpus = &s->args->spec->cpus,
		.shared = s->path->shared ? &s->shared : NULL,
		.char_fd = s->char_fd,
		.end_fd = s->end_pipe[0],
		.report = on_queue_report,
		.report_ctx = s,
	};
	s->buffers = calloc(s->info.nr_hw_queues, sizeof(*s->buffers));
	s->queues = calloc(s->nr_threads, sizeof(*s->queues));
	if (!s->buffers || !s->queues)
		return uc_fail_errno(err, ENOMEM, "queues");
	for (uint16_t qid = 0; ret == 0 && qid < s->info.nr_hw_queues; qid++)
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
			      s->info.dev_id, s->host.timeout_ms);
	}
	pthread_mutex_unlock(&s->mutex);
	return ret;
}

static int start_device(struct server *s, struct uc_error *err)
{
	const uint32_t id = s->info.dev_id;
	int ret = uc_node_open_char(&s->host, id, &s->char_fd, err);

	if (ret == 0)
		ret = uc_stats_create(&s->host, id, s->nr_threads, s->args->resume, &s->stats, err);
	if (ret == 0)
		ret = start_queues(s, err);
	if (ret == 0)
		ret = await_queues(s, err);
	/* Who hears of the new block device, udev first of all, wants to know what it is. */
	if (ret == 0 && !is_known(s))
		ret = write_record(s, &s->keeper, false, err);
	if (ret < 0)
		return ret;
	ret = s->args->resume ? uc_ctrl_end_user_recovery(s->ctrl, id, getpid(), err)
			      : uc_ctrl_start_dev(s->ctrl, id, getpid(), err);
	/* Ours from now on, to be deleted on a signal. */
	s->added = ret == 0 || s->added;
	if (ret == 0)
		ret = uc_node_await_block(&s->host, id, s->args->target->limits.logical_bs, err);
	return ret;
}

static int write_record(const struct server *s, const struct uc_keeper_id *keeper, bool recovering,
			struct uc_error *err)
{
	const struct uc_target *target = s->args->target;
	const struct uc_spec *spec = s->args->spec;
	struct uc_record record = {
		.id = s->info.dev_id,
		.cookie = s->info.ublksrv_flags,
		.pid = getpid(),
		.pid_start = uc_proc_start_time(getpid()),
		.path_asked = spec->path_asked,
		.threads = spec->threads,
		.logical_bs = spec->logical_bs,
		.physical_bs = spec->physical_bs,
		.read_only = spec->read_only,
		.respawn = spec->respawn,
		.recovering = recovering,
		.cpus = spec->cpus,
		.keeper = *keeper,
	};

	if (spec->name)
		snprintf(record.name, sizeof(record.name), "%s", spec->name);
	snprintf(record.target, sizeof(record.target), "%s", target->ops->name);
	snprintf(record.backing, sizeof(record.backing), "%s", target->backing);
	snprintf(record.path, sizeof(record.path), "%s", s->path->name);
	if (spec->shared_memory)
		snprintf(record.shared_memory, sizeof(record.shared_memory), "%s",
			 spec->shared_memory);
	if (spec->target_options)
		snprintf(record.options, sizeof(record.options), "%s", spec->target_options);
	return uc_record_write(&s->host, &record, err);
}

static int tell_ready(struct server *s, struct uc_error *err)
{
	struct uc_added added = {.info = s->info};

	added.info.state = UBLK_S_DEV_LIVE;
	added.info.ublksrv_pid = getpid();
	uc_node_block_path(&s->host, s->info.dev_id, added.node, sizeof(added.node));
	snprintf(added.data_path, sizeof(added.data_path), "%s", s->path->name);
	if (stop_requested(s))
		return uc_fail(err, UC_FAILED, EINTR, "interrupted");
	/* A device that there was before is served, whether or not somebody hears of it. */
	if (s->args->ready(s->args->ctx, &added) < 0 && !is_known(s))
		return uc_fail(err, UC_FAILED, EPIPE, "nobody is left to hear of device %u",
			       s->info.dev_id);
	return 0;
}

/* From here on our files are reached by relative paths only: see uc_isolate_mounts(). */
static int leave_mounts(struct server *s, struct uc_error *err)
{
	int ret = uc_ctrl_open(&s->host, &s->last_ctrl, err);

	if (ret < 0)
		return ret;
	if (chdir(s->host.run_dir) < 0)
		return uc_fail_errno(err, errno, "%s", s->host.run_dir);
	s->host.run_dir = ".";
	uc_isolate_mounts();
	return 0;
}

static int bring_up(struct server *s, struct uc_error *err)
{
	uc_auto_close int lock_fd = -1;
	int ret = open_signals(s, err);

	if (ret == 0)
		ret = uc_ctrl_open(&s->host, &s->ctrl, err);
	if (ret == 0)
		ret = uc_record_prepare(&s->host, err);
	/* One that is started again is alone, lest another gets its id meanwhile. */
	if (ret == 0 && !s->args->resume)
		ret = uc_lock_making(&s->host, s->args->restart, &lock_fd, err);
	if (ret == 0)
		ret = s->args->resume ? take_over(s, err) : make_device(s, err);
	if (ret == 0)
		ret = start_device(s, err);
	/* A keeper of ours is in office before the record calls the old one off. */
	if (ret == 0 && s->keeper_fd >= 0)
		(void)!write(s->keeper_fd, &s->info.dev_id, sizeof(s->info.dev_id));
	if (ret == 0 && is_known(s))
		ret = write_record(s, &s->keeper, false, err);
	if (ret == 0)
		ret = leave_mounts(s, err);
	if (ret == 0)
		ret = tell_ready(s, err);
	return ret;
}

/* While this process has but one thread and the mounts of everyone else. */
static int get_keeper(struct server *s, struct uc_error *err)
{
	if (s->args->keeper)
		s->keeper = *s->args->keeper;
	else if (uc_keeper_wanted(s->args->spec, s->args->target))
		return uc_keeper_start(s->args, &s->keeper, &s->keeper_fd, err);
	return 0;
}

/* Sleeps until a signal asks for the end (true) or a queue has lost its driver (false). */
static bool await_end(struct server *s)
{
	struct pollfd fds[] = {
		{.fd = s->signal_fd, .events = POLLIN},
		{.fd = s->end_pipe[0], .events = POLLIN},
	};

	for (;;) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if ((fds[0].revents & POLLIN) && stop_requested(s))
			return true;
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
			uc_log(LOG_ERR, "device %u queue %u does not end", s->info.dev_id,
			       s->queues[i].qid);
			all = false;
		}
	}
	return all;
}

/*
 * Takes down what bring_up() made, however far it came. The device itself is removed only when
 * `delete`: a device that someone else stopped is theirs to delete; and with `stay` it is only
 * stopped. Failures are logged: there may be an earlier error to report, and the parent looks after
 * what is left.
 */
static void take_down(struct server *s, bool delete, bool stay)
{
	const uint32_t id = s->info.dev_id;
	/* A client of its own: a command of the other one may still be waiting for its answer. */
	uc_auto_ctrl struct uc_ctrl *last = s->last_ctrl;
	struct uc_error err = {0};
	struct uc_ctrl *ctrl;

	if (delete &&s->added && !last && uc_ctrl_open(&s->host, &last, &err) < 0)
		uc_log(LOG_ERR, "%s", err.text);
	ctrl = delete &&s->added ? last : NULL;
	if (ctrl && s->queues && uc_ctrl_stop_dev(ctrl, id, &err) < 0)
		uc_log(LOG_ERR, "%s", err.text);
	if (!join_queues(s))
		return;
	uc_stats_unmap(s->stats);
	for (uint16_t qid = 0; s->buffers && qid < s->info.nr_hw_queues; qid++)
		uc_buffers_unmap(&s->buffers[qid]);
	free(s->buffers);
	free(s->queues);
	uc_shared_close(&s->shared);
	if (s->char_fd >= 0)
		close(s->char_fd);
	if (ctrl && !stay) {
		uc_record_remove(&s->host, id);
		if (uc_ctrl_del_dev(ctrl, id, &err) < 0)
			uc_log(LOG_ERR, "%s", err.text);
	}
}

/* Another try finds what this one has found; the memory may have gone to the new keeper. */
static void restore_stopped(const struct server *s, struct uc_record *record)
{
	struct uc_record now;

	if (uc_record_load(&s->host, record->id, &now) < 0 || now.cookie != record->cookie)
		return;
	record->keeper = now.keeper;
	if (uc_record_write(&s->host, record, NULL) < 0)
		uc_log(LOG_ERR, "device %u: the record that it is stopped cannot be written",
		       record->id);
}

int uc_server_run(const struct uc_server_args *args, struct uc_error *err)
{
	struct server s = {
		.args = args,
		.host = *args->host,
		.keeper = {.fd = args->target->nr_fds ? args->target->fds[0] : -1},
		.keeper_fd = -1,
		.char_fd = -1,
		.signal_fd = -1,
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
	if (ret == -ENODEV && s.added && err->code == UC_NO_DEVICE)
		ret = uc_fail(err, UC_NO_DEVICE, ENODEV,
			      "device %u was deleted by someone else before it was ready",
			      s.info.dev_id);
	/* Service has no end by itself; what a failure has left may outlast the time for all. */
	if (ret == 0)
		s.host.deadline = 0;
	else
		s.host = uc_host_within(&s.host, UC_TIDY_MS);
	if (ret == 0) {
		delete = await_end(&s);
		uc_log(LOG_NOTICE, "device %u: %s", s.info.dev_id,
		       delete ? "stopping on a signal" : "stopped");
	}
	take_down(&s, delete, ret < 0 && args->restart);
	if (ret < 0 && args->restart)
		restore_stopped(&s, &before);
	uc_ctrl_close(s.ctrl);
	return ret;
}
