/* SPDX-License-Identifier: MIT */
/*
 * Paths without a copy of ours: the request's own pages become registered buffer `tag` of the
 * ring, and the target's READ_FIXED and WRITE_FIXED move the data between them and its file.
 */
#include <string.h>

#include "queue.h"

#define HOMES_FILE (1U << UC_HOME_FILE | 1U << UC_HOME_CACHE | 1U << UC_HOME_VIEW)

static bool has_data(const struct uc_io *io)
{
	const uint8_t op = ublksrv_get_op(io->iod);

	return op == UBLK_IO_OP_READ || op == UBLK_IO_OP_WRITE;
}

static int registration(struct uc_queue *queue, struct uc_io *io, uint32_t op)
{
	struct io_uring_sqe *sqe = uc_io_sqe(queue);

	uc_io_prep_driver(queue, io, sqe, op, 0, io->tag);
	uc_io_arm_path(sqe, io);
	return UC_IO_PENDING;
}

static int zero_copy_begin(struct uc_queue *queue, struct uc_io *io)
{
	if (!has_data(io))
		return 0;
	return registration(queue, io, UBLK_U_IO_REGISTER_IO_BUF);
}

static int zero_copy_begin_event(struct uc_queue *queue, struct uc_io *io, int res)
{
	(void)queue;
	io->registered = res >= 0;
	return res;
}

static int zero_copy_end(struct uc_queue *queue, struct uc_io *io, int res)
{
	if (!io->registered)
		return res;
	io->registered = false;
	io->result = res;
	return registration(queue, io, UBLK_U_IO_UNREGISTER_IO_BUF);
}

static int zero_copy_end_event(struct uc_queue *queue, struct uc_io *io, int res)
{
	(void)queue;
	return res < 0 && io->result >= 0 ? res : io->result;
}

const struct uc_path uc_path_zero_copy = {
	.name = "zero-copy",
	.help = "the file's I/O uses the request's pages, registered one by one",
	.flags = UBLK_F_SUPPORT_ZERO_COPY,
	.homes = HOMES_FILE,
	.suits = "a file or a block device",
	.fixed = true,
	.begin = zero_copy_begin,
	.begin_event = zero_copy_begin_event,
	.end = zero_copy_end,
	.end_event = zero_copy_end_event,
};

/* The driver registers with the FETCH and unregisters with the COMMIT ... */
static void auto_reg_prepare(struct uc_io *io)
{
	const struct ublk_auto_buf_reg reg = {
		.index = io->tag,
		.flags = UBLK_AUTO_BUF_REG_FALLBACK,
	};

	io->sqe_addr = ublk_auto_buf_reg_to_sqe_addr(&reg);
}

/* ... and where it could not, says so, and we do. */
static int auto_reg_begin(struct uc_queue *queue, struct uc_io *io)
{
	return io->iod->op_flags & UBLK_IO_F_NEED_REG_BUF ? zero_copy_begin(queue, io) : 0;
}

const struct uc_path uc_path_auto_reg = {
	.name = "auto-reg",
	.help = "the file's I/O uses the request's pages, registered by the driver",
	.flags = UBLK_F_SUPPORT_ZERO_COPY | UBLK_F_AUTO_BUF_REG,
	.homes = HOMES_FILE,
	.suits = "a file or a block device",
	.fixed = true,
	.prepare = auto_reg_prepare,
	.begin = auto_reg_begin,
	.begin_event = zero_copy_begin_event,
	.end = zero_copy_end,
	.end_event = zero_copy_end_event,
};

/* In a batch the element's buffer index stands for what the SQE says elsewhere. */
const struct uc_path uc_path_batch_auto_reg = {
	.name = "batch-auto-reg",
	.help = "as auto-reg, with many requests in one command",
	.flags = UBLK_F_BATCH_IO | UBLK_F_SUPPORT_ZERO_COPY | UBLK_F_AUTO_BUF_REG,
	.homes = HOMES_FILE,
	.suits = "a file or a block device",
	.fixed = true,
	.batch = true,
	.begin = auto_reg_begin,
	.begin_event = zero_copy_begin_event,
	.end = zero_copy_end,
	.end_event = zero_copy_end_event,
};
