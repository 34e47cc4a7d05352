/* SPDX-License-Identifier: MIT */
/*
 * Paths for clients whose memory is ours, too: the target's I/O goes straight to where the client
 * has its data. What lies elsewhere is copied by the driver, as in the path copy.
 */
#include <errno.h>

#include "queue.h"
#include "shared.h"

static void shared_prepare(struct uc_io *io)
{
	io->addr = (uint64_t)(uintptr_t)io->buf;
}

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

#define HOMES (1U << UC_HOME_FILE | 1U << UC_HOME_CACHE | 1U << UC_HOME_VIEW)

const struct uc_path uc_path_shared = {
	.name = "shared-memory",
	.help = "the file's I/O uses memory that the client shares, else as copy",
	.flags = UBLK_F_SHMEM_ZC,
	.homes = HOMES,
	.suits = "a file or a block device",
	.needs_buffer = true,
	.shared = true,
	.prepare = shared_prepare,
	.begin = shared_begin,
};

const struct uc_path uc_path_batch_shared = {
	.name = "batch-shared-memory",
	.help = "as shared-memory, with many requests in one command",
	.flags = UBLK_F_BATCH_IO | UBLK_F_SHMEM_ZC,
	.homes = HOMES,
	.suits = "a file or a block device",
	.needs_buffer = true,
	.batch = true,
	.shared = true,
	.prepare = shared_prepare,
	.begin = shared_begin,
};
