/* SPDX-License-Identifier: MIT */
#ifndef UC_QUEUE_H
#define UC_QUEUE_H

#include <liburing.h>
#include <pthread.h>
#include <stdbool.h>

#include "ctrl.h"
#include "stats.h"
#include "target.h"

struct uc_queue;

/* One way to move data between the driver and a target. Chosen once per device. */
struct uc_path {
	const char *name;
	uint64_t flags;    /* UBLK_F_* that must be granted */
	bool needs_buffer; /* the engine lends each tag max_io_size bytes */

	/*
	 * The address that goes with a FETCH (`iod` is NULL: there is no request yet), with the
	 * get-data of a WRITE, and with the COMMIT of a request.
	 */
	uint64_t (*address)(const struct uc_queue *queue, const struct uc_io *io,
			    const struct ublksrv_io_desc *iod);
};

extern const struct uc_path uc_path_copy;
extern const struct uc_path uc_path_direct;

/* The path for data that lives there. */
const struct uc_path *uc_path_for(enum uc_home home);

/* What all queues of a device share; constant while they run. */
struct uc_queue_setup {
	const struct uc_host *host;
	const struct uc_target *target;
	const struct uc_path *path;
	uint32_t dev_id;
	uint16_t depth;
	uint32_t max_io_size;
	int char_fd;

	/*
	 * Called by the queue's thread: once after set-up with 0 (every tag is fetched) or what
	 * went wrong, and, after a good start only, once more when the thread is about to end.
	 */
	void (*report)(struct uc_queue *queue, bool started, const struct uc_error *err);
	void *report_ctx;
};

/* One queue: a thread with a ring that serves every tag of it. */
struct uc_queue {
	const struct uc_queue_setup *setup;
	struct uc_queue_stats *stats;
	struct io_uring ring;
	const struct ublksrv_io_desc *descs;
	struct uc_io *ios;
	char *buffers;
	unsigned live; /* tags that the driver will still answer for */
	uint16_t qid;
	struct uc_cpus cpus;
	pthread_t thread;
	bool has_thread;
};

/* Starts the thread; what happens then is told through setup->report(). */
int uc_queue_start(struct uc_queue *queue, struct uc_error *err);

/*
 * Waits for the thread to end, which it does when the driver has aborted all its tags (STOP_DEV).
 * -ETIMEDOUT when it does not end by the deadline.
 */
int uc_queue_join(struct uc_queue *queue, uint64_t deadline);

#endif
