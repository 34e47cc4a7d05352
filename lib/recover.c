/* SPDX-License-Identifier: MIT */
/* A device that has lost its handler, up to where a new one may take it. */
#include "recover.h"

#include <errno.h>
#include <sys/stat.h>

#include "cause.h"
#include "deadline.h"
#include "node.h"
#include "path.h"
#include "proc.h"
#include "progress.h"

/* How often the driver is asked. */
#define LOOK_MS 10

bool uc_recover_is_served(const struct uc_host *host, const struct ublksrv_ctrl_dev_info *info)
{
	char path[64];
	struct stat st;

	uc_node_char_path(host, info->dev_id, path, sizeof(path));
	return info->ublksrv_pid > 0 && stat(path, &st) == 0 &&
	       uc_proc_has_open(info->ublksrv_pid, &st) && !uc_proc_is_dying(info->ublksrv_pid);
}

static void spec_from_record(const struct uc_record *r, struct uc_spec *spec)
{
	spec->name = r->name[0] ? r->name : NULL;
	spec->logical_bs = r->logical_bs;
	spec->physical_bs = r->physical_bs;
	spec->read_only = r->read_only;
	spec->respawn |= r->respawn && !spec->foreground;
	if (!spec->threads)
		spec->threads = r->threads;
	if (uc_cpus_is_empty(&spec->cpus))
		spec->cpus = r->cpus;
	if (!spec->shared_memory && r->shared_memory[0])
		spec->shared_memory = r->shared_memory;
	if (!spec->path) {
		spec->path = uc_path_find(r->path);
		spec->path_asked = r->path_asked;
	}
	if (!spec->target_options)
		spec->target_options = r->options;
}

void uc_recover_spec(const struct uc_device *device, struct uc_spec *spec)
{
	const struct ublksrv_ctrl_dev_info *info = &device->info;

	spec->id = info->dev_id;
	spec->queues = info->nr_hw_queues;
	spec->depth = info->queue_depth;
	spec->max_io_size = info->max_io_buf_bytes;
	spec->recovery = uc_recovery_of(info->flags);
	if (device->record_state == UC_RECORD_OK) {
		spec_from_record(&device->record, spec);
	} else {
		spec->logical_bs = device->logical_bs;
		spec->read_only = device->read_only;
	}
	if (!spec->threads)
		spec->threads = UC_DEFAULT_THREADS;
}

int uc_recover_is_stopped(uint32_t id, struct uc_error *err)
{
	return uc_fail(err, UC_FAILED, EINVAL, "device %u is stopped; use 'ublkctl start %u'", id,
		       id);
}

static int check_recoverable(const struct uc_host *host, const struct ublksrv_ctrl_dev_info *info,
			     struct uc_error *err)
{
	struct uc_record record;

	if (info->state == UBLK_S_DEV_DEAD && uc_record_read(host, info, &record) == 0 &&
	    record.stopped.is)
		return uc_recover_is_stopped(info->dev_id, err);
	if (!(info->flags & UBLK_F_USER_RECOVERY))
		return uc_fail(err, UC_FAILED, EINVAL,
			       "device %u was made without --recovery; delete it and make it anew",
			       info->dev_id);
	if (info->state == UBLK_S_DEV_DEAD)
		return uc_fail(err, UC_FAILED, EINVAL,
			       "device %u is stopped, so there is nothing to recover; delete it",
			       info->dev_id);
	return 0;
}

static int is_served(const struct ublksrv_ctrl_dev_info *info, struct uc_error *err)
{
	char where[UC_WHERE_MAX];

	if (uc_proc_where(info->ublksrv_pid, where, sizeof(where)))
		return uc_fail(err, UC_BUSY, EBUSY,
			       "device %u has a handler, which stands still: %s; let it go on, or "
			       "kill it",
			       info->dev_id, where);
	return uc_fail(err, UC_BUSY, EBUSY,
		       "device %u is being served by process %d; there is nothing to recover",
		       info->dev_id, info->ublksrv_pid);
}

