/* SPDX-License-Identifier: MIT */
#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "cleanup.h"
#include "deadline.h"
#include "device.h"
#include "seen.h"
#include "uevent.h"

/* How soon after an event what nobody tells of is asked for, and how often it is at least. */
#define SOON_MS 10
#define SLOW_MS 1000

#define MAX_EVENTS 16

struct uc_watch {
	const struct uc_host *host;
	const struct uc_watch_options *options;
	struct uc_uevent *events; /* NULL: there are none */
	struct uc_ctrl *ctrl;     /* NULL while there is no device: the module may be unloaded */
	int epoll_fd;
	int inotify_fd;
	int records; /* inotify's number for the runtime directory; -1: it is not there */
	struct uc_seen *seen;
	size_t count;
	bool has_only;
	uint32_t only;
	bool sync;  /* all devices have to be looked for */
	bool heard; /* in this step: something of our devices */
	unsigned pause_ms;
	uint64_t next_look;
};

/* What epoll says of a file: in the upper half what it is, in the lower the device. */
enum source { SOURCE_OTHER, SOURCE_STOP, SOURCE_HANDLER };

static int poll_file(struct uc_watch *w, int fd, uint32_t events, enum source source, uint32_t id)
{
	struct epoll_event event = {
		.events = events,
		.data.u64 = (uint64_t)source << 32 | id,
	};

	return epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static bool is_wanted(const struct uc_watch *w, uint32_t id)
{
	const struct uc_watch_options *o = w->options;
	bool wanted = o->nr_ids == 0;

	if (!o->all)
		return w->has_only && w->only == id;
	for (size_t i = 0; i < o->nr_ids; i++)
		wanted |= o->ids[i] == id;
	return wanted;
}

static struct uc_seen *find(struct uc_watch *w, uint32_t id)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->seen[i].id == id && !w->seen[i].gone)
			return &w->seen[i];
	return NULL;
}

/* A device that was not there before. What find() gave is not valid any more. */
static struct uc_seen *take_in(struct uc_watch *w, uint32_t id)
{
	struct uc_seen *more = reallocarray(w->seen, w->count + 1, sizeof(*more));

	if (!more)
		return NULL;
	w->seen = more;
	uc_seen_init(&more[w->count], id);
	uc_seen_tell(&more[w->count], UC_WATCH_ADDED, w->options);
	return &more[w->count++];
}

static void sweep(struct uc_watch *w)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->count; i++) {
		if (w->seen[i].gone)
			uc_seen_free(&w->seen[i]);
		else
			w->seen[kept++] = w->seen[i];
	}
	w->count = kept;
}

/* --- what is heard --- */

static int hear(struct uc_watch *w, const struct uc_uevent_message *message)
{
	const bool added = message->action == UC_UEVENT_ADD && !message->block;
	struct uc_seen *s = find(w, message->id);

	/* A new one has the id already. */
	if (s && s->removed && added) {
		uc_seen_forget(s, w->options);
		s = NULL;
	}
	if (!s && added) {
		s = take_in(w, message->id);
		if (!s)
			return -ENOMEM;
	}
	if (s && !s->removed)
		uc_seen_hear(s, message, w->options);
	return 0;
}

static int hear_uevents(struct uc_watch *w)
{
	static const struct uc_seen all = {0};
	struct uc_uevent_message message;
	int ret = 0;
	int got;

	while (ret == 0 && w->events && (got = uc_uevent_next(w->events, &message)) != 0) {
		if (got > 0 && !is_wanted(w, message.id))
			continue;
		w->heard = true;
		if (got > 0) {
			ret = hear(w, &message);
		} else if (!w->sync) {
			uc_seen_tell(&all, UC_WATCH_LOST, w->options);
			w->sync = true;
		} else {
			break;
		}
	}
	return ret;
}

/* The record of a device has changed. A new handler writes it. */
static void hear_record(struct uc_watch *w, const char *file)
{
	struct uc_seen *s;
	uint32_t id;

	if (!uc_record_is_file(file, &id))
		return;
	w->heard |= is_wanted(w, id) || w->options->impatient;
	s = find(w, id);
	if (s)
		s->look = true;
	w->sync |= !w->events;
}

