/* SPDX-License-Identifier: MIT */
#ifndef UC_SETTLE_H
#define UC_SETTLE_H

#include "device.h"
#include "lock.h"

/*
 * A change that was killed has left its intention in the record. What has come of it, the driver
 * knows, and from now on the record. *device is as it was looked at under the lock, and has the new
 * record afterwards; a dry run writes nothing.
 */
int uc_settle(const struct uc_host *host, const struct uc_lock *lock, struct uc_device *device,
	      struct uc_error *err);

#endif
