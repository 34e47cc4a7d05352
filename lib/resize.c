/* SPDX-License-Identifier: MIT */
/* The size of a device that runs. */
#include <errno.h>
#include <inttypes.h>

#include "bounded.h"
#include "manage.h"
#include "progress.h"

struct request {
	const struct uc_host *host;
	uint32_t id;
	uint64_t size;
};

static int update(void *ctx, void *ret, struct uc_error *err)
{
	const struct request *r = ctx;
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	int res = uc_ctrl_open(r->host, &ctrl, err);

	(void)ret;
	return res < 0 ? res : uc_ctrl_update_size(ctrl, r->id, r->size >> 9, err);
}

int uc_resize_check(const struct uc_device *device, uint64_t size, struct uc_error *err)
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

int uc_resize(const struct uc_host *host, const struct uc_device *device, uint64_t size,
	      struct uc_error *err)
{
	struct request r = {host, device->info.dev_id, size};
	uc_auto_progress struct uc_progress progress;
	uint64_t now;
	int ret;

	uc_progress_begin(&progress, uc_host_deadline(host),
			  "waiting for device %u to have its new size", r.id);
	ret = uc_bounded(update, &r, NULL, 0, uc_host_left_ms(host) + UC_MARGIN_MS,
			 "resizing the device", err);

	if (ret < 0)
		return ret;
	now = uc_device_attr(host, r.id, "size") << 9;
	if (now != size)
		return uc_fail(err, UC_FAILED, EIO,
			       "device %u has %" PRIu64 " bytes now, not %" PRIu64, r.id, now,
			       size);
	return 0;
}
