/* SPDX-License-Identifier: MIT */
/* What a server asks of its ring besides the driver's commands: plain I/O, done at once. */
#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "model_priv.h"

#define KNOWN_FLAGS (IOSQE_FIXED_FILE | IOSQE_IO_LINK | IOSQE_ASYNC)

static int fd_of(const struct model_ring *r, const struct io_uring_sqe *sqe)
{
	if (!(sqe->flags & IOSQE_FIXED_FILE))
		return sqe->fd;
	return sqe->fd >= 0 && (unsigned)sqe->fd < r->nr_fds ? r->fds[sqe->fd] : -1;
}

static ssize_t move(int fd, const struct io_uring_sqe *sqe, bool is_write)
{
	const bool vector = sqe->opcode == IORING_OP_READV || sqe->opcode == IORING_OP_WRITEV;
	const struct iovec one = {
		.iov_base = (void *)(uintptr_t)sqe->addr,
		.iov_len = sqe->len,
	};
	const struct iovec *iov = vector ? (const struct iovec *)(uintptr_t)sqe->addr : &one;
	const int count = vector ? (int)sqe->len : 1;
	const off_t at = (off_t)sqe->off;

	return is_write ? pwritev2(fd, iov, count, at, (int)sqe->rw_flags)
			: preadv2(fd, iov, count, at, (int)sqe->rw_flags);
}

static ssize_t run(int fd, const struct io_uring_sqe *sqe)
{
	switch (sqe->opcode) {
	case IORING_OP_READ:
	case IORING_OP_READ_FIXED:
	case IORING_OP_READV:
		return move(fd, sqe, false);
	case IORING_OP_WRITE:
	case IORING_OP_WRITE_FIXED:
	case IORING_OP_WRITEV:
		return move(fd, sqe, true);
	case IORING_OP_FSYNC:
		return sqe->fsync_flags & IORING_FSYNC_DATASYNC ? fdatasync(fd) : fsync(fd);
	case IORING_OP_FALLOCATE:
		return fallocate(fd, (int)sqe->len, (off_t)sqe->off, (off_t)sqe->addr);
	default:
		errno = EOPNOTSUPP;
		return -1;
	}
}

int model_sqe_run(struct model_ring *r, const struct io_uring_sqe *sqe)
{
	const int fd = fd_of(r, sqe);
	ssize_t ret;

	if (sqe->flags & ~KNOWN_FLAGS)
		return -EINVAL;
	if (sqe->opcode == IORING_OP_NOP)
		return 0;
	if (fd < 0)
		return -EBADF;
	ret = run(fd, sqe);
	return ret < 0 ? -errno : (int)ret;
}
