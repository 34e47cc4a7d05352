/* SPDX-License-Identifier: MIT */
/* The size of a device that runs. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "bounded.h"
#include "change.h"
#include "cleanup.h"
#include "inuse.h"
#include "lifecycle.h"
#include "progress.h"
#include "settle.h"

struct request {
	const struct uc_change *change;
	uint64_t size;
};

static int update(void *ctx, void *ret, struct uc_error *err)
{
	const struct request *r = ctx;
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	int res = uc_ctrl_open(r->change->host, &ctrl, err);

	(void)ret;
	return res < 0 ? res
		       : uc_ctrl_update_size(ctrl, uc_change_lock(r->change), r->size >> 9, err);
}

/* Whether the device can be given that size, as far as the driver and its blocks go. */
static int check_size(const struct uc_device *device, uint64_t size, struct uc_error *err)
{
	const uint32_t id = device->info.dev_id;

	if (!(device->info.flags & UBLK_F_UPDATE_SIZE))
		return uc_fail(err, UC_UNSUPPORTED, EOPNOTSUPP,
			       "device %u cannot be resized: the driver did not grant update-size, "
			       "which Linux 6.16 and newer have",
			       id);
	if (device->info.state != UBLK_S_DEV_LIVE || !device->has_node)
		return uc_fail(err, UC_FAILED, EINVAL,
			       "device %u is %s, not LIVE, so it cannot be resized", id,
			       uc_device_state_name(device->info.state));
	if (size == 0 || size % device->logical_bs)
		return uc_fail(err, UC_USAGE, EINVAL,
			       "--size: %" PRIu64 " is not a multiple of the block size %u, or 0",
			       size, device->logical_bs);
	return 0;
}

/* Whether nobody knows yet which size it has. */
static bool is_unknown(int ret)
{
	return ret == -ETIMEDOUT || ret == -EINPROGRESS;
}

/* The driver checks nothing by itself: what is behind the device must have room already. */
static int update_size(const struct uc_change *change, uint64_t size, struct uc_error *err)
{
	const struct uc_host *host = change->host;
	const uint32_t id = change->device.info.dev_id;
	struct request r = {change, size};
	uc_auto_progress struct uc_progress progress;
	uint64_t now;
	int ret;

	uc_progress_begin(&progress, uc_host_deadline(host),
			  "waiting for device %u to have its new size", id);
	ret = uc_bounded(update, &r, NULL, 0, uc_host_left_ms(host) + UC_MARGIN_MS,
			 "resizing the device", err);

	/* Who was killed over it may have done it. */
	if (ret < 0 && ret != -EPIPE)
		return ret;
	if (!uc_device_attr(host, id, "size", &now))
		return uc_fail(err, UC_FAILED, EINPROGRESS,
			       "the size of device %u cannot be read; it may be the new one", id);
	if (now << 9 == size)
		return 0;
	if (ret == 0)
		return uc_fail(err, UC_FAILED, EIO,
			       "device %u has %" PRIu64 " bytes now, not %" PRIu64, id, now << 9,
			       size);
	return ret;
}

static int check_room(const struct uc_room *room, uint64_t size, struct uc_error *err)
{
	return room->check ? room->check(room->ctx, size, err) : 0;
}

static int make_room(const struct uc_room *room, uint64_t size, struct uc_error *err)
{
	return room->make ? room->make(room->ctx, size, err) : 0;
}

/* Says in the record that the size is about to be another, or that it is this one. */
static int note(const struct uc_change *change, const struct uc_room *room, uint64_t from,
		uint64_t now, struct uc_error *err)
{
	const struct uc_device *d = &change->device;
	struct uc_record record = d->record;
	int ret = 0;

	if (d->record_state != UC_RECORD_OK || !room->option)
		return 0;
	record.resizing.from = from;
	if (from)
		snprintf(record.resizing.option, sizeof(record.resizing.option), "%s",
			 room->option);
	if (now)
		ret = uc_record_set_size(&record, room->option, now);
	if (ret < 0)
		return uc_fail_errno(err, -ret, "the record of device %u", d->info.dev_id);
	return uc_record_write(change->host, uc_change_lock(change), &record, err);
}