int uc_recover_settle(const struct uc_host *host, struct uc_ctrl *ctrl, uint32_t id,
		      struct ublksrv_ctrl_dev_info *ret_info, struct uc_error *err)
{
	const uint64_t deadline = uc_host_deadline(host);
	uc_auto_progress struct uc_progress progress;
	int ret;

	uc_progress_begin(&progress, deadline,
			  "waiting for the driver to let go of the old handler of device %u", id);
	while ((ret = uc_ctrl_get_dev_info(ctrl, id, ret_info, err)) == 0 &&
	       ret_info->state == UBLK_S_DEV_LIVE && !uc_recover_is_served(host, ret_info)) {
		if (uc_left_ms(deadline) == 0)
			return uc_fail(err, UC_TIMEOUT, ETIMEDOUT,
				       "the driver did not let go of the old handler of device %u "
				       "within %u ms; see dmesg",
				       id, host->timeout_ms);
		uc_progress_tick();
		uc_sleep_ms(LOOK_MS);
	}
	return ret;
}

int uc_recover_await(const struct uc_host *host, struct uc_ctrl *ctrl, uint32_t id,
		     struct ublksrv_ctrl_dev_info *ret_info, struct uc_error *err)
{
	struct ublksrv_ctrl_dev_info info;
	int ret = uc_ctrl_get_dev_info(ctrl, id, &info, err);

	/* One that cannot be recovered is not worth waiting for. */
	if (ret == 0)
		ret = check_recoverable(host, &info, err);
	if (ret == 0)
		ret = uc_recover_settle(host, ctrl, id, &info, err);
	if (ret == 0)
		ret = check_recoverable(host, &info, err);
	if (ret < 0)
		return ret;
	if (info.state == UBLK_S_DEV_LIVE)
		return is_served(&info, err);
	*ret_info = info;
	return 0;
}

/*
 * Before 6.16 START_USER_RECOVERY drops a task of each queue and does not look whether there is
 * one: after a recovery that died with some queues ready and others not, it crashes the kernel.
 * (ublk_queue_reinit() in 6.12. With one queue it refuses instead, and nothing is wrong.)
 */
int uc_recover_check(struct uc_ctrl *ctrl, const struct ublksrv_ctrl_dev_info *info,
		     const struct uc_record *record, struct uc_error *err)
{
	uint64_t features = 0;

	if (!record || !record->recovering || info->nr_hw_queues == 1)
		return 0;
	if (uc_ctrl_get_features(ctrl, &features, NULL) == 0 && (features & UBLK_F_QUIESCE))
		return 0;
	return uc_fail(err, UC_UNSUPPORTED, EOPNOTSUPP,
		       "the last recovery of device %u was cut short, and this kernel would crash "
		       "on another; delete it",
		       info->dev_id);
}

int uc_recover_begin(const struct uc_host *host, struct uc_ctrl *ctrl, const struct uc_lock *lock,
		     const struct uc_record *record, struct ublksrv_ctrl_dev_info *ret_info,
		     struct uc_error *err)
{
	const uint64_t deadline = uc_host_deadline(host);
	const uint32_t id = uc_lock_id(lock);
	int ret = uc_recover_await(host, ctrl, id, ret_info, err);

	if (ret == 0)
		ret = uc_recover_check(ctrl, ret_info, record, err);
	if (ret < 0)
		return ret;
	/* EBUSY: the files of the dead handler are not released yet. */
	while ((ret = uc_ctrl_start_user_recovery(ctrl, lock, err)) == -EBUSY &&
	       uc_left_ms(deadline) > 0)
		uc_sleep_ms(LOOK_MS);
	if (ret == -EBUSY) {
		char path[64];

		uc_node_char_path(host, id, path, sizeof(path));
		return uc_fail_open(err, host, path, EBUSY);
	}
	/* Before 6.16: begun already, by a handler that died before it had fetched anything. */
	return ret == -EINVAL ? 0 : ret;
}
