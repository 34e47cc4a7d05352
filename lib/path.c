/* SPDX-License-Identifier: MIT */
/* The ways to move data: what address goes to the driver with each command. */
#include "queue.h"

/* A buffer per tag: the driver copies a WRITE there before, and a READ from there after. */
static uint64_t copy_address(const struct uc_queue *queue, const struct uc_io *io,
			     const struct ublksrv_io_desc *iod)
{
	(void)queue;
	(void)iod;
	return (uint64_t)(uintptr_t)io->buf;
}

const struct uc_path uc_path_copy = {
	.name = "copy",
	.needs_buffer = true,
	.address = copy_address,
};

/*
 * The data's own place in memory: the driver copies straight between it and the request. With
 * NEED_GET_DATA a WRITE waits until its address is named, so no address outlives its request.
 */
static uint64_t direct_address(const struct uc_queue *queue, const struct uc_io *io,
			       const struct ublksrv_io_desc *iod)
{
	const struct uc_target *target = queue->setup->target;
	uint8_t op;

	(void)io;
	if (!iod)
		return 0;
	op = ublksrv_get_op(iod);
	if (op != UBLK_IO_OP_READ && op != UBLK_IO_OP_WRITE)
		return 0;
	return (uint64_t)(uintptr_t)target->ops->address(target, iod);
}

const struct uc_path uc_path_direct = {
	.name = "direct",
	.flags = UBLK_F_NEED_GET_DATA,
	.address = direct_address,
};

const struct uc_path *uc_path_for(enum uc_home home)
{
	return home == UC_HOME_MEMORY ? &uc_path_direct : &uc_path_copy;
}
