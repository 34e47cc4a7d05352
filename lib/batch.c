/* SPDX-License-Identifier: MIT */
#include "batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "deadline.h"
#include "log.h"
#include "queue.h"

#define NR_BUFFERS   8U /* power of two; one FETCH result takes one */
#define BUFFER_GROUP 0

/* linux/io_uring.h of 6.18; in uring_cmd_flags, the place of rw_flags. */
#ifndef IORING_URING_CMD_MULTISHOT
#define IORING_URING_CMD_MULTISHOT (1U << 1)
#endif

/* user_data of the two halves of COMMIT is 0 and 1. */
enum { EVENT_FETCH = 2, EVENT_PREP };

static size_t buffer_size(const struct uc_queue *queue)
{
	return queue->setup->depth * sizeof(uint16_t);
}

static void prep(struct uc_queue *queue, uint32_t op, const struct ublk_batch_io *cmd,
		 const void *elements, uint64_t event)
{
	struct io_uring_sqe *sqe = uc_io_sqe(queue);

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->flags = IOSQE_FIXED_FILE;
	sqe->fd = UC_CHAR_FD;
	sqe->off = op;
	sqe->addr = (uint64_t)(uintptr_t)elements;
	sqe->user_data = event | UC_DATA_BATCH;
	if (op == UBLK_U_IO_FETCH_IO_CMDS) {
		sqe->flags |= IOSQE_BUFFER_SELECT;
		sqe->rw_flags = IORING_URING_CMD_MULTISHOT;
		sqe->buf_group = BUFFER_GROUP;
	}
	memcpy(&sqe->addr3, cmd, sizeof(*cmd));
}

static void fetch(struct uc_queue *queue)
{
	const struct ublk_batch_io cmd = {.q_id = queue->qid, .elem_bytes = sizeof(uint16_t)};

	prep(queue, UBLK_U_IO_FETCH_IO_CMDS, &cmd, NULL, EVENT_FETCH);
	queue->batch.fetching = true;
}

/* PREP or COMMIT of what one half holds. */
static void send_elements(struct uc_queue *queue, uint32_t op, uint8_t half, uint64_t event)
{
	const struct uc_batch *b = &queue->batch;
	const struct ublk_batch_io cmd = {
		.q_id = queue->qid,
		.flags = b->flags,
		.nr_elem = b->filled[half],
		.elem_bytes = b->element_size,
	};

	prep(queue, op, &cmd, b->elements[half], event);
}

void uc_batch_commit(struct uc_queue *queue, const struct uc_io *io, int32_t res)
{
	const struct ublk_elem_header header = {
		.tag = io->tag, .buf_index = io->tag, .result = res};
	struct uc_batch *b = &queue->batch;
	char *element = b->elements[b->current] + (size_t)b->filled[b->current]++ * b->element_size;

	memcpy(element, &header, sizeof(header));
	if (b->flags & UBLK_BATCH_F_HAS_BUF_ADDR)
		memcpy(element + sizeof(header), &io->addr, sizeof(io->addr));
}

void uc_batch_flush(struct uc_queue *queue)
{
	struct uc_batch *b = &queue->batch;
	const uint8_t half = b->current;

	/* While the driver has the other half, this one goes on filling: there is room for all. */
	if (!b->filled[half] || b->busy[!half])
		return;
	send_elements(queue, UBLK_U_IO_COMMIT_IO_CMDS, half, half);
	b->busy[half] = true;
	b->current = !half;
}

static void on_committed(struct uc_queue *queue, uint8_t half, int res)
{
	struct uc_batch *b = &queue->batch;

	if (res != b->filled[half] * b->element_size)
		uc_log(LOG_ERR, "device %u queue %u: of %u results the driver took %d bytes",
		       queue->setup->dev_id, queue->qid, b->filled[half], res);
	queue->live -= b->filled[half];
	b->filled[half] = 0;
	b->busy[half] = false;
}

static void give_back(struct uc_queue *queue, uint16_t buffer)
{
	struct uc_batch *b = &queue->batch;

	io_uring_buf_ring_add(b->ring, b->tags + (size_t)buffer * queue->setup->depth,
			      (unsigned)buffer_size(queue), buffer,
			      io_uring_buf_ring_mask(NR_BUFFERS), 0);
	io_uring_buf_ring_advance(b->ring, 1);
}

static void on_fetched(struct uc_queue *queue, const struct io_uring_cqe *cqe,
		       void (*on_tag)(struct uc_queue *queue, uint16_t tag))
{
	struct uc_batch *b = &queue->batch;

	if (cqe->flags & IORING_CQE_F_BUFFER) {
		const uint16_t buffer = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
		const uint16_t *tags = b->tags + (size_t)buffer * queue->setup->depth;
		const unsigned count = cqe->res > 0 ? (unsigned)cqe->res / sizeof(*tags) : 0;

		queue->live += count;
		for (unsigned i = 0; i < count; i++)
			on_tag(queue, tags[i]);
		give_back(queue, buffer);
	}
	if (cqe->flags & IORING_CQE_F_MORE)
		return;
	queue->batch.fetching = false;
	/* It ends for want of buffers, too; with them given back it goes on. */
	if (cqe->res >= 0 || cqe->res == -ENOBUFS)
		fetch(queue);
	else
		queue->live--;
}

