/* SPDX-License-Identifier: MIT */
#ifndef CMD_SAMPLE_H
#define CMD_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device.h"
#include "select.h"
#include "stats.h"

/* The counters of a device at one moment, by queue. */
struct sample {
	struct uc_device device;
	uint64_t time; /* CLOCK_MONOTONIC, ns */
	uint64_t life; /* of the counters; see stats.h */
	unsigned nr_queues;
	struct uc_thread_stats *queues; /* sums over the threads of each */
};

struct samples {
	struct sample *list;
	size_t count;
};

/*
 * Of the devices that are named, which must be there and have counters; if none is, of all that
 * have. At a later look (`again`) one without counters may be about to go, and is left out.
 * *ret_samples is freed with samples_free().
 */
int samples_take(const struct selection *named, bool again, struct samples *ret_samples,
		 struct uc_error *err);
void samples_free(struct samples *samples);
#define auto_samples __attribute__((cleanup(samples_free)))

/* What a device, or one queue of it, did in a span of time. */
struct load {
	const struct uc_device *device;
	int queue;     /* -1: all of them */
	uint64_t span; /* ns; 0: since the counters began */
	struct uc_thread_stats did;
};

/*
 * Between two samples of each device, or with `before` NULL since the counters began. With `queues`
 * each device is followed by its queues. *ret_loads points into `now`, and is to be freed.
 */
int loads_make(const struct samples *before, const struct samples *now, bool queues,
	       struct load **ret_loads, size_t *ret_count, struct uc_error *err);

#endif
