/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "bounded.h"
#include "cleanup.h"
#include "inuse.h"
#include "keeper.h"
#include "lazy.h"
#include "manage.h"
#include "node.h"
#include "progress.h"
#include "stop.h"

struct request {
	const struct uc_host *host;
	uint32_t id;
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
		res = uc_ctrl_del_dev_async(ctrl, r->id, err);
		if (res != -EOPNOTSUPP)
			return res;
	}
	return uc_ctrl_del_dev(ctrl, r->id, err);
}

/* Once it is stopped. */
static int remove_stopped(const struct uc_host *host, const struct uc_device *device, bool wait,
			  struct uc_error *err)
{
	const uint32_t id = device->info.dev_id;
	/* The driver has no other way for a plain user's device. */
	const bool must_wait = wait || (device->info.flags & UBLK_F_UNPRIVILEGED_DEV);
	struct request r = {.host = host, .id = id, .wait = must_wait};
	int ret;

	/* While the id is still taken: after DEL_DEV a new device may own these files. */
	uc_record_remove(host, id);
	ret = uc_bounded(remove_device, &r, NULL, 0, uc_host_left_ms(host) + UC_MARGIN_MS,
			 "deleting the device", err);
	/* The handler may have deleted it itself on its way out. */
	return ret < 0 && ret != -ENODEV ? uc_wrap(err, "device %u is stopped but not deleted", id)
					 : 0;
}

/* With it goes the memory of a ramdisk. */
static void end_keeper(const struct uc_device *device)
{
	if (device->record_state == UC_RECORD_OK)
		uc_keeper_end(&device->record.keeper);
}

static int get(const struct uc_host *host, uint32_t id, struct uc_device *ret_device,
	       struct uc_error *err)
{
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	int ret = uc_ctrl_open(host, &ctrl, err);

	return ret < 0 ? ret : uc_device_get(host, ctrl, id, ret_device, err);
}

/* One that was stopped, and that a `start` which was killed has left without its device. */
static bool remove_record(const struct uc_host *host, uint32_t id)
{
	struct uc_record record;

	if (uc_record_load(host, id, &record) < 0 || !record.stopped.is)
		return false;
	if (host->dry_run)
		return true;
	uc_record_remove(host, id);
	uc_keeper_end(&record.keeper);
	return true;
}

int uc_del(const struct uc_host *host, uint32_t id, bool force, struct uc_error *err)
{
	const struct uc_host mine = host->deadline ? *host : uc_host_within(host, host->timeout_ms);
	struct uc_device device = {0};
	uc_auto_progress struct uc_progress progress;
	int ret;

	uc_progress_begin(&progress, uc_host_deadline(&mine), "waiting for device %u to be gone",
			  id);
	ret = get(&mine, id, &device, err);
	if (ret == -ENODEV && remove_record(host, id))
		return 0;
	if (ret == 0 && !force)
		ret = uc_inuse_check(&mine, &device, err);
	if (ret < 0 || host->dry_run)
		return ret;
	ret = uc_stop_device(&mine, &device, force, err);
	if (ret == 0)
		ret = remove_stopped(&mine, &device, !force, err);
	if (ret < 0)
		return ret;
	ret = uc_node_await_gone(&mine, id, err);
	if (ret == 0)
		end_keeper(&device);
	return ret;
}

int uc_del_lazy(const struct uc_host *host, uint32_t id, bool force, struct uc_error *err)
{
	const struct uc_host mine = host->deadline ? *host : uc_host_within(host, host->timeout_ms);
	struct uc_device device = {0};
	uc_auto_progress struct uc_progress progress;
	int ret;

	uc_progress_begin(&progress, uc_host_deadline(&mine), "waiting for device %u to be stopped",
			  id);
	ret = get(&mine, id, &device, err);
	if (ret == -ENODEV && remove_record(host, id))
		return 0;
	if (ret < 0 || host->dry_run)
		return ret;
	if (!force && uc_inuse_look(&mine, &device, NULL) == -EBUSY)
		return uc_lazy_start(&mine, &device, err);
	ret = uc_stop_block(&mine, &device, force, err);
	if (ret == 0)
		ret = remove_stopped(&mine, &device, false, err);
	if (ret == 0)
		end_keeper(&device);
	return ret;
}
