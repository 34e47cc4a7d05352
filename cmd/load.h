/* SPDX-License-Identifier: MIT */
#ifndef CMD_LOAD_H
#define CMD_LOAD_H

#include "sample.h"
#include "table.h"

/* The description of a load's row, for `stats` and `top`, as of totals. */
extern const struct table load_columns;
/* The same with what is shown by default of a span of time, and of queues. */
struct table load_table(bool span, bool queues);

/* For sorting: requests that ended in the span, of all kinds. */
uint64_t load_requests(const struct load *load);

#endif
