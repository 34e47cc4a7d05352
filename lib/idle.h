/* SPDX-License-Identifier: MIT */
#ifndef UC_IDLE_H
#define UC_IDLE_H

#include <stdbool.h>
#include <stdint.h>

struct uc_queue;

/*
 * A queue without requests for some seconds gives the memory of its buffers back. A timer that is
 * set once in a while, and not with each wait, finds that out; a queue at rest has none. All
 * functions are the queue thread's.
 */
struct uc_idle {
	uint64_t seen;  /* requests begun when the timer was set */
	bool has_timer; /* it is running */
};

/* A request has begun that may use a buffer, and no timer is set. */
void uc_idle_begin(struct uc_queue *queue);

/* The timer's completion. To be called when all other completions have been handled. */
void uc_idle_end(struct uc_queue *queue);

#endif
