/* SPDX-License-Identifier: MIT */
#include "change.h"

#include <errno.h>

#include "settle.h"

static int look(struct uc_change *change, uint32_t id, struct uc_error *err)
{
	return uc_device_get(change->host, change->ctrl, id, &change->device, err);
}

int uc_change_look(struct uc_change *change, struct uc_error *err)
{
	const uint64_t cookie = change->device.info.ublksrv_flags;
	const uint32_t id = change->device.info.dev_id;
	int ret = look(change, id, err);

	if (ret == 0 && change->device.info.ublksrv_flags != cookie)
		return uc_fail(err, UC_NO_DEVICE, ENODEV,
			       "device %u is gone, and another one has its id by now", id);
	return ret;
}

static int begin(const struct uc_host *host, const struct uc_ref *ref, bool waits,
		 struct uc_change *change, struct uc_error *err)
{
	int ret;

	change->host = host;
	ret = uc_ctrl_open(host, &change->ctrl, err);
	/* One that is not there is not worth waiting for. */
	if (ret == 0)
		ret = look(change, ref->id, err);
	if (ret == 0)
		ret = waits ? uc_lock_device(host, ref->id, &change->locks.device, err)
			    : uc_lock_try_device(host, ref->id, &change->locks.device, err);
	if (ret < 0)
		return ret;
	if (ref->known)
		change->device.info.ublksrv_flags = ref->cookie;
	return uc_change_look(change, err);
}

int uc_change_begin(const struct uc_host *host, const struct uc_ref *ref, struct uc_change *change,
		    struct uc_error *err)
{
	int ret = begin(host, ref, true, change, err);

	return ret < 0 || change->device.only_recorded
		       ? ret
		       : uc_settle(host, uc_change_lock(change), &change->device, err);
}

int uc_change_begin_last(const struct uc_host *host, const struct uc_ref *ref,
			 struct uc_change *change, struct uc_error *err)
{
	return begin(host, ref, true, change, err);
}

int uc_change_try(const struct uc_host *host, const struct uc_ref *ref, struct uc_change *change,
		  struct uc_error *err)
{
	return begin(host, ref, false, change, err);
}

void uc_change_end(struct uc_change *change)
{
	uc_ctrl_close(change->ctrl);
	change->ctrl = NULL;
	uc_locks_release(&change->locks);
}
