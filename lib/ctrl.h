/* SPDX-License-Identifier: MIT */
#ifndef UC_CTRL_H
#define UC_CTRL_H

#include <stdint.h>

#include "affinity.h"
#include "error.h"
#include "host.h"
#include "lock.h"
#include "ublk_abi.h"

#define UC_ID_ANY UINT32_MAX /* "the first free id" for ADD_DEV */
/* The driver allows 1 << 20 devices (UBLK_MAX_UBLKS in ublk_drv.c). */
#define UC_ID_MAX ((1U << 20) - 1)

/*
 * A client of the driver's control device. Every call waits at most host->timeout_ms, retries
 * EINTR within that, and explains a failure in *err for the person at the prompt. Returns 0 or a
 * negative errno. Contract of each command: ublk_ctrl_uring_cmd() in drivers/block/ublk_drv.c and
 * Documentation/block/ublk.rst. Not thread safe.
 *
 * What changes a device is for who is alone in that: it takes the device's lock in place of its id.
 */
struct uc_ctrl;

/* *ret_ctrl is the caller's, to be closed. */
int uc_ctrl_open(const struct uc_host *host, struct uc_ctrl **ret_ctrl, struct uc_error *err);
void uc_ctrl_close(struct uc_ctrl *ctrl);
static inline void uc_cleanup_ctrl(struct uc_ctrl **ctrl)
{
	uc_ctrl_close(*ctrl);
}
#define uc_auto_ctrl __attribute__((cleanup(uc_cleanup_ctrl)))

/* UBLK_F_* bits that the driver knows. Drivers before 6.5 lack the command: UC_UNSUPPORTED. */
int uc_ctrl_get_features(struct uc_ctrl *ctrl, uint64_t *ret_features, struct uc_error *err);

/* *info goes in as asked and comes back as granted: the driver negotiates silently. */
int uc_ctrl_add_dev(struct uc_ctrl *ctrl, struct ublksrv_ctrl_dev_info *info, struct uc_error *err);

/* Whether it would be refused, as far as that can be told without trying. UC_ID_ANY: any id. */
int uc_ctrl_check_add(struct uc_ctrl *ctrl, uint32_t id, struct uc_error *err);

/* Never blocks in the driver. */
int uc_ctrl_get_dev_info(struct uc_ctrl *ctrl, uint32_t id, struct ublksrv_ctrl_dev_info *ret_info,
			 struct uc_error *err);

/* A failed SET_PARAMS wipes what was set before; after START_DEV it is refused (EACCES). */
int uc_ctrl_set_params(struct uc_ctrl *ctrl, const struct uc_lock *lock,
		       const struct ublk_params *params, struct uc_error *err);
/* Takes the device's mutex, so it can wait behind a stuck device. */
int uc_ctrl_get_params(struct uc_ctrl *ctrl, uint32_t id, struct ublk_params *ret_params,
		       struct uc_error *err);

/* Waits until every tag of every queue is fetched. pid: the process that opened ublkcN. */
int uc_ctrl_start_dev(struct uc_ctrl *ctrl, const struct uc_lock *lock, int32_t pid,
		      struct uc_error *err);
/* Takes the block device away from under whoever uses it. */
int uc_ctrl_stop_dev(struct uc_ctrl *ctrl, const struct uc_lock *lock, struct uc_error *err);
/* Refuses with UC_BUSY when the block device is open. Needs UBLK_F_SAFE_STOP_DEV. */
int uc_ctrl_try_stop_dev(struct uc_ctrl *ctrl, const struct uc_lock *lock, struct uc_error *err);
/* Returns when the id is free again: after the server and all openers have gone. */
int uc_ctrl_del_dev(struct uc_ctrl *ctrl, const struct uc_lock *lock, struct uc_error *err);
/* Returns at once; the device goes when its last user goes. */
int uc_ctrl_del_dev_async(struct uc_ctrl *ctrl, const struct uc_lock *lock, struct uc_error *err);

/* Possible CPUs (not only online ones) whose I/O goes to this queue. */
int uc_ctrl_get_queue_affinity(struct uc_ctrl *ctrl, uint32_t id, uint16_t qid,
			       struct uc_cpus *ret_cpus, struct uc_error *err);

int uc_ctrl_start_user_recovery(struct uc_ctrl *ctrl, const struct uc_lock *lock,
				struct uc_error *err);
int uc_ctrl_end_user_recovery(struct uc_ctrl *ctrl, const struct uc_lock *lock, int32_t pid,
			      struct uc_error *err);
/* sectors: new size in units of 512 bytes; the driver checks neither alignment nor shrinking. */
int uc_ctrl_update_size(struct uc_ctrl *ctrl, const struct uc_lock *lock, uint64_t sectors,
			struct uc_error *err);
/* quiesce_ms: the driver's own bound, 1 or more: 0 would wait for ever under its mutex. */
int uc_ctrl_quiesce_dev(struct uc_ctrl *ctrl, const struct uc_lock *lock, uint32_t quiesce_ms,
			struct uc_error *err);
/* Shared-memory zero copy: registers [addr, addr + len); *ret_index names it from then on. */
int uc_ctrl_reg_buf(struct uc_ctrl *ctrl, const struct uc_lock *lock,
		    const struct ublk_shmem_buf_reg *reg, uint16_t *ret_index,
		    struct uc_error *err);
int uc_ctrl_unreg_buf(struct uc_ctrl *ctrl, const struct uc_lock *lock, uint16_t index,
		      struct uc_error *err);

#endif
