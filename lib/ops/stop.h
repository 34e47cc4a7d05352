/* SPDX-License-Identifier: MIT */
#ifndef UC_STOP_H
#define UC_STOP_H

#include "change.h"

/*
 * Takes the block device away, and sees the handler end, within the host's time. Without `force`
 * only if nobody uses it: else -EBUSY with UC_BUSY, and who it is; with it a handler that does not
 * end is killed. The device stays, in state DEAD, and its record.
 */
int uc_stop_device(const struct uc_change *change, bool force, struct uc_error *err);

/* The same where users were looked for already; and the handler is left to end by itself. */
int uc_stop_block(const struct uc_change *change, bool force, struct uc_error *err);

/* Sees the handler of a stopped device end. */
int uc_stop_await(const struct uc_change *change, struct uc_error *err);

#endif
