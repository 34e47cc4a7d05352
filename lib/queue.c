/* SPDX-License-Identifier: MIT */
/*
 * The I/O path: driver -> completion -> target -> commit. One thread per queue and one ring made
 * inside it, since the driver binds a tag to the thread that fetched it. Nothing here allocates,
 * locks or logs between the first FETCH and the last abort.
 */
#include "queue.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "deadline.h"
#include "log.h"

/* linux/prctl.h */
#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

/* user_data of an SQE: the tag, and whether the driver or the target's file answers it. */
#define DATA_TAG_MASK UINT64_C(0xffff)
#define DATA_TARGET   (UINT64_C(1) << 16)

const struct uc_target *uc_queue_target(const struct uc_queue *queue)
{
	return queue->setup->target;
}

struct io_uring_sqe *uc_io_sqe(struct uc_queue *queue)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&queue->ring);

	/* A tag has one operation under way at most, and the ring has room for one of each. */
	if (!sqe)
		abort();
	return sqe;
}

void uc_io_arm(struct io_uring_sqe *sqe, const struct uc_io *io)
{
	sqe->flags |= IOSQE_FIXED_FILE;
	sqe->user_data = io->tag | DATA_TARGET;
}

static void queue_driver_cmd(struct uc_queue *queue, const struct uc_io *io, uint32_t op,
			     int32_t result, const struct ublksrv_io_desc *iod)
{
	struct io_uring_sqe *sqe = uc_io_sqe(queue);
	const struct ublksrv_io_cmd cmd = {
		.q_id = queue->qid,
		.tag = io->tag,
		.result = result,
		.addr = queue->setup->path->address(queue, io, iod),
	};

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->flags = IOSQE_FIXED_FILE;
	sqe->fd = 0; /* the character device: fds[0] of the ring */
	sqe->off = op;
	sqe->user_data = io->tag;
	memcpy(&sqe->addr3, &cmd, sizeof(cmd));
}

static void count_start(struct uc_queue_stats *stats, const struct ublksrv_io_desc *iod)
{
	uc_count(&stats->in_flight, 1);
	if (iod->op_flags & UBLK_IO_F_FUA)
		uc_count(&stats->fua, 1);
	switch (ublksrv_get_op(iod)) {
	case UBLK_IO_OP_READ:
		uc_count(&stats->reads, 1);
		break;
	case UBLK_IO_OP_WRITE:
		uc_count(&stats->writes, 1);
		break;
	case UBLK_IO_OP_FLUSH:
		uc_count(&stats->flushes, 1);
		break;
	case UBLK_IO_OP_DISCARD:
		uc_count(&stats->discards, 1);
		break;
	case UBLK_IO_OP_WRITE_ZEROES:
		uc_count(&stats->write_zeroes, 1);
		break;
	default:
		break;
	}
}

static void count_end(struct uc_queue_stats *stats, const struct ublksrv_io_desc *iod, int res)
{
	uc_count(&stats->in_flight, UINT64_MAX); /* adds -1 */
	if (res < 0) {
		uc_count(&stats->errors, 1);
		return;
	}
	switch (ublksrv_get_op(iod)) {
	case UBLK_IO_OP_READ:
		uc_count(&stats->read_bytes, (uint64_t)res);
		break;
	case UBLK_IO_OP_WRITE:
		uc_count(&stats->write_bytes, (uint64_t)res);
		break;
	case UBLK_IO_OP_DISCARD:
		uc_count(&stats->discard_bytes, uc_iod_bytes(iod));
		break;
	default:
		break;
	}
}

/* What the target made of a request or of a step of it. */
static void take_result(struct uc_queue *queue, struct uc_io *io, int res)
{
	if (res == UC_IO_PENDING)
		return;
	count_end(queue->stats, io->iod, res);
	queue_driver_cmd(queue, io, UBLK_U_IO_COMMIT_AND_FETCH_REQ, res, io->iod);
}

static void tag_lost(struct uc_queue *queue, const struct uc_io *io, int res)
{
	queue->live--;
	/* ABORT is the driver's way to end a tag; any other answer means that we broke a rule. */
	if (res != UBLK_IO_RES_ABORT)
		uc_log(LOG_ERR, "device %u queue %u tag %u: the driver answered: %s",
		       queue->setup->dev_id, queue->qid, io->tag, uc_errno_text(-res));
}

/*
 * With NEED_GET_DATA a WRITE's data is copied when we have named its place, and the request is
 * shortened to what could be copied (no memory for the rest, say). Newer drivers take a part that
 * is answered for the whole, and the rest would be lost without an error.
 */
static bool is_cut(const struct uc_queue *queue, const struct uc_io *io)
{
	return (queue->setup->path->flags & UBLK_F_NEED_GET_DATA) &&
	       ublksrv_get_op(io->iod) == UBLK_IO_OP_WRITE && io->iod->nr_sectors != io->asked;
}

