/* SPDX-License-Identifier: MIT */
/*
 * The I/O path: driver -> completion -> target -> commit. Nothing here allocates, locks or logs
 * between the first FETCH and the last abort.
 */
#include "queue.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "deadline.h"
#include "log.h"

/* user_data of an SQE: the tag, and whose it is: the driver's (0), the target's, the path's ... */
#define DATA_TAG_MASK UINT64_C(0xffff)
#define DATA_TARGET   (UINT64_C(1) << 16)
#define DATA_PATH     (UINT64_C(1) << 17)

/* How long idle tags are waited for at the end. */
#define PATIENCE_MS 50

const struct uc_target *uc_queue_target(const struct uc_queue *queue)
{
	return queue->setup->target;
}

static enum uc_class class_of(const struct ublksrv_io_desc *iod)
{
	const unsigned op = ublksrv_get_op(iod);

	static_assert((int)UC_CLASS_READ == UBLK_IO_OP_READ, "the first of both");
	static_assert((int)UC_CLASS_WRITE == UBLK_IO_OP_WRITE, "the second of both");
	return op < UC_CLASS_OTHER ? (enum uc_class)op : UC_CLASS_OTHER;
}

/*
 * To be called before answers are submitted, since a client may have them while that is being done:
 * their service ends now. One look at the clock for all, and those that began together, as most
 * do, have taken the same time.
 */
static void count_service(struct uc_queue *queue)
{
	const struct uc_io *io = queue->answered;
	const uint64_t now = io ? uc_now() : 0;

	while (io) {
		const uint64_t begun = io->begun;
		const enum uc_class class = class_of(io->iod);
		uint64_t count = 0;

		for (; io && io->begun == begun && class_of(io->iod) == class; io = io->next)
			count++;
		uc_histogram_count(&queue->stats->service[class], now - begun, count);
	}
	queue->answered = NULL;
}

struct io_uring_sqe *uc_io_sqe(struct uc_queue *queue)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&queue->ring);

	/* There is room for one of each tag; batches and the timer take some besides. */
	if (!sqe) {
		count_service(queue);
		queue->setup->host->transport->ring_submit(&queue->ring, 0);
		sqe = io_uring_get_sqe(&queue->ring);
	}
	if (!sqe)
		abort();
	return sqe;
}

void uc_io_arm(struct io_uring_sqe *sqe, const struct uc_io *io)
{
	sqe->flags |= IOSQE_FIXED_FILE;
	sqe->user_data = io->tag | DATA_TARGET;
}

void uc_io_arm_path(struct io_uring_sqe *sqe, const struct uc_io *io)
{
	sqe->flags |= IOSQE_FIXED_FILE;
	sqe->user_data = io->tag | DATA_PATH;
}

void uc_io_prep_data(const struct uc_queue *queue, const struct uc_io *io, struct io_uring_sqe *sqe,
		     uint64_t offset)
{
	const unsigned left = uc_iod_bytes(io->iod) - io->done;
	const bool fixed = queue->setup->path->fixed;
	const int fd = uc_target_fd(0);
	/* A registered request's addresses begin at 0. */
	char *place = fixed ? (char *)(uintptr_t)io->done : (char *)io->place + io->done;

	if (ublksrv_get_op(io->iod) == UBLK_IO_OP_READ)
		io_uring_prep_rw(fixed ? IORING_OP_READ_FIXED : IORING_OP_READ, sqe, fd, place,
				 left, offset);
	else
		io_uring_prep_rw(fixed ? IORING_OP_WRITE_FIXED : IORING_OP_WRITE, sqe, fd, place,
				 left, offset);
	if (fixed)
		sqe->buf_index = io->tag;
}

void uc_io_prep_driver(const struct uc_queue *queue, const struct uc_io *io,
		       struct io_uring_sqe *sqe, uint32_t op, int32_t result, uint64_t addr)
{
	const struct ublksrv_io_cmd cmd = {
		.q_id = queue->qid,
		.tag = io->tag,
		.result = result,
		.addr = addr,
	};

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->flags = IOSQE_FIXED_FILE;
	sqe->fd = UC_CHAR_FD;
	sqe->off = op;
	sqe->user_data = io->tag;
	memcpy(&sqe->addr3, &cmd, sizeof(cmd));
}

/* FETCH, get-data or COMMIT of a tag. */
static void queue_driver_cmd(struct uc_queue *queue, const struct uc_io *io, uint32_t op,
			     int32_t result)
{
	struct io_uring_sqe *sqe = uc_io_sqe(queue);

	uc_io_prep_driver(queue, io, sqe, op, result, io->addr);
	sqe->addr = io->sqe_addr;
}

