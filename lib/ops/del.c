/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "bounded.h"
#include "cleanup.h"
#include "inuse.h"
#include "keeper.h"
#include "lazy.h"
#include "lifecycle.h"
#include "log.h"
#include "node.h"
#include "progress.h"
#include "stop.h"

/* How often it is looked whether an id is free, and how long if there are users. */
#define LOOK_MS 10
#define USED_MS 1000

struct request {
	const struct uc_host *host;
	const struct uc_lock *lock;
	bool wait; /* until the last user has gone */
};

static int remove_device(void *ctx, void *ret, struct uc_error *err)
{
	const struct request *r = ctx;
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	int res = uc_ctrl_open(r->host, &ctrl, err);

	(void)ret;
	if (res < 0)
		return res;
	/* With users left DEL_DEV would wait for them; the driver can also let them go first. */
	if (!r->wait) {
		res = uc_ctrl_del_dev_async(ctrl, r->lock, err);
		if (res != -EOPNOTSUPP)
			return res;
	}
	return uc_ctrl_del_dev(ctrl, r->lock, err);
}

/* Once it is stopped. */
static int remove_stopped(const struct uc_change *change, bool wait, struct uc_error *err)
{
	const struct uc_host *host = change->host;
	const struct ublksrv_ctrl_dev_info *info = &change->device.info;
	/* The driver has no other way for a plain user's device. */
	const bool must_wait = wait || (info->flags & UBLK_F_UNPRIVILEGED_DEV);
	struct request r = {host, uc_change_lock(change), must_wait};
	int ret;

	/* While the id is still taken: after DEL_DEV a new device may own these files. */
	ret = uc_record_remove(host, r.lock, err);
	if (ret < 0)
		return uc_wrap(err, "device %u is stopped but not deleted", info->dev_id);
	ret = uc_bounded(remove_device, &r, NULL, 0, uc_host_left_ms(host) + UC_MARGIN_MS,
			 "deleting the device", err);
	/* The handler may have deleted it itself on its way out. */
	return ret < 0 && ret != -ENODEV
		       ? uc_wrap(err, "device %u is stopped but not deleted", info->dev_id)
		       : 0;
}

enum owner { NOBODY, IT, ANOTHER };

static enum owner owner_of_id(const struct uc_change *change)
{
	const struct ublksrv_ctrl_dev_info *was = &change->device.info;
	struct ublksrv_ctrl_dev_info info;

	if (uc_ctrl_get_dev_info(change->ctrl, was->dev_id, &info, NULL) < 0)
		return NOBODY;
	return info.ublksrv_flags == was->ublksrv_flags ? IT : ANOTHER;
}

/* Those of another device, whose maker waits for our lock, stay. */
static int await_nodes_gone(const struct uc_change *change, struct uc_error *err)
{
	const uint64_t deadline = uc_host_deadline(change->host);
	struct uc_host soon = *change->host;
	int ret;

	do {
		if (owner_of_id(change) == ANOTHER)
			return 0;
		soon.deadline = uc_deadline(LOOK_MS);
		ret = uc_node_await_gone(&soon, change->device.info.dev_id, err);
	} while (ret < 0 && uc_left_ms(deadline));
	return ret;
}

/*
 * Until its id is another's to have. Users that are there keep it, and were to get errors: then it
 * is only told of. `use` is who they were, if anybody was seen before.
 */
static int await_id(const struct uc_change *change, const struct uc_error *use,
		    struct uc_error *err)
{
	const struct uc_device *d = &change->device;
	/* Of a device that had no node any more, users cannot be seen. */
	const bool is_used = use->text[0] || !d->has_node;
	const unsigned left = uc_host_left_ms(change->host);
	const uint64_t deadline = uc_deadline(is_used && left > USED_MS ? USED_MS : left);

	while (owner_of_id(change) == IT) {
		if (uc_left_ms(deadline)) {
			uc_progress_tick();
			uc_sleep_ms(LOOK_MS);
			continue;
		}
		if (!is_used)
			return uc_fail(err, UC_TIMEOUT, ETIMEDOUT,
				       "device %u is stopped, but its id is not free; see dmesg",
				       d->info.dev_id);
		/* Without the remedy, which was for who would not have forced it. */
		uc_log(LOG_WARNING,
		       "device %u is deleted; its id is taken until its last user has gone%s%.*s",
		       d->info.dev_id, use->text[0] ? ": " : "", (int)strcspn(use->text, ";"),
		       use->text);
		return 0;
	}
	return 0;
}

/* With it goes the memory of a ramdisk. */
static void end_keeper(const struct uc_device *device)
{
	if (device->record_state == UC_RECORD_OK)
		uc_keeper_end(&device->record.keeper);
}

/* One that was stopped, and that a `start` which was killed has left without its device. */
static int remove_record(const struct uc_change *change, struct uc_error *err)
{
	int ret = uc_record_remove(change->host, uc_change_lock(change), err);

	if (ret == 0)
		end_keeper(&change->device);
	return ret;
}

int uc_del_now(const struct uc_change *change, bool force, struct uc_error *err)
{
	struct uc_error use = {0};
	int ret;

	if (change->device.only_recorded)
		return remove_record(change, err);
	if (force)
		(void)uc_inuse_look(change->host, &change->device, &use);
	ret = uc_stop_device(change, force, err);
	if (ret == 0)
		ret = remove_stopped(change, !force, err);
	if (ret == 0)
		ret = await_id(change, &use, err);
	if (ret == 0)
		ret = await_nodes_gone(change, err);
	if (ret == 0)
		end_keeper(&change->device);
	return ret;
}

int uc_del(const struct uc_host *host, const struct uc_ref *ref, bool force, struct uc_error *err)
{
	const struct uc_host mine = host->deadline ? *host : uc_host_within(host, host->timeout_ms);
	uc_auto_change struct uc_change change = UC_CHANGE_NONE;
	uc_auto_progress struct uc_progress progress;
	int ret;

	uc_progress_begin(&progress, uc_host_deadline(&mine), "waiting for device %u to be gone",
			  ref->id);
	ret = uc_change_begin_last(&mine, ref, &change, err);
	if (ret == 0 && !force && host->dry_run)
		ret = uc_inuse_check(&mine, &change.device, err);
	return ret < 0 || host->dry_run ? ret : uc_del_now(&change, force, err);
}

static int del_lazy(const struct uc_change *change, bool force, struct uc_error *err)
{
	int ret;

	if (change->device.only_recorded)
		return remove_record(change, err);
	if (!force && uc_inuse_look(change->host, &change->device, NULL) == -EBUSY)
		return uc_lazy_start(change->host, &change->device, err);
	ret = uc_stop_block(change, force, err);
	if (ret == 0)
		ret = remove_stopped(change, false, err);
	if (ret == 0)
		end_keeper(&change->device);
	return ret;
}

int uc_del_lazy(const struct uc_host *host, const struct uc_ref *ref, bool force,
		struct uc_error *err)
{
	const struct uc_host mine = host->deadline ? *host : uc_host_within(host, host->timeout_ms);
	uc_auto_change struct uc_change change = UC_CHANGE_NONE;
	uc_auto_progress struct uc_progress progress;
	int ret;

	uc_progress_begin(&progress, uc_host_deadline(&mine), "waiting for device %u to be stopped",
			  ref->id);
	ret = uc_change_begin_last(&mine, ref, &change, err);
	return ret < 0 || host->dry_run ? ret : del_lazy(&change, force, err);
}
