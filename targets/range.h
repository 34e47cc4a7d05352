/* SPDX-License-Identifier: MIT */
#ifndef UC_RANGE_H
#define UC_RANGE_H

#include "target.h"

/*
 * DISCARD and WRITE_ZEROES on the target's file number 0, by fallocate on the queue's ring: it
 * may take long, so never in the queue thread itself.
 */

/* Starts it at byte `offset` of the file. Returns what queue_io() returns. */
int uc_range_start(struct uc_queue *queue, struct uc_io *io, uint64_t offset);

/* An SQE of it ended. Returns what io_event() returns. */
int uc_range_event(struct uc_queue *queue, struct uc_io *io, uint64_t offset, int res);

#endif