/* Once for each request, when it is answered. */
static void count(struct uc_thread_stats *stats, const struct ublksrv_io_desc *iod, int res)
{
	const uint64_t moved = res < 0 ? 0 : (uint64_t)res;

	if (res < 0)
		uc_count(&stats->errors, 1);
	if (iod->op_flags & UBLK_IO_F_FUA)
		uc_count(&stats->fua, 1);
	switch (ublksrv_get_op(iod)) {
	case UBLK_IO_OP_READ:
		uc_count(&stats->reads, 1);
		uc_count(&stats->read_bytes, moved);
		break;
	case UBLK_IO_OP_WRITE:
		uc_count(&stats->writes, 1);
		uc_count(&stats->write_bytes, moved);
		break;
	case UBLK_IO_OP_FLUSH:
		uc_count(&stats->flushes, 1);
		break;
	case UBLK_IO_OP_DISCARD:
		uc_count(&stats->discards, 1);
		uc_count(&stats->discard_bytes, res < 0 ? 0 : uc_iod_bytes(iod));
		break;
	case UBLK_IO_OP_WRITE_ZEROES:
		uc_count(&stats->write_zeroes, 1);
		break;
	default:
		break;
	}
}

/*
 * When the requests in hand begin: a time after their completions were there, so none was sent
 * later. Looked up for the first of them, since many a loop has none.
 */
static uint64_t begin_time(struct uc_queue *queue)
{
	if (!queue->now)
		queue->now = uc_now();
	return queue->now;
}

/* From the driver's first word of a request to its commit the tag is ours. */
static void hold(struct uc_queue *queue, struct uc_io *io)
{
	if (io->held)
		return;
	queue->held++;
	io->held = true;
	io->begun = begin_time(queue);
}

static void give_up(struct uc_queue *queue, struct uc_io *io)
{
	queue->held -= io->held;
	io->held = false;
}

static void commit(struct uc_queue *queue, struct uc_io *io, int res)
{
	count(queue->stats, io->iod, res);
	queue->ended++;
	io->next = queue->answered;
	queue->answered = io;
	if (queue->setup->path->batch)
		uc_batch_commit(queue, io, res);
	else
		queue_driver_cmd(queue, io, UBLK_U_IO_COMMIT_AND_FETCH_REQ, res);
	give_up(queue, io);
}

/* What the target made of a request or of a step of it. */
static void take_result(struct uc_queue *queue, struct uc_io *io, int res)
{
	const struct uc_path *path = queue->setup->path;

	if (res == UC_IO_PENDING)
		return;
	io->ending = true;
	if (path->end)
		res = path->end(queue, io, res);
	if (res != UC_IO_PENDING)
		commit(queue, io, res);
}

/* What the path's begin() came to: the target's turn, or the end. */
static void take_begun(struct uc_queue *queue, struct uc_io *io, int res)
{
	if (res == UC_IO_PENDING)
		return;
	if (res)
		commit(queue, io, res);
	else
		take_result(queue, io, queue->setup->target->ops->queue_io(queue, io));
}

static void on_path(struct uc_queue *queue, struct uc_io *io, int res)
{
	const struct uc_path *path = queue->setup->path;

	if (!io->ending) {
		take_begun(queue, io, path->begin_event(queue, io, res));
		return;
	}
	res = path->end_event(queue, io, res);
	if (res != UC_IO_PENDING)
		commit(queue, io, res);
}

static void on_request(struct uc_queue *queue, struct uc_io *io)
{
	const struct uc_path *path = queue->setup->path;

	io->done = 0;
	io->step = 0;
	io->ending = false;
	queue->begun++;
	if (io->buf && !queue->idle.has_timer)
		uc_idle_begin(queue);
	take_begun(queue, io, path->begin ? path->begin(queue, io) : 0);
}

static void tag_lost(struct uc_queue *queue, struct uc_io *io, int res)
{
	queue->live--;
	queue->ending = true;
	give_up(queue, io);
	/* ABORT is the driver's way to end a tag; any other answer means that we broke a rule. */
	if (res != UBLK_IO_RES_ABORT)
		uc_log(LOG_ERR, "device %u queue %u tag %u: the driver answered: %s",
		       queue->setup->dev_id, queue->qid, io->tag, uc_errno_text(-res));
}

static void on_batch_tag(struct uc_queue *queue, uint16_t tag)
{
	struct uc_io *io = &queue->ios[tag];

	io->begun = begin_time(queue);
	on_request(queue, io);
}

static void on_driver(struct uc_queue *queue, struct uc_io *io, int res)
{
	if (res == UBLK_IO_RES_OK) {
		hold(queue, io);
		on_request(queue, io);
	} else if (res == UBLK_IO_RES_NEED_GET_DATA) {
		hold(queue, io);
		queue->setup->path->place(queue, io);
		queue_driver_cmd(queue, io, UBLK_U_IO_NEED_GET_DATA, 0);
	} else {
		tag_lost(queue, io, res);
	}
}

/* io_uring_for_each_cqe() would look each time whether there are more by now. */
static struct io_uring_cqe *completion(const struct uc_queue *queue, unsigned n)
{
	const struct io_uring_cq *cq = &queue->ring.cq;

	return &cq->cqes[(*cq->khead + n) & cq->ring_mask];
}

