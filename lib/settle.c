/* SPDX-License-Identifier: MIT */
#include "settle.h"

static int find_size(const struct uc_host *host, const struct uc_device *device, uint64_t *ret_size,
		     struct uc_error *err)
{
	struct ublk_params params;
	int ret = 0;

	if (device->has_node) {
		*ret_size = device->size;
		return 0;
	}
	ret = uc_device_params(host, device->info.dev_id, &params, err);
	if (ret == 0)
		*ret_size = params.basic.dev_sectors << 9;
	return ret;
}

int uc_settle(const struct uc_host *host, const struct uc_lock *lock, struct uc_device *device,
	      struct uc_error *err)
{
	struct uc_record record = device->record;
	uint64_t size = 0;
	int ret;

	if (device->record_state != UC_RECORD_OK || !record.resizing.from)
		return 0;
	ret = find_size(host, device, &size, err);
	if (ret < 0)
		return ret;
	if (size != record.resizing.from)
		ret = uc_record_set_size(&record, record.resizing.option, size);
	if (ret < 0)
		return uc_fail_errno(err, -ret, "the record of device %u", record.id);
	record.resizing = (struct uc_resizing){0};
	if (!host->dry_run)
		ret = uc_record_write(host, lock, &record, err);
	if (ret == 0)
		device->record = record;
	return ret;
}