static void on_driver(struct uc_queue *queue, struct uc_io *io, int res)
{
	if (res == UBLK_IO_RES_OK) {
		io->done = 0;
		io->step = 0;
		count_start(queue->stats, io->iod);
		take_result(queue, io,
			    is_cut(queue, io) ? -EIO
					      : queue->setup->target->ops->queue_io(queue, io));
	} else if (res == UBLK_IO_RES_NEED_GET_DATA) {
		io->asked = io->iod->nr_sectors;
		queue_driver_cmd(queue, io, UBLK_U_IO_NEED_GET_DATA, 0, io->iod);
	} else {
		tag_lost(queue, io, res);
	}
}

static void handle_completions(struct uc_queue *queue)
{
	struct io_uring_cqe *cqe;
	unsigned seen = 0;
	unsigned head;

	io_uring_for_each_cqe (&queue->ring, head, cqe) {
		struct uc_io *io = &queue->ios[cqe->user_data & DATA_TAG_MASK];

		if (cqe->user_data & DATA_TARGET)
			take_result(queue, io,
				    queue->setup->target->ops->io_event(queue, io, cqe->res));
		else
			on_driver(queue, io, cqe->res);
		seen++;
	}
	io_uring_cq_advance(&queue->ring, seen);
}

static void serve(struct uc_queue *queue)
{
	while (queue->live > 0) {
		int ret = queue->setup->host->transport->ring_submit(&queue->ring, 1);

		/* EINTR: a signal; EAGAIN and EBUSY: the kernel wants completions taken first. */
		if (ret < 0 && ret != -EINTR && ret != -EAGAIN && ret != -EBUSY) {
			uc_log(LOG_ERR, "device %u queue %u: the ring failed: %s",
			       queue->setup->dev_id, queue->qid, uc_errno_text(-ret));
			return;
		}
		handle_completions(queue);
	}
}

static size_t page_up(size_t n)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (n + page - 1) & ~(page - 1);
}

static size_t descs_size(const struct uc_queue *queue)
{
	return page_up(queue->setup->depth * sizeof(struct ublksrv_io_desc));
}

static size_t buffers_size(const struct uc_queue *queue)
{
	return (size_t)queue->setup->depth * page_up(queue->setup->max_io_size);
}

static int map_descs(struct uc_queue *queue, struct uc_error *err)
{
	/* The driver keeps queues apart as if each had the greatest depth. */
	const size_t stride = page_up(UBLK_MAX_QUEUE_DEPTH * sizeof(struct ublksrv_io_desc));
	void *map =
		mmap(NULL, descs_size(queue), PROT_READ, MAP_SHARED | MAP_POPULATE,
		     queue->setup->char_fd, (off_t)(UBLKSRV_CMD_BUF_OFFSET + queue->qid * stride));

	if (map == MAP_FAILED)
		return uc_fail(err, UC_FAILED, errno, "queue %u: cannot map its descriptors: %s",
			       queue->qid, uc_errno_text(errno));
	queue->descs = map;
	return 0;
}

