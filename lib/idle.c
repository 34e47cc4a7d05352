/* SPDX-License-Identifier: MIT */
#include "idle.h"

#include <sys/mman.h>

#include "queue.h"

#define IDLE_S 5

/* Whoever else may copy into the buffers might be doing so just now. */
static bool may_give_back(const struct uc_queue *queue)
{
	const struct uc_queue_setup *setup = queue->setup;

	return queue->buffers && (queue->ring.flags & IORING_SETUP_DEFER_TASKRUN) &&
	       (setup->threads == 1 || !setup->path->batch);
}

static void set_timer(struct uc_queue *queue)
{
	static struct __kernel_timespec idle_time = {.tv_sec = IDLE_S};
	struct io_uring_sqe *sqe = uc_io_sqe(queue);

	io_uring_prep_timeout(sqe, &idle_time, 0, 0);
	sqe->user_data = UC_DATA_TIMER;
	queue->idle.seen = queue->begun;
	queue->idle.has_timer = true;
}

void uc_idle_begin(struct uc_queue *queue)
{
	if (may_give_back(queue))
		set_timer(queue);
}

static void give_back(const struct uc_queue *queue)
{
	const struct uc_queue_setup *setup = queue->setup;

	for (unsigned tag = queue->first_tag; tag < setup->depth; tag += setup->threads)
		(void)madvise(queue->ios[tag].buf, setup->buf_size, MADV_DONTNEED);
}

/*
 * The driver copies a WRITE into its buffer when this thread waits, and at no other time: that is
 * what DEFER_TASKRUN says. So with no request and no completion left, no buffer is in use.
 */
void uc_idle_end(struct uc_queue *queue)
{
	queue->idle.has_timer = false;
	if (queue->begun != queue->idle.seen || queue->begun != queue->ended)
		set_timer(queue);
	else
		give_back(queue);
}
