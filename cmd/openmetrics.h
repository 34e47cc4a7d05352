/* SPDX-License-Identifier: MIT */
#ifndef CMD_OPENMETRICS_H
#define CMD_OPENMETRICS_H

#include "sample.h"

/* The counters of all queues on stdout, in the OpenMetrics text format. */
void openmetrics_print(const struct samples *samples);

#endif