static void hear_records(struct uc_watch *w)
{
	_Alignas(struct inotify_event) char buf[4096];
	ssize_t len;

	/* It may be made later than this, and anew. */
	if (w->records < 0)
		w->records = inotify_add_watch(w->inotify_fd, w->host->run_dir,
					       IN_MOVED_TO | IN_DELETE | IN_ONLYDIR);
	while ((len = read(w->inotify_fd, buf, sizeof(buf))) > 0) {
		const struct inotify_event *event;

		for (char *at = buf; at < buf + len; at += sizeof(*event) + event->len) {
			event = (const void *)at;
			if (event->mask & IN_IGNORED)
				w->records = -1;
			else if (event->mask & IN_Q_OVERFLOW)
				w->sync = true;
			else if (event->len)
				hear_record(w, event->name);
		}
	}
}

static void hear_handler(struct uc_watch *w, uint32_t id)
{
	struct uc_seen *s = find(w, id);
	struct pollfd ended = {.fd = s ? s->pidfd : -1, .events = POLLIN};

	if (!s || poll(&ended, 1, 0) <= 0)
		return;
	(void)epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, s->pidfd, NULL);
	uc_seen_end_handler(s, w->options);
	w->heard = true;
}

/* --- what is looked at --- */

static int find_new(struct uc_watch *w, const uint32_t *ids, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (is_wanted(w, ids[i]) && !find(w, ids[i]) && !take_in(w, ids[i]))
			return -ENOMEM;
	return 0;
}

/* Whatever events there were or will be: what is there is there, and what is not has gone. */
static int synchronise(struct uc_watch *w, struct uc_error *err)
{
	uc_auto_free uint32_t *ids = NULL;
	size_t count = 0;
	int ret = uc_device_ids(w->host, &ids, &count, err);

	if (ret == 0 && find_new(w, ids, count) < 0)
		ret = uc_fail_errno(err, ENOMEM, "the list of devices");
	for (size_t i = 0; i < w->count; i++)
		w->seen[i].look = true;
	return ret;
}

static void close_ctrl(struct uc_watch *w)
{
	uc_ctrl_close(w->ctrl);
	w->ctrl = NULL;
}

static void look_at(struct uc_watch *w, struct uc_seen *s)
{
	int ret = -ENXIO;

	if (w->ctrl || uc_ctrl_open(w->host, &w->ctrl, NULL) == 0)
		ret = uc_seen_look(s, w->host, w->ctrl, w->options);
	if (ret == -ETIMEDOUT)
		close_ctrl(w);
	/* Else an event is on its way that says so, perhaps behind others. */
	if (ret == -ENODEV && (w->sync || !w->events))
		uc_seen_remove(s, w->options);
	if (s->pidfd >= 0 && !s->polled)
		s->polled = poll_file(w, s->pidfd, EPOLLIN, SOURCE_HANDLER, s->id) == 0;
}

static void look(struct uc_watch *w)
{
	for (size_t i = 0; i < w->count; i++) {
		struct uc_seen *s = &w->seen[i];

		if (!s->gone && s->removed && uc_left_ms(s->patience) == 0)
			uc_seen_forget(s, w->options);
		if (s->look && !s->removed && !s->gone)
			look_at(w, s);
	}
	w->sync = false;
	sweep(w);
	if (w->count == 0)
		close_ctrl(w);
}

/* Nobody tells of what becomes of those. */
static bool has_unsettled(struct uc_watch *w, bool mark)
{
	bool any = false;

	for (size_t i = 0; i < w->count; i++) {
		struct uc_seen *s = &w->seen[i];

		if (uc_seen_is_settled(s))
			continue;
		any = true;
		s->look |= mark;
	}
	return any;
}

/* How long to sleep for want of events; -1: as long as there is none. */
static int next_pause(struct uc_watch *w, int timeout_ms)
{
	unsigned left;

	if (!w->options->impatient && w->events && !has_unsettled(w, false))
		return timeout_ms;
	left = uc_left_ms(w->next_look);
	return timeout_ms < 0 || left < (unsigned)timeout_ms ? (int)left : timeout_ms;
}

static void plan_next_look(struct uc_watch *w, bool looked)
{
	uint64_t next;

	if (w->heard)
		w->pause_ms = SOON_MS;
	else if (looked)
		w->pause_ms = w->pause_ms * 2 < SLOW_MS ? w->pause_ms * 2 : SLOW_MS;
	next = uc_deadline(w->pause_ms);
	/* Never put off, however often something is heard. */
	if (looked || next < w->next_look)
		w->next_look = next;
}

static int sleep_until_event(struct uc_watch *w, int timeout_ms, struct epoll_event *ready)
{
	const uint64_t end = uc_deadline(timeout_ms < 0 ? 0 : (unsigned)timeout_ms);
	int count;

	/* Not only signals interrupt: what a closed ring leaves behind does, too. */
	do {
		if (timeout_ms > 0)
			timeout_ms = (int)uc_left_ms(end);
		count = epoll_wait(w->epoll_fd, ready, MAX_EVENTS, next_pause(w, timeout_ms));
	} while (count < 0 && errno == EINTR);
	return count;
}

