/* SPDX-License-Identifier: MIT */
/* Paths in which the driver copies, or nobody: all that we do is to name the address. */
#include <errno.h>

#include "queue.h"
#include "shared.h"

#define HOMES_FILE   (1U << UC_HOME_FILE | 1U << UC_HOME_CACHE | 1U << UC_HOME_VIEW)
#define HOMES_BUFFER (HOMES_FILE | 1U << UC_HOME_CODE)

/* A buffer per tag: the driver copies a WRITE there before, and a READ from there after. */
static void copy_prepare(struct uc_io *io)
{
	io->addr = (uint64_t)(uintptr_t)io->buf;
}

const struct uc_path uc_path_copy = {
	.name = "copy",
	.help = "the driver copies to and from a buffer per request",
	.homes = HOMES_BUFFER,
	.suits = "a file or a block device",
	.needs_buffer = true,
	.prepare = copy_prepare,
};

const struct uc_path uc_path_batch_copy = {
	.name = "batch-copy",
	.help = "as copy, with many requests in one command",
	.flags = UBLK_F_BATCH_IO,
	.homes = HOMES_BUFFER,
	.suits = "a file or a block device",
	.needs_buffer = true,
	.batch = true,
	.prepare = copy_prepare,
};

/*
 * For clients whose memory is ours, too: the target's I/O goes straight to where the client has its
 * data, and nobody copies. What lies elsewhere goes as in the path copy.
 */
static int shared_begin(struct uc_queue *queue, struct uc_io *io)
{
	const struct uc_shared *shared = queue->setup->shared;
	const uint64_t addr = io->iod->addr;
	const size_t offset = ublk_shmem_zc_offset(addr);

	io->place = io->buf;
	if (!(io->iod->op_flags & UBLK_IO_F_SHMEM_ZC))
		return 0;
	if (ublk_shmem_zc_index(addr) != shared->index || offset >= shared->size ||
	    uc_iod_bytes(io->iod) > shared->size - offset)
		return -EIO;
	io->place = shared->map + offset;
	uc_count(&queue->stats->shared, 1);
	return 0;
}

const struct uc_path uc_path_shared = {
	.name = "shared-memory",
	.help = "the file's I/O uses memory that the client shares, else as copy",
	.flags = UBLK_F_SHMEM_ZC,
	.homes = HOMES_FILE,
	.suits = "a file or a block device",
	.needs_buffer = true,
	.shared = true,
	.prepare = copy_prepare,
	.begin = shared_begin,
};

const struct uc_path uc_path_batch_shared = {
	.name = "batch-shared-memory",
	.help = "as shared-memory, with many requests in one command",
	.flags = UBLK_F_BATCH_IO | UBLK_F_SHMEM_ZC,
	.homes = HOMES_FILE,
	.suits = "a file or a block device",
	.needs_buffer = true,
	.batch = true,
	.shared = true,
	.prepare = copy_prepare,
	.begin = shared_begin,
};

/*
 * The data's own place in memory: the driver copies straight between it and the request. With
 * NEED_GET_DATA a WRITE waits until its address is named, so no address outlives its request.
 */
static bool find_place(const struct uc_queue *queue, struct uc_io *io)
{
	const struct uc_target *target = queue->setup->target;
	void *place = target->ops->address(target, io->iod);

	io->addr = (uint64_t)(uintptr_t)(place ? place : io->buf);
	return place;
}

static void direct_place(const struct uc_queue *queue, struct uc_io *io)
{
	io->asked = io->iod->nr_sectors;
	find_place(queue, io);
}

static int direct_begin(struct uc_queue *queue, struct uc_io *io)
{
	switch (ublksrv_get_op(io->iod)) {
	case UBLK_IO_OP_READ:
		return find_place(queue, io) ? (int)uc_iod_bytes(io->iod) : 0;
	case UBLK_IO_OP_WRITE:
		/*
		 * The driver shortens the request to what it could copy (no memory for the rest,
		 * say). Newer ones take a part that is answered for the whole, and the rest would
		 * be lost without an error.
		 */
		if (io->iod->nr_sectors != io->asked)
			return -EIO;
		return io->addr == (uint64_t)(uintptr_t)io->buf ? 0 : (int)uc_iod_bytes(io->iod);
	default:
		return 0;
	}
}

const struct uc_path uc_path_direct = {
	.name = "direct",
	.help = "the driver copies to and from the data's own memory",
	.flags = UBLK_F_NEED_GET_DATA,
	.homes = 1U << UC_HOME_MEMORY | 1U << UC_HOME_NOWHERE,
	.suits = "data that is all in memory, as ramdisk's",
	.place = direct_place,
	.begin = direct_begin,
};

const struct uc_path uc_path_map = {
	.name = "map",
	.help = "as direct for what is in the page cache, as copy for the rest",
	.flags = UBLK_F_NEED_GET_DATA,
	.homes = 1U << UC_HOME_CACHE | 1U << UC_HOME_VIEW,
	.suits = "a file or a block device through the page cache (--direct-io off)",
	.needs_buffer = true,
	.place = direct_place,
	.begin = direct_begin,
};
