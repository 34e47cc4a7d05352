/* SPDX-License-Identifier: MIT */
#ifndef UC_STATS_H
#define UC_STATS_H

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include "count.h"
#include "error.h"
#include "histogram.h"
#include "host.h"
#include "ublk_abi.h"

#define UC_STATS_MAGIC   0x73746375U /* "ucts" */
#define UC_STATS_VERSION 2
#define UC_MAX_THREADS   UBLK_MAX_NR_QUEUES /* of one device */
#define UC_CACHE_LINE    64

/* Requests whose service times are kept apart: others are slow by nature, or next to nothing. */
enum uc_class { UC_CLASS_READ, UC_CLASS_WRITE, UC_CLASS_OTHER };
#define UC_CLASSES 3

/*
 * What one thread did for its queue since the handler started. Only it writes (no
 * read-modify-write instruction is needed); others see each counter whole, but not all of one
 * instant.
 */
struct uc_thread_stats {
	alignas(UC_CACHE_LINE) uint64_t tid; /* the thread */
	uint64_t qid;                        /* the queue it serves */
	uint64_t in_flight;

	/* From here on to the end: what only grows. */
	uint64_t reads;
	uint64_t writes;
	uint64_t flushes;
	uint64_t discards;
	uint64_t write_zeroes;
	uint64_t fua;
	uint64_t read_bytes; /* of requests that were answered without an error */
	uint64_t write_bytes;
	uint64_t discard_bytes;
	uint64_t errors; /* requests answered with an errno */
	uint64_t shared; /* requests whose data was in shared memory */

	/*
	 * Service times: from when the thread has taken notice of a request to just before it
	 * submits the answer. That is within what the client waits, so it is never longer.
	 */
	struct uc_histogram service[UC_CLASSES];
};

/* The shared page of a device: a file in the runtime directory, for anyone to read. */
struct uc_stats {
	uint32_t magic;
	uint32_t version;
	uint32_t nr_threads;
	uint32_t stride; /* sizeof(struct uc_thread_stats) of the writer */
	/*
	 * Of these counters, as long as they only grow: a difference between two lives means
	 * nothing. 0: an earlier version's, which does not say.
	 */
	uint64_t life;
	struct uc_thread_stats threads[];
};

/*
 * Makes the file and maps it, or the one that is there if it is for as many threads: that needs no
 * room. Nobody else may have it mapped to write. *ret_stats is unmapped with uc_stats_unmap().
 * `go_on`: then the counters begin where they have ended before.
 */
int uc_stats_create(const struct uc_host *host, uint32_t id, uint32_t nr_threads, bool go_on,
		    struct uc_stats **ret_stats, struct uc_error *err);
/* A copy of another process's counters, to be freed; -ENOENT, or -EINVAL when the file is spoiled.
 */
int uc_stats_read(const struct uc_host *host, uint32_t id, struct uc_stats **ret_stats);
/* What only grows, and what is in flight, of one thread or queue more, or of an earlier time less.
 */
void uc_stats_add(struct uc_thread_stats *sum, const struct uc_thread_stats *more);
void uc_stats_subtract(struct uc_thread_stats *now, const struct uc_thread_stats *before);
void uc_stats_unmap(struct uc_stats *stats);
/* Removing what is not there is fine. */
void uc_stats_remove(const struct uc_host *host, uint32_t id);

#endif
