/* SPDX-License-Identifier: MIT */
/* loop: a regular file or a block device. This file is the I/O half. */
#include "loop.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <unistd.h>

#include "range.h"

/* linux/fs.h clashes with sys/mount.h in some versions of glibc. */
#ifndef RWF_DSYNC
#define RWF_DSYNC 0x2
#endif

static uint64_t file_offset(struct uc_queue *queue, const struct uc_io *io)
{
	const struct loop_target *t = (const struct loop_target *)uc_queue_target(queue);

	return t->offset + uc_iod_offset(io->iod);
}

static void *loop_address(const struct uc_target *target, const struct ublksrv_io_desc *iod)
{
	const struct loop_target *t = (const struct loop_target *)target;
	const uint64_t offset = t->offset + uc_iod_offset(iod);

	if (!t->view.map)
		return NULL;
	return ublksrv_get_op(iod) == UBLK_IO_OP_READ
		       ? uc_view_for_reading(&t->view, offset, uc_iod_bytes(iod))
		       : uc_view_for_writing(&t->view, offset, uc_iod_bytes(iod));
}

/* Reads or writes what is left of the request. */
static int transfer(struct uc_queue *queue, struct uc_io *io)
{
	struct io_uring_sqe *sqe = uc_io_sqe(queue);

	uc_io_prep_data(queue, io, sqe, file_offset(queue, io) + io->done);
	if (ublksrv_get_op(io->iod) == UBLK_IO_OP_WRITE && (io->iod->op_flags & UBLK_IO_F_FUA))
		sqe->rw_flags = RWF_DSYNC;
	uc_io_arm(sqe, io);
	return UC_IO_PENDING;
}

static int flush(struct uc_queue *queue, struct uc_io *io)
{
	struct io_uring_sqe *sqe = uc_io_sqe(queue);

	io_uring_prep_fsync(sqe, uc_target_fd(0), IORING_FSYNC_DATASYNC);
	uc_io_arm(sqe, io);
	return UC_IO_PENDING;
}

static int make_hole(struct uc_queue *queue, struct uc_io *io)
{
	const struct loop_target *t = (const struct loop_target *)uc_queue_target(queue);

	uc_view_forget(&t->view, file_offset(queue, io), uc_iod_bytes(io->iod));
	return uc_range_start(queue, io, file_offset(queue, io));
}

static int loop_queue_io(struct uc_queue *queue, struct uc_io *io)
{
	switch (ublksrv_get_op(io->iod)) {
	case UBLK_IO_OP_READ:
	case UBLK_IO_OP_WRITE:
		return transfer(queue, io);
	case UBLK_IO_OP_FLUSH:
		return flush(queue, io);
	case UBLK_IO_OP_DISCARD:
	case UBLK_IO_OP_WRITE_ZEROES:
		return make_hole(queue, io);
	default:
		return -EOPNOTSUPP;
	}
}

/* Nothing more, or a part of a block: both mean that a READ has come to the end of the file. */
static bool is_cut(struct uc_queue *queue, const struct uc_io *io, int res)
{
	const uint32_t block = uc_queue_target(queue)->limits.logical_bs;

	return res == 0 || (ublksrv_get_op(io->iod) == UBLK_IO_OP_READ && (uint32_t)res % block);
}

static int transfer_event(struct uc_queue *queue, struct uc_io *io, int res)
{
	if (res == -EINTR || res == -EAGAIN)
		return transfer(queue, io);
	if (res < 0)
		return res;
	/*
	 * The file was truncated behind our back. That is an error, and not made-up zeroes; nor
	 * could direct I/O go on from within a block. Nor is a part reported: newer drivers take
	 * a short WRITE for a whole one.
	 */
	if (is_cut(queue, io, res))
		return -EIO;
	io->done += (uint32_t)res;
	return io->done < uc_iod_bytes(io->iod) ? transfer(queue, io) : (int)io->done;
}

static int loop_io_event(struct uc_queue *queue, struct uc_io *io, int res)
{
	switch (ublksrv_get_op(io->iod)) {
	case UBLK_IO_OP_READ:
	case UBLK_IO_OP_WRITE:
		return transfer_event(queue, io, res);
	case UBLK_IO_OP_FLUSH:
		return res == -EINTR || res == -EAGAIN ? flush(queue, io) : res;
	default:
		return uc_range_event(queue, io, file_offset(queue, io), res);
	}
}

static uint64_t loop_room(const struct uc_target *target)
{
	return uc_loop_room(target->fds[0], ((const struct loop_target *)target)->offset);
}

static void loop_close(struct uc_target *target)
{
	struct loop_target *t = (struct loop_target *)target;

	if (!t)
		return;
	uc_view_close(&t->view);
	if (t->base.fds[0] >= 0)
		close(t->base.fds[0]);
	free(t);
}

const struct uc_target_ops uc_loop_ops = {
	.name = "loop",
	.address = loop_address,
	.queue_io = loop_queue_io,
	.io_event = loop_io_event,
	.room = loop_room,
	.close = loop_close,
};
