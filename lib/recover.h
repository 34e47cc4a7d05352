/* SPDX-License-Identifier: MIT */
#ifndef UC_RECOVER_H
#define UC_RECOVER_H

#include "device.h"
#include "spec.h"

/*
 * Waits, in bounded time, until the driver knows what has become of the device's handler: it is
 * LIVE and served, or in another state.
 */
int uc_recover_settle(const struct uc_host *host, struct uc_ctrl *ctrl, uint32_t id,
		      struct ublksrv_ctrl_dev_info *ret_info, struct uc_error *err);

/*
 * Waits, in bounded time, until the device has lost its handler and can be given a new one.
 * UC_BUSY: its handler lives. UC_FAILED: it cannot be recovered.
 */
int uc_recover_await(const struct uc_host *host, struct uc_ctrl *ctrl, uint32_t id,
		     struct ublksrv_ctrl_dev_info *ret_info, struct uc_error *err);

/* UC_FAILED, for a device that was stopped: what to use instead. */
int uc_recover_is_stopped(uint32_t id, struct uc_error *err);

/* Whether the process that the driver names has the device open, and is not about to die. */
bool uc_recover_is_served(const struct uc_host *host, const struct ublksrv_ctrl_dev_info *info);

/*
 * What a new handler is to be: as the device is, and, where nothing is said in *spec (0, NULL,
 * empty), as the record has it. *spec points into *device afterwards.
 */
void uc_recover_spec(const struct uc_device *device, struct uc_spec *spec);

/*
 * Whether this kernel survives it. `record` is what is known of the device, or NULL: old kernels do
 * not if an earlier recovery did not come to its end.
 */
int uc_recover_check(struct uc_ctrl *ctrl, const struct ublksrv_ctrl_dev_info *info,
		     const struct uc_record *record, struct uc_error *err);

/*
 * The driver's START_USER_RECOVERY: from now on this process may open ublkcN and fetch.
 * See uc_recover_check() for `record`.
 */
int uc_recover_begin(const struct uc_host *host, struct uc_ctrl *ctrl, const struct uc_lock *lock,
		     const struct uc_record *record, struct ublksrv_ctrl_dev_info *ret_info,
		     struct uc_error *err);

#endif