static int alloc_ios(struct uc_queue *queue, struct uc_error *err)
{
	const struct uc_queue_setup *setup = queue->setup;
	const size_t stride = page_up(setup->max_io_size);

	queue->ios = calloc(setup->depth, sizeof(*queue->ios));
	if (!queue->ios)
		return uc_fail_errno(err, ENOMEM, "queue %u", queue->qid);
	if (setup->path->needs_buffer) {
		/* Address space only: a page is there from its first use on. */
		void *map = mmap(NULL, buffers_size(queue), PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (map == MAP_FAILED)
			return uc_fail_errno(err, errno, "queue %u: I/O buffers of %zu bytes",
					     queue->qid, buffers_size(queue));
		queue->buffers = map;
	}
	for (uint16_t tag = 0; tag < setup->depth; tag++) {
		queue->ios[tag].tag = tag;
		queue->ios[tag].iod = &queue->descs[tag];
		if (queue->buffers)
			queue->ios[tag].buf = queue->buffers + tag * stride;
	}
	return 0;
}

static int open_ring(struct uc_queue *queue, struct uc_error *err)
{
	const struct uc_queue_setup *setup = queue->setup;
	const struct uc_target *target = setup->target;
	int fds[1 + UC_TARGET_FDS] = {setup->char_fd};
	int ret;

	memcpy(fds + 1, target->fds, target->nr_fds * sizeof(fds[0]));
	ret = setup->host->transport->ring_init(&queue->ring, setup->depth, fds,
						1 + target->nr_fds);
	return ret < 0 ? uc_fail(err, UC_FAILED, -ret, "queue %u: cannot make an io_uring: %s",
				 queue->qid, uc_errno_text(-ret))
		       : 0;
}

/* A FETCH that breaks a rule is answered at once; START_DEV would then wait for it for ever. */
static int check_fetches(struct uc_queue *queue, struct uc_error *err)
{
	struct io_uring_cqe *cqe;
	unsigned head;

	io_uring_for_each_cqe (&queue->ring, head, cqe) {
		if (cqe->res < 0)
			return uc_fail(err, UC_FAILED, -cqe->res,
				       "queue %u: the driver refused FETCH of tag %u: %s",
				       queue->qid, (unsigned)(cqe->user_data & DATA_TAG_MASK),
				       uc_errno_text(-cqe->res));
	}
	return 0;
}

static int fetch_all(struct uc_queue *queue, struct uc_error *err)
{
	int ret;

	for (uint16_t tag = 0; tag < queue->setup->depth; tag++)
		queue_driver_cmd(queue, &queue->ios[tag], UBLK_U_IO_FETCH_REQ, 0, NULL);
	queue->live = queue->setup->depth;
	do {
		ret = queue->setup->host->transport->ring_submit(&queue->ring, 0);
	} while (ret == -EINTR);
	if (ret < 0)
		return uc_fail(err, UC_FAILED, -ret, "queue %u: cannot fetch: %s", queue->qid,
			       uc_errno_text(-ret));
	return check_fetches(queue, err);
}

/* The driver's wish intersected with what we may use; anything else is only slower. */
static void pin_thread(const struct uc_queue *queue)
{
	cpu_set_t allowed;
	cpu_set_t wanted;

	CPU_ZERO(&wanted);
	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return;
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed) && (queue->cpus.bits[cpu / 64] >> (cpu % 64) & 1))
			CPU_SET(cpu, &wanted);
	if (CPU_COUNT(&wanted) == 0 || sched_setaffinity(0, sizeof(wanted), &wanted) < 0)
		uc_log(LOG_WARNING, "device %u queue %u: not pinned to the CPUs of its queue",
		       queue->setup->dev_id, queue->qid);
}

static void prepare_thread(const struct uc_queue *queue)
{
	char name[16];

	snprintf(name, sizeof(name), "ublk%u-q%u", queue->setup->dev_id % 100000U,
		 queue->qid % 1000U);
	prctl(PR_SET_NAME, name);
	/* Allocations made here must not wait for write-out to a device that we serve. */
	if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) < 0)
		uc_log(LOG_WARNING, "device %u queue %u: IO_FLUSHER not set: %s",
		       queue->setup->dev_id, queue->qid, uc_errno_text(errno));
	pin_thread(queue);
	uc_count(&queue->stats->tid, (uint64_t)gettid());
}

static void release_memory(struct uc_queue *queue)
{
	if (queue->buffers)
		munmap(queue->buffers, buffers_size(queue));
	if (queue->descs)
		munmap((void *)(uintptr_t)queue->descs, descs_size(queue));
	free(queue->ios);
	queue->buffers = NULL;
	queue->descs = NULL;
	queue->ios = NULL;
}

static void *queue_thread(void *arg)
{
	struct uc_queue *queue = arg;
	const struct uc_queue_setup *setup = queue->setup;
	struct uc_error err = {0};
	bool has_ring = false;
	int ret;

	prepare_thread(queue);
	ret = map_descs(queue, &err);
	if (ret == 0)
		ret = alloc_ios(queue, &err);
	if (ret == 0)
		ret = open_ring(queue, &err);
	if (ret == 0) {
		has_ring = true;
		ret = fetch_all(queue, &err);
	}
	setup->report(queue, true, ret < 0 ? &err : NULL);
	if (ret == 0)
		serve(queue);
	/* Closing the ring gives back every tag that is still fetched. */
	if (has_ring)
		setup->host->transport->ring_exit(&queue->ring);
	release_memory(queue);
	if (ret == 0)
		setup->report(queue, false, NULL);
	return NULL;
}

int uc_queue_start(struct uc_queue *queue, struct uc_error *err)
{
	int ret = pthread_create(&queue->thread, NULL, queue_thread, queue);

	if (ret)
		return uc_fail_errno(err, ret, "queue %u: cannot start its thread", queue->qid);
	queue->has_thread = true;
	return 0;
}

int uc_queue_join(struct uc_queue *queue, uint64_t deadline)
{
	const struct timespec until = {
		.tv_sec = (time_t)(deadline / 1000000000U),
		.tv_nsec = (long)(deadline % 1000000000U),
	};
	int ret;

	if (!queue->has_thread)
		return 0;
	ret = pthread_clockjoin_np(queue->thread, NULL, CLOCK_MONOTONIC, &until);
	if (ret == 0)
		queue->has_thread = false;
	return -ret;
}