static void handle_completions(struct uc_queue *queue)
{
	/* What comes later has not begun yet: see begin_time(). */
	const unsigned ready = io_uring_cq_ready(&queue->ring);
	bool timer = false;

	queue->now = 0;
	for (unsigned n = 0; n < ready; n++) {
		struct io_uring_cqe *cqe = completion(queue, n);
		struct uc_io *io = &queue->ios[cqe->user_data & DATA_TAG_MASK];

		if (cqe->user_data <= DATA_TAG_MASK)
			on_driver(queue, io, cqe->res);
		else if (cqe->user_data & DATA_TARGET)
			take_result(queue, io,
				    queue->setup->target->ops->io_event(queue, io, cqe->res));
		else if (cqe->user_data & UC_DATA_BATCH)
			uc_batch_event(queue, cqe, on_batch_tag);
		else if (cqe->user_data & DATA_PATH)
			on_path(queue, io, cqe->res);
		else if (cqe->user_data & UC_DATA_TIMER)
			timer = true;
		else
			queue->ending = true; /* UC_DATA_END */
	}
	io_uring_cq_advance(&queue->ring, ready);
	if (queue->setup->path->batch)
		uc_batch_flush(queue);
	if (timer)
		uc_idle_end(queue);
	__atomic_store_n(&queue->stats->in_flight, queue->begun - queue->ended, __ATOMIC_RELAXED);
	count_service(queue);
}

/*
 * With QUIESCE_DEV the driver takes back the tags that are idle, and those only. What was given out
 * before has been told before, so once nothing is held there will be nothing more.
 */
static bool is_over(const struct uc_queue *queue)
{
	return queue->live == 0 || (queue->ending && queue->held == 0);
}

/*
 * Tags that are idle are being taken back just now. A ring that ends before that races with it, and
 * the driver of 7.3 warns of a command whose task is not its tag's (ublk_uring_cmd_cancel_fn()).
 * Those that were in hand at the time are not taken back, so there is no waiting for all of them.
 */
static void await_idle_tags(struct uc_queue *queue)
{
	static struct __kernel_timespec patience = {.tv_nsec = PATIENCE_MS * 1000000};
	const uint64_t deadline = uc_deadline(PATIENCE_MS);
	struct io_uring_sqe *sqe;

	if (queue->live == 0 || !(queue->ring.flags & IORING_SETUP_DEFER_TASKRUN))
		return;
	sqe = uc_io_sqe(queue);
	io_uring_prep_timeout(sqe, &patience, 0, 0);
	sqe->user_data = UC_DATA_END;
	while (queue->live > 0 && uc_left_ms(deadline) > 0) {
		(void)queue->setup->host->transport->ring_submit(&queue->ring, 1);
		handle_completions(queue);
	}
}

/* EINTR: a signal; EAGAIN and EBUSY: the kernel wants completions taken first. */
static bool is_passing(int ret)
{
	return ret >= 0 || ret == -EINTR || ret == -EAGAIN || ret == -EBUSY || ret == -ENOMEM;
}

void uc_queue_serve(struct uc_queue *queue)
{
	while (!is_over(queue)) {
		int ret = queue->setup->host->transport->ring_submit(&queue->ring, 1);

		/* Memory may come back; without its server the device has lost what it serves. */
		if (ret == -ENOMEM)
			uc_sleep_ms(1);
		if (!is_passing(ret)) {
			uc_log(LOG_ERR, "device %u queue %u: the ring failed: %s",
			       queue->setup->dev_id, queue->qid, uc_errno_text(-ret));
			return;
		}
		handle_completions(queue);
	}
	await_idle_tags(queue);
	/* The last commits. */
	(void)queue->setup->host->transport->ring_submit(&queue->ring, 0);
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

/*
 * Of several threads with a queue, one may have no tag that is idle, and would not hear of the end.
 * (Such a wait is only for rings that complete nothing behind the thread's back.)
 */
static void listen_for_end(struct uc_queue *queue)
{
	struct io_uring_sqe *sqe;

	if (queue->setup->threads == 1 || !(queue->ring.flags & IORING_SETUP_DEFER_TASKRUN))
		return;
	sqe = uc_io_sqe(queue);
	io_uring_prep_poll_add(sqe, queue->setup->end_fd, POLLIN);
	sqe->user_data = UC_DATA_END;
}

int uc_queue_fetch(struct uc_queue *queue, struct uc_error *err)
{
	int ret;

	listen_for_end(queue);

	for (unsigned tag = queue->first_tag; tag < queue->setup->depth;
	     tag += queue->setup->threads) {
		queue_driver_cmd(queue, &queue->ios[tag], UBLK_U_IO_FETCH_REQ, 0);
		queue->live++;
	}
	do {
		ret = queue->setup->host->transport->ring_submit(&queue->ring, 0);
	} while (ret == -EINTR);
	if (ret < 0)
		return uc_fail(err, UC_FAILED, -ret, "queue %u: cannot fetch: %s", queue->qid,
			       uc_errno_text(-ret));
	return check_fetches(queue, err);
}
