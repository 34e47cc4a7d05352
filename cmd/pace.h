/* SPDX-License-Identifier: MIT */
#ifndef CMD_PACE_H
#define CMD_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

/* A command that does something again and again until it is told to stop. */
struct pace {
	uint64_t interval; /* ns */
	uint64_t next;     /* CLOCK_MONOTONIC, ns */
	int signals;       /* a signalfd */
};

enum pace_event {
	PACE_TIME,  /* it is time again */
	PACE_INPUT, /* there is something to read */
	PACE_SIGNAL,
};

/* What a person writes: seconds, perhaps with a fraction, from 0.1 to 3600. */
int pace_interval(const char *text, uint64_t *ret_ns, struct uc_error *err);

/* From now on these signals (ended by 0) do nothing but to be told of by pace_wait(). */
int pace_start(struct pace *pace, uint64_t interval, const int *signals, struct uc_error *err);
void pace_stop(struct pace *pace);

/* Waits for the first of these; input is a file, or -1. *ret_signal is set with PACE_SIGNAL. */
enum pace_event pace_wait(struct pace *pace, int input, int *ret_signal);

#endif
