/* SPDX-License-Identifier: MIT */
/*
 * Getting a device out of the driver. A new one: ADD_DEV, compare what was granted, SET_PARAMS. One
 * that has lost its handler: START_USER_RECOVERY, with the same path as before. Its record has its
 * place here, since it holds what was asked for and what came of it.
 */
#include "obtain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "bounded.h"
#include "cleanup.h"
#include "device.h"
#include "feature.h"
#include "keeper.h"
#include "machine.h"
#include "node.h"
#include "params.h"
#include "proc.h"
#include "record.h"
#include "recover.h"
#include "recovery.h"

static const struct uc_lock *lock_of(const struct uc_obtained *dev)
{
	return dev->args->locks->device;
}

static int check_threads(const struct uc_obtained *dev, struct uc_error *err)
{
	if (dev->args->spec->threads > 1 &&
	    !(dev->info.flags & (UBLK_F_PER_IO_DAEMON | UBLK_F_BATCH_IO)))
		return uc_fail(err, UC_UNSUPPORTED, EOPNOTSUPP,
			       "this kernel's driver lets one thread serve a queue, not %u; use "
			       "--threads 1, or more queues with -q",
			       dev->args->spec->threads);
	return 0;
}

/* The driver negotiates silently; whoever asked must hear of it. */
static int compare_granted(const struct uc_obtained *dev, struct uc_error *err)
{
	const struct uc_spec *spec = dev->args->spec;
	const uint64_t missing = dev->path->flags & ~dev->info.flags;
	char names[256];

	if (spec->unprivileged && !(dev->info.flags & UBLK_F_UNPRIVILEGED_DEV))
		return uc_fail(err, UC_UNSUPPORTED, EOPNOTSUPP,
			       "the driver does not grant --unprivileged");
	if (spec->unprivileged && uc_recovery_of(dev->info.flags) != spec->recovery)
		return uc_fail(err, UC_UNSUPPORTED, EOPNOTSUPP,
			       "the driver gives unprivileged devices no recovery; leave out "
			       "--recovery");
	if (uc_recovery_of(dev->info.flags) != spec->recovery)
		return uc_fail(err, UC_UNSUPPORTED, EOPNOTSUPP,
			       "the driver grants --recovery %s, not %s",
			       uc_recovery_name(uc_recovery_of(dev->info.flags)),
			       uc_recovery_name(spec->recovery));
	if (missing) {
		uc_feature_names(missing, names, sizeof(names));
		return uc_fail(err, UC_UNSUPPORTED, EOPNOTSUPP,
			       "this kernel's driver does not grant %s, which target %s needs for "
			       "data path %s",
			       names, dev->args->target->ops->name, dev->path->name);
	}
	if (dev->info.nr_hw_queues != spec->queues && spec->queues_set)
		return uc_fail(err, UC_UNSUPPORTED, EOPNOTSUPP,
			       "the driver grants %u queues, not %u: it gives at most one per CPU; "
			       "use -q %u",
			       dev->info.nr_hw_queues, spec->queues, dev->info.nr_hw_queues);
	if (dev->info.queue_depth != spec->depth || dev->info.max_io_buf_bytes != spec->max_io_size)
		return uc_fail(err, UC_UNSUPPORTED, EOPNOTSUPP,
			       "the driver grants depth %u and I/O of %u bytes, not %u and %u",
			       dev->info.queue_depth, dev->info.max_io_buf_bytes, spec->depth,
			       spec->max_io_size);
	return check_threads(dev, err);
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
static int choose_path(struct uc_obtained *dev, uint64_t *ret_features, struct uc_error *err)
{
	uint64_t features = 0;
	int ret = uc_ctrl_get_features(dev->ctrl, &features, err);

	if (ret == -EOPNOTSUPP)
		features = UBLK_F_NEED_GET_DATA;
	else if (ret < 0)
		return ret;
	ret = check_recovery(dev->args->spec, features, err);
	if (ret < 0)
		return ret;
	*ret_features = features;
	return uc_path_choose(dev->args->target, features, dev->args->spec, &dev->path, err);
}

/*
 * What costs nothing to have: for `resize`; for `upgrade`, of devices that wait; and to know when
 * the partitions have been looked for, which the driver does some time after START_DEV (7.3:
 * ublk_partition_scan_work()), and never for a plain user.
 */
static uint64_t extras(const struct uc_spec *spec, uint64_t features)
{
	const bool waits = spec->recovery != UC_RECOVERY_NONE;

	return features & (UBLK_F_UPDATE_SIZE | (waits ? UBLK_F_QUIESCE : 0) |
			   (spec->unprivileged ? 0 : UBLK_F_NO_AUTO_PART_SCAN));
}

static uint64_t wanted_flags(const struct uc_obtained *dev, uint64_t features)
{
	const struct uc_spec *spec = dev->args->spec;

	return dev->path->flags | uc_recovery_flags(spec->recovery) | extras(spec, features) |
	       (spec->unprivileged ? UBLK_F_UNPRIVILEGED_DEV : 0) | UBLK_F_CMD_IOCTL_ENCODE;
}

static void ask_for(struct uc_obtained *dev, uint64_t features)
{
	const struct uc_spec *spec = dev->args->spec;

	dev->info = (struct ublksrv_ctrl_dev_info){
		.dev_id = spec->id,
		.nr_hw_queues = spec->queues,
		.queue_depth = spec->depth,
		.max_io_buf_bytes = spec->max_io_size,
		.flags = wanted_flags(dev, features),
		.ublksrv_flags = dev->args->cookie,
	};
}

/* What the driver makes of dev->info, as ublk_ctrl_add_dev() does. */
static void expect_grant(struct uc_obtained *dev, uint64_t features)
{
	struct ublksrv_ctrl_dev_info *info = &dev->info;
	const unsigned cpus = uc_machine_cpus(dev->host);

	/* It gives this to all without being asked. */
	info->flags = (info->flags & features) | (features & UBLK_F_PER_IO_DAEMON);
	if (dev->args->spec->unprivileged)
		info->flags &= ~uc_recovery_flags(uc_recovery_of(info->flags));
	/* Before 6.5 nothing is known, and it is taken by its grants. */
	info->flags |= dev->path->flags;
	if (cpus && info->nr_hw_queues > cpus)
		info->nr_hw_queues = (uint16_t)cpus;
}

/* A start that was killed has left a stopped device without the driver's part of it. */
static bool is_reserved(const struct uc_obtained *dev, uint32_t id)
{
	struct uc_record record;

	return uc_record_load(dev->host, id, &record) == 0 && record.stopped.is &&
	       record.cookie != dev->args->cookie;
}

static int check_reserved(const struct uc_obtained *dev, struct uc_error *err)
{
	const uint32_t id = dev->args->spec->id;

	if (id == UC_ID_ANY || !is_reserved(dev, id))
		return 0;
	return uc_fail(err, UC_DIFFERS, EEXIST,
		       "the id %u is that of a stopped device; see 'ublkctl start' and 'ublkctl "
		       "del'",
		       id);
}

static int check_add(struct uc_obtained *dev, uint64_t features, struct uc_error *err)
{
	int ret = dev->args->restart ? 0 : uc_ctrl_check_add(dev->ctrl, dev->args->spec->id, err);

	if (ret == 0)
		ret = check_reserved(dev, err);
	if (ret < 0)
		return ret;
	ask_for(dev, features);
	expect_grant(dev, features);
	return compare_granted(dev, err);
}

static int take_id(struct uc_obtained *dev, uint64_t features, uint32_t id, struct uc_error *err)
{
	int ret = check_reserved(dev, err);

	if (ret < 0)
		return ret;
	ask_for(dev, features);
	dev->info.dev_id = id;
	ret = uc_ctrl_add_dev(dev->ctrl, &dev->info, err);
	if (ret < 0)
		return ret;
	dev->added = true;
	/* Whose the id was may not have come to its end yet. */
	return uc_lock_bind(dev->host, dev->args->locks->device, dev->info.dev_id, err);
}

/* The driver gives the first one that it does not know, and not each of those is free. */
static int take_free_id(struct uc_obtained *dev, uint64_t features, struct uc_error *err)
{
	uint32_t id = UC_ID_ANY;
	int ret;

	for (;;) {
		ret = take_id(dev, features, id, err);
		if (ret == -EEXIST && id < UC_ID_MAX) {
			id++;
			continue;
		}
		if (ret < 0 || !is_reserved(dev, dev->info.dev_id))
			return ret;
		id = dev->info.dev_id + 1;
		ret = uc_ctrl_del_dev(dev->ctrl, lock_of(dev), err);
		if (ret < 0)
			return ret;
		dev->added = false;
	}
}

static int add_device(struct uc_obtained *dev, uint64_t features, struct uc_error *err)
{
	struct ublk_params params;
	int ret = dev->args->spec->id == UC_ID_ANY
			  ? take_free_id(dev, features, err)
			  : take_id(dev, features, dev->args->spec->id, err);

	/* Without the node every other command is refused, also the one that deletes it again. */
	if (ret == 0 && (dev->info.flags & UBLK_F_UNPRIVILEGED_DEV))
		ret = uc_node_await_ours(dev->host, dev->info.dev_id, err);
	if (ret == 0)
		ret = compare_granted(dev, err);
	if (ret < 0)
		return ret;
	uc_params_build(dev->args->target, dev->path, &dev->info, &params);
	ret = uc_ctrl_set_params(dev->ctrl, lock_of(dev), &params, err);
	if (ret == 0 && dev->path->shared)
		ret = uc_shared_register(&dev->shared, dev->ctrl, lock_of(dev), err);
	return ret;
}

static int work_remove(void *ctx, void *ret, struct uc_error *err)
{
	const struct uc_obtained *dev = ctx;
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	int res = uc_ctrl_open(dev->host, &ctrl, err);

	(void)ret;
	return res < 0 ? res : uc_ctrl_del_dev(ctrl, lock_of(dev), err);
}

/*
 * The stopped device gives its id away, as late as can be: until there is another one, the record
 * is all there is of it. What a start that was killed has left may have the id, too, or nobody.
 */
static int make_way(struct uc_obtained *dev, struct uc_error *err)
{
	struct ublksrv_ctrl_dev_info info;
	int ret = uc_ctrl_get_dev_info(dev->ctrl, dev->args->spec->id, &info, err);

	if (ret == 0 && info.ublksrv_flags != dev->args->cookie)
		return uc_fail(err, UC_DIFFERS, EEXIST, "another device has the id %u by now",
			       info.dev_id);
	if (ret == 0)
		ret = uc_bounded(work_remove, dev, NULL, 0,
				 uc_host_left_ms(dev->host) + UC_MARGIN_MS,
				 "removing the stopped device", err);
	return ret == -ENODEV ? 0 : ret;
}

static int make_device(struct uc_obtained *dev, struct uc_error *err)
{
	uint64_t features = 0;
	int ret = choose_path(dev, &features, err);

	if (ret == 0 && dev->path->shared)
		ret = uc_shared_open(dev->args->spec->shared_memory, &dev->shared, err);
	if (ret == 0 && dev->host->dry_run)
		return check_add(dev, features, err);
	if (ret == 0 && dev->args->restart)
		ret = make_way(dev, err);
	return ret < 0 ? ret : add_device(dev, features, err);
}

/* What the device's clients were promised must be there. */
static int check_size(const struct uc_obtained *dev, struct uc_error *err)
{
	const struct uc_target *target = dev->args->target;
	/* It may have been resized since the target was opened. */
	const uint64_t room = target->ops->room ? target->ops->room(target) : target->size;
	uint64_t sectors;

	if (!uc_device_attr(dev->host, dev->info.dev_id, "size", &sectors))
		return uc_fail(err, UC_FAILED, ENOENT, "the size of device %u cannot be read",
			       dev->info.dev_id);
	if (room >= sectors << 9)
		return 0;
	return uc_fail(err, UC_FAILED, EINVAL,
		       "device %u has %" PRIu64 " bytes, but what is to be behind it has only "
		       "%" PRIu64,
		       dev->info.dev_id, sectors << 9, room);
}

static int write_record(const struct uc_obtained *dev, const struct uc_keeper_id *keeper,
			bool recovering, struct uc_error *err)
{
	const struct uc_target *target = dev->args->target;
	const struct uc_spec *spec = dev->args->spec;
	struct uc_record record = {
		.id = dev->info.dev_id,
		.cookie = dev->info.ublksrv_flags,
		.pid = getpid(),
		.pid_start = dev->pid_start,
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
	record.identity = target->identity;
	snprintf(record.path, sizeof(record.path), "%s", dev->path->name);
	if (spec->shared_memory)
		snprintf(record.shared_memory, sizeof(record.shared_memory), "%s",
			 spec->shared_memory);
	if (spec->target_options)
		snprintf(record.options, sizeof(record.options), "%s", spec->target_options);
	return uc_record_write(dev->host, lock_of(dev), &record, err);
}

/* The driver knows the old handler's memory, and has it pinned; ours may be another file. */
static int replace_shared(struct uc_obtained *dev, struct uc_error *err)
{
	int ret = uc_shared_open(dev->args->spec->shared_memory, &dev->shared, err);

	if (ret < 0)
		return ret;
	(void)uc_ctrl_unreg_buf(dev->ctrl, lock_of(dev), 0, NULL);
	return uc_shared_register(&dev->shared, dev->ctrl, lock_of(dev), err);
}

/* From where a handler has died to where the next one may open and fetch. */
static int take_over(struct uc_obtained *dev, struct uc_error *err)
{
	const uint32_t id = dev->args->spec->id;
	struct uc_record record;
	int ret = uc_ctrl_get_dev_info(dev->ctrl, id, &dev->info, err);
	bool known;

	if (ret < 0)
		return ret;
	if (dev->info.ublksrv_flags != dev->args->cookie)
		return uc_fail(err, UC_NO_DEVICE, ENODEV,
			       "device %u is gone, and another one has its id by now", id);
	known = uc_record_read(dev->host, &dev->info, &record) == 0;
	if (known)
		dev->before = record.keeper;
	ret = uc_path_resume(dev->args->target, dev->info.flags, dev->args->spec, &dev->path, err);
	if (ret == 0)
		ret = check_threads(dev, err);
	if (ret == 0)
		ret = check_size(dev, err);
	if (ret == 0 && dev->host->dry_run)
		return uc_recover_check(dev->ctrl, &dev->info, known ? &record : NULL, err);
	if (ret == 0)
		ret = uc_recover_begin(dev->host, dev->ctrl, lock_of(dev), known ? &record : NULL,
				       &dev->info, err);
	/*
	 * Before anything is fetched: see uc_recover_begin(). The old keeper stays, as long as it
	 * may have to keep for yet another.
	 */
	if (ret == 0)
		ret = write_record(dev, known ? &record.keeper : &dev->keeper, true, err);
	if (ret == 0 && dev->path->shared)
		ret = replace_shared(dev, err);
	return ret;
}

int uc_obtain(struct uc_obtained *dev, struct uc_error *err)
{
	return dev->args->resume ? take_over(dev, err) : make_device(dev, err);
}

int uc_obtained_write_record(const struct uc_obtained *dev, struct uc_error *err)
{
	int ret = write_record(dev, &dev->keeper, false, err);

	if (ret == 0 && dev->before.pid != dev->keeper.pid)
		uc_keeper_end(&dev->before);
	return ret;
}