void uc_batch_event(struct uc_queue *queue, const struct io_uring_cqe *cqe,
		    void (*on_tag)(struct uc_queue *queue, uint16_t tag))
{
	const uint64_t event = cqe->user_data & ~UC_DATA_BATCH;

	if (event == EVENT_FETCH)
		on_fetched(queue, cqe, on_tag);
	else
		on_committed(queue, (uint8_t)event, cqe->res);
}

static int make_buffers(struct uc_queue *queue)
{
	struct uc_batch *b = &queue->batch;
	struct io_uring_buf_reg reg = {.ring_entries = NR_BUFFERS, .bgid = BUFFER_GROUP};
	void *ring = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ret;

	if (ring == MAP_FAILED)
		return -errno;
	b->ring = ring;
	b->tags = calloc(NR_BUFFERS, buffer_size(queue));
	b->elements[0] = calloc(queue->setup->depth, b->element_size);
	b->elements[1] = calloc(queue->setup->depth, b->element_size);
	if (!b->tags || !b->elements[0] || !b->elements[1])
		return -ENOMEM;
	reg.ring_addr = (uint64_t)(uintptr_t)ring;
	ret = io_uring_register_buf_ring(&queue->ring, &reg, 0);
	if (ret < 0)
		return ret;
	io_uring_buf_ring_init(b->ring);
	for (uint16_t i = 0; i < NR_BUFFERS; i++)
		give_back(queue, i);
	return 0;
}

/* Submits PREP and waits for its answer, which comes with the submission. */
static int announce(struct uc_queue *queue)
{
	struct uc_batch *b = &queue->batch;
	struct io_uring_cqe *cqe;
	int ret;

	for (unsigned tag = queue->first_tag; tag < queue->setup->depth;
	     tag += queue->setup->threads)
		uc_batch_commit(queue, &queue->ios[tag], 0);
	send_elements(queue, UBLK_U_IO_PREP_IO_CMDS, 0, EVENT_PREP);
	ret = queue->setup->host->transport->ring_submit(&queue->ring, 1);
	if (ret < 0)
		return ret;
	ret = io_uring_peek_cqe(&queue->ring, &cqe);
	if (ret < 0)
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(&queue->ring, cqe);
	b->filled[0] = 0;
	return ret;
}

/* Whether the driver has refused FETCH; takes its answer then. */
static bool is_fetch_refused(struct uc_queue *queue)
{
	struct io_uring_cqe *cqe;

	if (io_uring_peek_cqe(&queue->ring, &cqe) < 0 ||
	    cqe->user_data != (UC_DATA_BATCH | EVENT_FETCH) || cqe->res != -ENODEV)
		return false;
	io_uring_cqe_seen(&queue->ring, cqe);
	return true;
}

/*
 * The driver refuses FETCH while a device that has lost its server has a tag that is not
 * announced, and the queue's other threads may not be so far.
 */
static int fetch_first(struct uc_queue *queue)
{
	const struct uc_host *host = queue->setup->host;
	const uint64_t deadline = uc_host_deadline(host);

	for (;;) {
		int ret;

		fetch(queue);
		ret = host->transport->ring_submit(&queue->ring, 0);
		if (ret < 0)
			return ret;
		if (!is_fetch_refused(queue))
			return 0;
		if (uc_left_ms(deadline) == 0)
			return -ENODEV;
		uc_sleep_ms(1);
	}
}

int uc_batch_start(struct uc_queue *queue, struct uc_error *err)
{
	struct uc_batch *b = &queue->batch;
	int ret;

	b->element_size = sizeof(struct ublk_elem_header);
	if (queue->ios[0].addr) {
		b->flags |= UBLK_BATCH_F_HAS_BUF_ADDR;
		b->element_size += sizeof(uint64_t);
	}
	if (queue->setup->path->fixed)
		b->flags |= UBLK_BATCH_F_AUTO_BUF_REG_FALLBACK;
	ret = make_buffers(queue);
	if (ret == 0)
		ret = announce(queue);
	if (ret == 0)
		ret = fetch_first(queue);
	queue->live = 1;
	return ret < 0 ? uc_fail(err, UC_FAILED, -ret, "queue %u: cannot set up batches: %s",
				 queue->qid, uc_errno_text(-ret))
		       : 0;
}

void uc_batch_stop(struct uc_queue *queue)
{
	struct uc_batch *b = &queue->batch;

	if (b->ring)
		munmap(b->ring, 4096);
	free(b->tags);
	free(b->elements[0]);
	free(b->elements[1]);
	memset(b, 0, sizeof(*b));
}
