/* SPDX-License-Identifier: MIT */
#include "seen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "deadline.h"
#include "proc.h"
#include "recover.h"

/* A device is mostly deleted a moment before its handler has ended. */
#define PATIENCE_MS 1000

void uc_seen_tell(const struct uc_seen *s, enum uc_watch_what what,
		  const struct uc_watch_options *o)
{
	const struct uc_watch_event event = {
		.what = what,
		.id = s->id,
		.state = s->state,
		.pid = s->pid,
		.size = s->size,
		.name = s->name,
	};

	if (o->tell)
		o->tell(o->ctx, &event);
}

void uc_seen_init(struct uc_seen *s, uint32_t id)
{
	*s = (struct uc_seen){
		.id = id, .state = UBLK_S_DEV_DEAD, .pidfd = -1, .last = -1, .look = true};
}

static void drop_handler(struct uc_seen *s)
{
	if (s->pidfd >= 0)
		close(s->pidfd);
	s->pidfd = -1;
	s->pid = 0;
	s->polled = false;
}

void uc_seen_free(struct uc_seen *s)
{
	drop_handler(s);
}

static void see_block(struct uc_seen *s, bool there, uint64_t size,
		      const struct uc_watch_options *o)
{
	const bool was_there = s->block;
	const uint64_t old_size = s->size;

	s->block = there;
	s->size = size;
	s->started = false;
	if (there && !was_there) {
		s->state = UBLK_S_DEV_LIVE;
		uc_seen_tell(s, UC_WATCH_STARTED, o);
	} else if (!there && was_there) {
		s->state = UBLK_S_DEV_DEAD;
		uc_seen_tell(s, UC_WATCH_STOPPED, o);
	} else if (size != old_size) {
		uc_seen_tell(s, UC_WATCH_RESIZED, o);
	}
}

void uc_seen_hear(struct uc_seen *s, const struct uc_uevent_message *message,
		  const struct uc_watch_options *o)
{
	s->look = true;
	if (message->action == UC_UEVENT_REMOVE && message->block) {
		/* It was there so shortly that it could not be looked at. */
		if (s->started)
			see_block(s, true, 0, o);
		see_block(s, false, 0, o);
	} else if (message->action == UC_UEVENT_REMOVE) {
		uc_seen_remove(s, o);
	} else if (message->action == UC_UEVENT_ADD && message->block) {
		/* Told when its name and size are known. */
		s->started = !s->block;
	}
}

static void see_handler(struct uc_seen *s, const struct uc_host *host,
			const struct ublksrv_ctrl_dev_info *info, const struct uc_watch_options *o)
{
	int pidfd;

	/* The end of one that is known is told by its pidfd. */
	if (info->state != UBLK_S_DEV_LIVE || info->ublksrv_pid <= 0 || info->ublksrv_pid == s->pid)
		return;
	/* Opened first: what is looked at then cannot be another process. */
	pidfd = (int)syscall(SYS_pidfd_open, info->ublksrv_pid, 0);
	if (pidfd < 0)
		return;
	if (!uc_recover_is_served(host, info)) {
		close(pidfd);
		return;
	}
	/* Its end has not been heard yet, and was before this one's beginning. */
	if (s->pidfd >= 0)
		uc_seen_tell(s, UC_WATCH_HANDLER_ENDED, o);
	drop_handler(s);
	s->pid = s->last = info->ublksrv_pid;
	s->pidfd = pidfd;
	uc_seen_tell(s, UC_WATCH_HANDLER_STARTED, o);
}

/* One that has lived so shortly that only its record is left. */
static void see_recorded(struct uc_seen *s, const struct uc_device *d,
			 const struct uc_watch_options *o)
{
	const struct uc_record *r = &d->record;

	if (d->record_state != UC_RECORD_OK || r->recovering || r->pid == s->last)
		return;
	if (s->last >= 0 && s->pidfd < 0 && uc_proc_has_died(r->pid, r->pid_start)) {
		s->pid = r->pid;
		uc_seen_tell(s, UC_WATCH_HANDLER_STARTED, o);
		uc_seen_tell(s, UC_WATCH_HANDLER_ENDED, o);
		s->pid = 0;
	}
	s->last = r->pid;
}

int uc_seen_look(struct uc_seen *s, const struct uc_host *host, struct uc_ctrl *ctrl,
		 const struct uc_watch_options *o)
{
	struct uc_device d = {0};
	int ret = uc_device_get(host, ctrl, s->id, &d, NULL);

	s->look = false;
	/* On its way up or down (without a size): soon it will be there. */
	if (ret < 0 || (d.info.state == UBLK_S_DEV_DEAD) != (d.size == 0))
		return ret;
	if (d.record_state == UC_RECORD_OK)
		memcpy(s->name, d.record.name, sizeof(s->name));
	see_block(s, d.size > 0, d.size, o);
	see_handler(s, host, &d.info, o);
	see_recorded(s, &d, o);
	if (d.info.state != s->state) {
		s->state = d.info.state;
		uc_seen_tell(s, UC_WATCH_STATE, o);
	}
	return 0;
}

void uc_seen_remove(struct uc_seen *s, const struct uc_watch_options *o)
{
	if (s->removed)
		return;
	see_block(s, false, 0, o);
	s->removed = true;
	s->patience = uc_deadline(PATIENCE_MS);
	if (s->pidfd < 0)
		uc_seen_forget(s, o);
}

void uc_seen_forget(struct uc_seen *s, const struct uc_watch_options *o)
{
	s->gone = true;
	uc_seen_tell(s, UC_WATCH_REMOVED, o);
}

void uc_seen_end_handler(struct uc_seen *s, const struct uc_watch_options *o)
{
	uc_seen_tell(s, UC_WATCH_HANDLER_ENDED, o);
	drop_handler(s);
	s->look = true;
	if (s->removed)
		uc_seen_forget(s, o);
}

bool uc_seen_is_settled(const struct uc_seen *s)
{
	return s->state == UBLK_S_DEV_LIVE && s->block && s->pidfd >= 0 && !s->removed;
}
