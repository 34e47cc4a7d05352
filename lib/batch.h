/* SPDX-License-Identifier: MIT */
#ifndef UC_BATCH_H
#define UC_BATCH_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"

struct uc_io;
struct uc_queue;

/*
 * UBLK_F_BATCH_IO: instead of a command per tag, one multishot FETCH that delivers tags in
 * provided buffers, and one COMMIT per loop that carries all results. See the comment of the flag
 * in the kernel's ublk_cmd.h. All functions are the queue thread's.
 */
struct uc_batch {
	struct io_uring_buf_ring *ring; /* of the buffers that FETCH fills with tags */
	uint16_t *tags;
	char *elements[2]; /* results: one half is filled while the driver reads the other */
	uint16_t filled[2];
	bool busy[2];
	uint8_t current;
	uint8_t element_size; /* bytes */
	uint16_t flags;       /* UBLK_BATCH_F_* of PREP and COMMIT */
	bool fetching;        /* the multishot FETCH is alive */
};

/* Announces all tags to the driver and asks for requests. */
int uc_batch_start(struct uc_queue *queue, struct uc_error *err);

/* Adds one result. The request must not be touched any more. */
void uc_batch_commit(struct uc_queue *queue, const struct uc_io *io, int32_t res);

/* Queues the results gathered since the last time. */
void uc_batch_flush(struct uc_queue *queue);

/* Takes a completion of the commands of this file; on_tag() gets each tag with a request. */
void uc_batch_event(struct uc_queue *queue, const struct io_uring_cqe *cqe,
		    void (*on_tag)(struct uc_queue *queue, uint16_t tag));

/* Frees what start() made; takes a half-made one. The ring is still there. */
void uc_batch_stop(struct uc_queue *queue);

#endif