int uc_watch_step(struct uc_watch *w, int timeout_ms, struct uc_error *err)
{
	struct epoll_event ready[MAX_EVENTS];
	const int count = sleep_until_event(w, timeout_ms, ready);
	const bool due = uc_left_ms(w->next_look) == 0;
	bool stop = false;
	int ret;

	w->heard = false;
	/* First these: a device is stopped before its handler has heard of it, and ends. */
	ret = hear_uevents(w);
	hear_records(w);
	for (int i = 0; i < count; i++) {
		stop |= ready[i].data.u64 >> 32 == SOURCE_STOP;
		if (ready[i].data.u64 >> 32 == SOURCE_HANDLER)
			hear_handler(w, (uint32_t)ready[i].data.u64);
	}
	if (due) {
		(void)has_unsettled(w, true);
		w->sync |= !w->events && w->options->all;
	}
	if (ret < 0)
		return uc_fail_errno(err, -ret, "the list of devices");
	if (w->sync)
		ret = synchronise(w, err);
	look(w);
	plan_next_look(w, due);
	return ret < 0 ? ret : stop;
}

/* --- beginning and end --- */

int uc_watch_stop_at(struct uc_watch *w, int fd, bool broken, struct uc_error *err)
{
	/* EPERM: a file, say. */
	int ret = poll_file(w, fd, broken ? 0 : EPOLLIN, SOURCE_STOP, 0);

	return ret < 0 && !(broken && ret == -EPERM)
		       ? uc_fail_errno(err, -ret, "cannot watch for the end")
		       : 0;
}

int uc_watch_only(struct uc_watch *w, uint32_t id, struct uc_error *err)
{
	for (size_t i = 0; i < w->count; i++)
		w->seen[i].gone = true;
	w->only = id;
	w->has_only = true;
	if (!take_in(w, id))
		return uc_fail_errno(err, ENOMEM, "the list of devices");
	look(w);
	return 0;
}

static int open_sources(struct uc_watch *w, struct uc_error *err)
{
	int ret = 0;

	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (w->epoll_fd < 0 || w->inotify_fd < 0)
		return uc_fail_errno(err, errno, "cannot watch for events");
	if (w->host->transport->uevents)
		w->events = uc_uevent_open();
	if (w->events)
		ret = poll_file(w, uc_uevent_fd(w->events), EPOLLIN, SOURCE_OTHER, 0);
	if (ret == 0)
		ret = poll_file(w, w->inotify_fd, EPOLLIN, SOURCE_OTHER, 0);
	return ret < 0 ? uc_fail_errno(err, -ret, "cannot watch for events") : 0;
}

/* Everything is listened to by now, so nothing is missed that is not seen here. */
static int look_first(struct uc_watch *w, const struct uc_watch_options *options,
		      struct uc_error *err)
{
	struct uc_watch_options quiet = *options;
	int ret = 0;

	w->sync = true;
	quiet.tell = NULL;
	w->options = &quiet;
	hear_records(w);
	if (options->all)
		ret = synchronise(w, err);
	look(w);
	w->options = options;
	for (size_t i = 0; i < w->count; i++)
		uc_seen_tell(&w->seen[i], UC_WATCH_PRESENT, options);
	return ret;
}

int uc_watch_open(const struct uc_host *host, const struct uc_watch_options *options,
		  struct uc_watch **ret_watch, struct uc_error *err)
{
	uc_auto_watch struct uc_watch *w = calloc(1, sizeof(*w));
	int ret;

	if (!w)
		return uc_fail_errno(err, ENOMEM, "the list of devices");
	*w = (struct uc_watch){
		.host = host,
		.epoll_fd = -1,
		.inotify_fd = -1,
		.records = -1,
		.pause_ms = SOON_MS,
		.next_look = uc_deadline(SOON_MS),
	};
	ret = open_sources(w, err);
	if (ret == 0)
		ret = look_first(w, options, err);
	if (ret < 0)
		return ret;
	*ret_watch = w;
	w = NULL;
	return 0;
}

void uc_watch_close(struct uc_watch *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->count; i++)
		uc_seen_free(&w->seen[i]);
	free(w->seen);
	uc_uevent_close(w->events);
	uc_ctrl_close(w->ctrl);
	uc_cleanup_close(&w->inotify_fd);
	uc_cleanup_close(&w->epoll_fd);
	free(w);
}