/* All of it is the device's, and nobody has it under another name. */
static bool is_memory(const struct uc_device *d)
{
	return d->record_state == UC_RECORD_OK && !d->record.backing[0];
}

/* The room first: it is there before the first request for it. */
static int grow(const struct uc_change *change, const struct uc_room *room, uint64_t has,
		uint64_t size, struct uc_error *err)
{
	const struct uc_device *d = &change->device;
	int ret = 0;

	/* What a shrink that was killed has left in memory is not to come back. */
	if (is_memory(d) && has > d->size) {
		has = d->size;
		ret = make_room(room, has, err);
	}
	if (ret == 0 && size > has)
		ret = make_room(room, size, err);
	if (ret < 0)
		return ret;
	ret = update_size(change, size, err);
	/* Nobody has it, unless the driver is at it yet. */
	if (ret < 0 && !is_unknown(ret) && size > has)
		(void)make_room(room, has, NULL);
	return ret;
}

/* A file that goes on behind the device's end is not ours to cut. */
static bool is_cut(const struct uc_device *d, uint64_t has)
{
	return is_memory(d) || has / d->logical_bs * d->logical_bs == d->size;
}

/* The device first: no request may be behind the end of what it lies on. */
static int shrink(const struct uc_change *change, const struct uc_room *room, uint64_t has,
		  uint64_t size, struct uc_error *err)
{
	int ret = update_size(change, size, err);

	return ret == 0 && is_cut(&change->device, has) ? make_room(room, size, err) : ret;
}

/* All that can be found out before anything is changed. */
static int check(const struct uc_change *change, const struct uc_resize *how,
		 const struct uc_room *room, uint64_t has, struct uc_error *err)
{
	const struct uc_device *d = &change->device;
	int ret;

	if (how->size > d->size)
		return how->size > has ? check_room(room, how->size, err) : 0;
	if (!how->force)
		return uc_fail(err, UC_USAGE, EINVAL,
			       "%" PRIu64 " bytes are less than the %" PRIu64
			       " that device %u has; "
			       "use --force if what is behind the new end may be lost",
			       how->size, d->size, d->info.dev_id);
	ret = uc_inuse_check(change->host, d, err);
	return ret == 0 && is_cut(d, has) ? check_room(room, how->size, err) : ret;
}

static int resize(struct uc_change *change, struct uc_resize *how, const struct uc_room *room,
		  struct uc_error *err)
{
	const struct uc_device *d = &change->device;
	/* Without limit there is nothing to follow. */
	const uint64_t has = room->now ? room->now(room->ctx) : d->size;
	int ret;

	if (!how->size)
		how->size = has / d->logical_bs * d->logical_bs;
	ret = check_size(d, how->size, err);
	if (ret < 0)
		return ret;
	if (how->size == d->size)
		return UC_AS_IT_WAS;
	ret = check(change, how, room, has, err);
	if (ret < 0 || change->host->dry_run)
		return ret;
	ret = note(change, room, d->size, 0, err);
	if (ret < 0)
		return ret;
	ret = how->size > d->size ? grow(change, room, has, how->size, err)
				  : shrink(change, room, has, how->size, err);
	/* What cannot be said, or is not known yet, the next change finds out. */
	if (ret == 0)
		(void)note(change, room, 0, how->size, NULL);
	else if (!is_unknown(ret) && uc_change_look(change, NULL) == 0)
		(void)uc_settle(change->host, uc_change_lock(change), &change->device, NULL);
	return ret;
}

int uc_resize(const struct uc_host *host, const struct uc_ref *ref, struct uc_resize *how,
	      struct uc_error *err)
{
	uc_auto_change struct uc_change change = UC_CHANGE_NONE;
	struct uc_room room = {0};
	int ret = uc_change_begin(host, ref, &change, err);

	/* What no size can mend, before anything is asked of the server. */
	if (ret == 0)
		ret = check_size(&change.device, how->size ? how->size : change.device.size, err);
	if (ret == 0)
		ret = how->find(how->ctx, &change.device, &room, err);
	return ret < 0 ? ret : resize(&change, how, &room, err);
}
