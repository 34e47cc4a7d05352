/* SPDX-License-Identifier: MIT */
/*
 * The handler copies, by reading and writing the request's data through ublkcN: a WRITE's before
 * the target sees it, a READ's after. What has no place is not copied at all.
 */
#include <errno.h>
#include <unistd.h>

#include "queue.h"

/*
 * A plain system call and not an SQE: the character device cannot say that it does not block, so
 * io_uring would hand each to a worker thread. It is memory that is copied, and nothing waited for.
 */
static int copy(const struct uc_queue *queue, const struct uc_io *io, void *place)
{
	const bool is_write = ublksrv_get_op(io->iod) == UBLK_IO_OP_WRITE;
	const off_t offset = (off_t)ublk_user_copy_offset(queue->qid, io->tag);
	const int fd = queue->setup->char_fd;
	const size_t len = uc_iod_bytes(io->iod);
	ssize_t done;

	do {
		done = is_write ? pread(fd, place, len, offset) : pwrite(fd, place, len, offset);
	} while (done < 0 && errno == EINTR);
	if (done < 0)
		return -errno;
	/* A part is what the driver could copy before the memory came to its end. */
	return (size_t)done == len ? (int)len : -EFAULT;
}

/* Memory that is not there any more (a file was cut, its file system is full) is the target's. */
static int copy_in_place(const struct uc_queue *queue, const struct uc_io *io, void *place)
{
	const int ret = copy(queue, io, place);

	return ret == -EFAULT && io->buf ? 0 : ret;
}

/* NULL: it has none, and the target gets it in the tag's buffer. */
static void *place_of(const struct uc_target *target, const struct uc_io *io)
{
	return target->ops->address ? target->ops->address(target, io->iod) : NULL;
}

static bool is_dropped(const struct uc_target *target, uint8_t op)
{
	return target->home == UC_HOME_NOWHERE && (op == UBLK_IO_OP_WRITE || target->reads_any);
}

static int user_copy_begin(struct uc_queue *queue, struct uc_io *io)
{
	const struct uc_target *target = queue->setup->target;
	const uint8_t op = ublksrv_get_op(io->iod);
	void *place;
	int ret;

	if (op != UBLK_IO_OP_READ && op != UBLK_IO_OP_WRITE)
		return 0;
	if (is_dropped(target, op))
		return (int)uc_iod_bytes(io->iod);
	place = place_of(target, io);
	if (place) {
		ret = copy_in_place(queue, io, place);
		if (ret)
			return ret;
	}
	if (op == UBLK_IO_OP_READ)
		return 0;
	ret = copy(queue, io, io->buf);
	return ret < 0 ? ret : 0;
}

/* The whole request must be filled, or the client would see what was in its pages before. */
static int user_copy_end(struct uc_queue *queue, struct uc_io *io, int res)
{
	if (ublksrv_get_op(io->iod) != UBLK_IO_OP_READ || res < 0)
		return res;
	return (uint32_t)res == uc_iod_bytes(io->iod) ? copy(queue, io, io->buf) : -EIO;
}

#define HOMES ((1U << UC_HOME_COUNT) - 1)

const struct uc_path uc_path_user_copy = {
	.name = "user-copy",
	.help = "the handler copies, through the character device",
	.flags = UBLK_F_USER_COPY,
	.homes = HOMES,
	.suits = "any data",
	.needs_buffer = true,
	.begin = user_copy_begin,
	.end = user_copy_end,
};

const struct uc_path uc_path_batch_user_copy = {
	.name = "batch-user-copy",
	.help = "as user-copy, with many requests in one command",
	.flags = UBLK_F_BATCH_IO | UBLK_F_USER_COPY,
	.homes = HOMES,
	.suits = "any data",
	.needs_buffer = true,
	.batch = true,
	.begin = user_copy_begin,
	.end = user_copy_end,
};
