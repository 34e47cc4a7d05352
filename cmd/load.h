/* SPDX-License-Identifier: MIT */
#ifndef CMD_LOAD_H
#define CMD_LOAD_H

#include "sample.h"
#include "table.h"

/*
 * The description of a load's row, for `stats` and `top`. `defaults` has room for the columns that
 * are shown of totals, or of a span of time.
 */
#define LOAD_DEFAULTS 256
void load_table(struct table *ret_table, bool span, bool queues, char *defaults);

/* For sorting: requests that ended in the span, of all kinds. */
uint64_t load_requests(const struct load *load);

#endif
