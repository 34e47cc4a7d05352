/* SPDX-License-Identifier: MIT */
/*
 * The thread of a queue: what it needs is made inside it, since the driver binds a tag to the
 * thread that fetched it, and io_uring a ring to the thread that submits.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cause.h"
#include "deadline.h"
#include "log.h"
#include "queue.h"

/* linux/prctl.h */
#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

static size_t page_up(size_t n)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (n + page - 1) & ~(page - 1);
}

static size_t descs_size(const struct uc_queue *queue)
{
	return page_up(queue->setup->depth * sizeof(struct ublksrv_io_desc));
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
	/* Whoever has it has the device. */
	(void)madvise(map, descs_size(queue), MADV_DONTFORK);
	queue->descs = map;
	return 0;
}

int uc_buffers_map(const struct uc_queue_setup *setup, struct uc_buffers *ret_buffers,
		   struct uc_error *err)
{
	const size_t size = setup->depth * setup->buf_size;
	void *map;

	if (!setup->path->needs_buffer || !uc_target_wants_buffers(setup->target))
		return 0;
	/* Address space only: a page is there from its first use on. */
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		   -1, 0);
	if (map == MAP_FAILED)
		return uc_fail_errno(err, errno, "I/O buffers of %zu bytes", size);
	/* Else the first 4 KiB that are used take 2 MiB. */
	(void)madvise(map, size, MADV_NOHUGEPAGE);
	/* What requests are under way with is not to be copied on the next write. */
	(void)madvise(map, size, MADV_DONTFORK);
	*ret_buffers = (struct uc_buffers){.memory = map, .size = size};
	return 0;
}

void uc_buffers_unmap(struct uc_buffers *buffers)
{
	if (buffers->memory)
		munmap(buffers->memory, buffers->size);
	*buffers = (struct uc_buffers){0};
}

static int alloc_ios(struct uc_queue *queue, struct uc_error *err)
{
	const struct uc_queue_setup *setup = queue->setup;

	queue->ios = calloc(setup->depth, sizeof(*queue->ios));
	if (!queue->ios)
		return uc_fail_errno(err, ENOMEM, "queue %u", queue->qid);
	for (uint16_t tag = 0; tag < setup->depth; tag++) {
		struct uc_io *io = &queue->ios[tag];

		io->tag = tag;
		io->iod = &queue->descs[tag];
		if (queue->buffers)
			io->buf = queue->buffers + tag * setup->buf_size;
		io->place = io->buf;
		if (setup->path->prepare)
			setup->path->prepare(io);
	}
	return 0;
}

static int explain_ring(const struct uc_queue *queue, int errnum, struct uc_error *err)
{
	struct uc_cause cause;

	if (errnum != EPERM && errnum != ENOSYS)
		return uc_fail(err, UC_FAILED, errnum, "queue %u: cannot make an io_uring: %s",
			       queue->qid, uc_errno_text(errnum));
	uc_cause_io_uring(queue->setup->host, errnum, &cause);
	(void)uc_fail_cause(err, &cause);
	return uc_wrap(err, "queue %u", queue->qid);
}

static int open_ring(struct uc_queue *queue, struct uc_error *err)
{
	const struct uc_queue_setup *setup = queue->setup;
	const struct uc_target *target = setup->target;
	int fds[1 + UC_TARGET_FDS] = {setup->char_fd};
	int ret;

	memcpy(fds + 1, target->fds, target->nr_fds * sizeof(fds[0]));
	ret = setup->host->transport->ring_init(&queue->ring, setup->depth, fds, 1 + target->nr_fds,
						setup->path->fixed ? setup->depth : 0);
	return ret < 0 ? explain_ring(queue, -ret, err) : 0;
}

static void pin_thread(const struct uc_queue *queue)
{
	const int ret = uc_affinity_set(gettid(), &queue->cpus, queue->setup->cpus, false);

	/* Any CPU will do; another is only slower. */
	if (ret < 0)
		uc_log(LOG_WARNING, "device %u queue %u: not pinned to the CPUs of its queue: %s",
		       queue->setup->dev_id, queue->qid, uc_errno_text(-ret));
}

/*
 * A batch thread does not take the CPU from the client that has just sent a request: the client
 * goes on sending, and what it has sent by the time it waits is served at one go. Nothing changes
 * for a request that its client waits for, and nothing if somebody has chosen a policy already.
 */
static void wait_for_clients(void)
{
	const struct sched_param none = {0};

	if (sched_getscheduler(0) == SCHED_OTHER)
		(void)sched_setscheduler(0, SCHED_BATCH, &none);
}

static void prepare_thread(const struct uc_queue *queue)
{
	char name[16];

	snprintf(name, sizeof(name), "ublk%u-q%u", queue->setup->dev_id % 100000U,
		 queue->qid % 1000U);
	prctl(PR_SET_NAME, name);
	/* Allocations made here must not wait for write-out to a device that we serve. */
	if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) < 0 && !queue->setup->host->unprivileged)
		uc_log(LOG_WARNING, "device %u queue %u: IO_FLUSHER not set: %s",
		       queue->setup->dev_id, queue->qid, uc_errno_text(errno));
	pin_thread(queue);
	wait_for_clients();
	__atomic_store_n(&queue->stats->qid, queue->qid, __ATOMIC_RELAXED);
	__atomic_store_n(&queue->stats->tid, (uint64_t)gettid(), __ATOMIC_RELAXED);
}

static void release_memory(struct uc_queue *queue)
{
	if (queue->descs)
		munmap((void *)(uintptr_t)queue->descs, descs_size(queue));
	free(queue->ios);
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
		ret = setup->path->batch ? uc_batch_start(queue, &err)
					 : uc_queue_fetch(queue, &err);
	}
	setup->report(queue, true, ret < 0 ? &err : NULL);
	if (ret == 0)
		uc_queue_serve(queue);
	uc_batch_stop(queue);
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
