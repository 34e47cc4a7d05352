/* SPDX-License-Identifier: MIT */
#ifndef UC_QUEUE_H
#define UC_QUEUE_H

#include <liburing.h>
#include <pthread.h>
#include <stdbool.h>

#include "batch.h"
#include "ctrl.h"
#include "idle.h"
#include "path.h"
#include "stats.h"
#include "target.h"

/* Index of the character device among the fixed files of a ring. */
#define UC_CHAR_FD 0

/* Marks the user_data of batch commands, of the idle timer, and of the end of a thread. */
#define UC_DATA_BATCH (UINT64_C(1) << 18)
#define UC_DATA_TIMER (UINT64_C(1) << 19)
#define UC_DATA_END   (UINT64_C(1) << 20)

/* What all queues of a device share; constant while they run. */
struct uc_queue_setup {
	const struct uc_host *host;
	const struct uc_target *target;
	const struct uc_path *path;
	uint32_t dev_id;
	uint16_t depth;
	uint16_t threads; /* of each queue */
	size_t buf_size;  /* bytes of a tag's buffer: the largest request, in whole pages */
	const struct uc_cpus *cpus;     /* that the threads may use; empty: any */
	const struct uc_shared *shared; /* NULL: the path does not use it */
	int char_fd;
	int end_fd; /* readable when one of the device's threads has ended */

	/*
	 * Called by the queue's thread: once after set-up with 0 (every tag is fetched) or what
	 * went wrong, and, after a good start only, once more when the thread is about to end.
	 */
	void (*report)(struct uc_queue *queue, bool started, const struct uc_error *err);
	void *report_ctx;
};

/* Address space for the data of every tag of a queue, for all threads that serve it. */
struct uc_buffers {
	char *memory; /* NULL: the path needs none */
	size_t size;  /* bytes */
};

/*
 * A queue as one thread serves it, with a ring of its own. Several threads may serve a queue: each
 * fetches its share of the tags, or, with batches, whatever request comes next.
 */
struct uc_queue {
	const struct uc_queue_setup *setup;
	struct uc_thread_stats *stats;
	struct io_uring ring;
	const struct ublksrv_io_desc *descs;
	struct uc_io *ios;      /* of all tags */
	char *buffers;          /* of all tags, or NULL; the server's */
	uint64_t begun;         /* requests */
	uint64_t ended;         /* of them */
	uint64_t now;           /* when the requests in hand begin, ns; 0: not looked up yet */
	struct uc_io *answered; /* whose results are on the ring, but not submitted yet */
	struct uc_idle idle;
	struct uc_batch batch; /* if the path is one in batches */
	unsigned live; /* what the driver will still answer for: tags, or FETCH and requests */
	unsigned held; /* tags that are with us, and not with the driver; not with batches */
	bool ending;   /* the driver has taken a tag back: no request comes any more */
	uint16_t qid;
	uint16_t first_tag;  /* the thread's share: this one, and every setup->threads-th after */
	struct uc_cpus cpus; /* of the queue, as the driver has it */
	pthread_t thread;
	bool has_thread;
};

/* Maps the buffers of one queue. *ret_buffers is to be unmapped when no thread uses it. */
int uc_buffers_map(const struct uc_queue_setup *setup, struct uc_buffers *ret_buffers,
		   struct uc_error *err);
void uc_buffers_unmap(struct uc_buffers *buffers);

/* Starts the thread; what happens then is told through setup->report(). */
int uc_queue_start(struct uc_queue *queue, struct uc_error *err);

/*
 * Waits for the thread to end, which it does when the driver has aborted all its tags (STOP_DEV),
 * or one of them (QUIESCE_DEV) and what it has in hand is done.
 * -ETIMEDOUT when it does not end by the deadline.
 */
int uc_queue_join(struct uc_queue *queue, uint64_t deadline);

/* The thread's own: fetches every tag, then serves them until the driver has aborted the last. */
int uc_queue_fetch(struct uc_queue *queue, struct uc_error *err);
void uc_queue_serve(struct uc_queue *queue);

/* For paths: a driver command on this tag, and the arming of an SQE of theirs. */
void uc_io_prep_driver(const struct uc_queue *queue, const struct uc_io *io,
		       struct io_uring_sqe *sqe, uint32_t op, int32_t result, uint64_t addr);
void uc_io_arm_path(struct io_uring_sqe *sqe, const struct uc_io *io);

#endif
