/* SPDX-License-Identifier: MIT */
#include "range.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/falloc.h>

/* Steps, in uc_io.step. */
enum {
	STEP_PUNCH = 1, /* give the blocks back; the range then reads as zeroes */
	STEP_ZERO,      /* zeroes, and the blocks stay */
	STEP_PUNCH_FOR_ZERO,
	STEP_REFILL,
};

static int mode_of(uint8_t step)
{
	switch (step) {
	case STEP_ZERO:
		return FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
	case STEP_REFILL:
		return FALLOC_FL_KEEP_SIZE;
	default:
		return FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	}
}

static int run(struct uc_queue *queue, struct uc_io *io, uint64_t offset, uint8_t step)
{
	struct io_uring_sqe *sqe = uc_io_sqe(queue);

	io->step = step;
	/* 64-bit length: a request may be as long as max_write_zeroes. */
	io_uring_prep_fallocate(sqe, uc_target_fd(0), mode_of(step), (off_t)offset,
				(off_t)uc_iod_bytes(io->iod));
	uc_io_arm(sqe, io);
	return UC_IO_PENDING;
}

int uc_range_start(struct uc_queue *queue, struct uc_io *io, uint64_t offset)
{
	const bool keep_blocks = ublksrv_get_op(io->iod) == UBLK_IO_OP_WRITE_ZEROES &&
				 (io->iod->op_flags & UBLK_IO_F_NOUNMAP);

	return run(queue, io, offset, keep_blocks ? STEP_ZERO : STEP_PUNCH);
}

int uc_range_event(struct uc_queue *queue, struct uc_io *io, uint64_t offset, int res)
{
	if (res == -EINTR || res == -EAGAIN)
		return run(queue, io, offset, io->step);
	/* tmpfs and others cannot zero in place, but get there by way of a hole. */
	if (res == -EOPNOTSUPP && io->step == STEP_ZERO)
		return run(queue, io, offset, STEP_PUNCH_FOR_ZERO);
	/* A block device without an offload for holes can still be zeroed. */
	if (res == -EOPNOTSUPP && io->step == STEP_PUNCH &&
	    ublksrv_get_op(io->iod) == UBLK_IO_OP_WRITE_ZEROES)
		return run(queue, io, offset, STEP_ZERO);
	if (res == 0 && io->step == STEP_PUNCH_FOR_ZERO)
		return run(queue, io, offset, STEP_REFILL);
	return res;
}
