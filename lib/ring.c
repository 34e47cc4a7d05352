/* SPDX-License-Identifier: MIT */
/* The transport to the kernel's driver: io_uring passthrough commands. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "deadline.h"
#include "host.h"
#include "proc.h"
#include "transport.h"

#define CTRL_ENTRIES 8
/* How long a command that ran out of time is given to admit that it was cancelled. */
#define CANCEL_GRACE_MS 200
#define CANCEL_TOKEN    UINT64_MAX

struct ctrl_conn {
	struct io_uring ring;
	int fd;
	bool broken;  /* a command that was not handed in is in the ring for ever */
	uint64_t seq; /* user_data of the newest command; older completions are late answers */
	char where[UC_WHERE_MAX]; /* the one that ran out of time; "": unknown */
};

static int kernel_ctrl_open(const struct uc_host *host, void **ret_conn)
{
	struct ctrl_conn *conn;
	char path[256];
	int ret;

	conn = calloc(1, sizeof(*conn));
	if (!conn)
		return -ENOMEM;
	snprintf(path, sizeof(path), "%s/ublk-control", host->dev_dir);
	conn->fd = open(path, O_RDWR | O_CLOEXEC);
	if (conn->fd < 0) {
		ret = -errno;
		goto free_conn;
	}
	ret = io_uring_queue_init(CTRL_ENTRIES, &conn->ring, IORING_SETUP_SQE128);
	if (ret < 0)
		goto close_fd;
	*ret_conn = conn;
	return 0;

close_fd:
	close(conn->fd);
free_conn:
	free(conn);
	return ret;
}

static void kernel_ctrl_close(void *arg)
{
	struct ctrl_conn *conn = arg;

	if (!conn)
		return;
	io_uring_queue_exit(&conn->ring);
	close(conn->fd);
	free(conn);
}

/* Waits for the completion of command `seq`. Completions of earlier commands are dropped. */
static int await_answer(struct ctrl_conn *conn, uint64_t seq, uint64_t deadline)
{
	for (;;) {
		struct __kernel_timespec ts = uc_deadline_timespec(deadline);
		struct io_uring_cqe *cqe = NULL;
		int ret = io_uring_wait_cqe_timeout(&conn->ring, &cqe, &ts);

		if (ret == -ETIME || (ret < 0 && uc_left_ms(deadline) == 0))
			return -ETIMEDOUT;
		/* That it cannot be waited for, for want of memory say, is no answer. */
		if (ret < 0) {
			if (ret != -EINTR)
				uc_sleep_ms(1);
			continue;
		}
		/* Read before it is marked seen: the slot is the kernel's after that. */
		const bool ours = cqe->user_data == seq;
		const int res = cqe->res;

		io_uring_cqe_seen(&conn->ring, cqe);
		if (ours)
			return res;
	}
}

/* One that cannot be handed in stays in the ring, and would go with the next one. */
static int submit(struct ctrl_conn *conn, uint64_t deadline)
{
	int ret;

	while ((ret = io_uring_submit(&conn->ring)) < 0 && uc_left_ms(deadline))
		if (ret != -EINTR)
			uc_sleep_ms(1);
	conn->broken = ret < 0;
	return ret;
}

static int cancel(struct ctrl_conn *conn, uint64_t seq)
{
	const uint64_t deadline = uc_deadline(CANCEL_GRACE_MS);
	struct io_uring_sqe *sqe = io_uring_get_sqe(&conn->ring);
	int ret;

	if (!sqe)
		return -ETIMEDOUT;
	memset(sqe, 0, 2 * sizeof(*sqe));
	io_uring_prep_cancel64(sqe, seq, 0);
	sqe->user_data = CANCEL_TOKEN;
	(void)submit(conn, deadline);
	ret = await_answer(conn, seq, deadline);
	/* It may have finished on the very last moment: then that is its answer. */
	return ret == -EINTR || ret == -ECANCELED ? -ETIMEDOUT : ret;
}

static int kernel_ctrl_call(void *arg, uint32_t op, const struct ublksrv_ctrl_cmd *cmd,
			    unsigned timeout_ms)
{
	const uint64_t deadline = uc_deadline(timeout_ms);
	struct ctrl_conn *conn = arg;
	struct io_uring_sqe *sqe = conn->broken ? NULL : io_uring_get_sqe(&conn->ring);
	int ret;

	if (!sqe)
		return -EAGAIN;
	memset(sqe, 0, 2 * sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = conn->fd;
	sqe->off = op; /* cmd_op is the low half of this union */
	sqe->user_data = ++conn->seq;
	memcpy(&sqe->addr3, cmd, sizeof(*cmd));

	ret = submit(conn, deadline);
	if (ret < 0)
		return ret;
	ret = await_answer(conn, conn->seq, deadline);
	if (ret != -ETIMEDOUT)
		return ret;
	/* A wait that can be interrupted is over when it is cancelled. */
	uc_proc_where_self(conn->where, sizeof(conn->where));
	return cancel(conn, conn->seq);
}

static const char *kernel_ctrl_where(void *arg)
{
	const struct ctrl_conn *conn = arg;

	return conn->where;
}

static int kernel_ring_probe(void)
{
	struct io_uring ring;
	int ret = io_uring_queue_init(CTRL_ENTRIES, &ring, IORING_SETUP_SQE128);

	if (ret == 0)
		io_uring_queue_exit(&ring);
	return ret;
}

static int ring_open(struct io_uring *ring, unsigned entries)
{
	/* Best first; older kernels answer EINVAL to a flag that they do not know. */
	static const unsigned flags[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SINGLE_ISSUER,
		IORING_SETUP_COOP_TASKRUN,
		0,
	};
	int ret = -EINVAL;

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]) && ret == -EINVAL; i++)
		ret = io_uring_queue_init(entries, ring, flags[i]);
	return ret;
}

static int kernel_ring_init(struct io_uring *ring, unsigned entries, const int *fds,
			    unsigned nr_fds, unsigned nr_bufs)
{
	int ret = ring_open(ring, entries);

	if (ret < 0)
		return ret;
	/* Its files are its own, the device among them. */
	ret = io_uring_ring_dontfork(ring);
	if (ret == 0)
		ret = io_uring_register_files(ring, fds, nr_fds);
	if (ret == 0 && nr_bufs)
		ret = io_uring_register_buffers_sparse(ring, nr_bufs);
	if (ret < 0) {
		io_uring_queue_exit(ring);
		return ret;
	}
	/* Saves a look-up for each enter; the ring works without. */
	(void)io_uring_register_ring_fd(ring);
	return 0;
}

static int kernel_ring_submit(struct io_uring *ring, unsigned wait)
{
	return io_uring_submit_and_wait(ring, wait);
}

static void kernel_ring_exit(struct io_uring *ring)
{
	/* At once, and not when the kernel comes to taking the ring down: others want them. */
	(void)io_uring_unregister_files(ring);
	io_uring_queue_exit(ring);
}

const struct uc_transport uc_transport_kernel = {
	.ctrl_open = kernel_ctrl_open,
	.ctrl_call = kernel_ctrl_call,
	.ctrl_where = kernel_ctrl_where,
	.ctrl_close = kernel_ctrl_close,
	.ring_probe = kernel_ring_probe,
	.ring_init = kernel_ring_init,
	.ring_submit = kernel_ring_submit,
	.ring_exit = kernel_ring_exit,
	.uevents = true,
};
