/* SPDX-License-Identifier: MIT */
#ifndef CMD_FAILURES_H
#define CMD_FAILURES_H

#include "cmd.h"

/*
 * Things done one after the other, whatever becomes of one. Each failure gets its line (the last
 * one is left to the caller, in *err); the first decides the status.
 */
struct failures {
	const struct command *command;
	struct uc_error *err;
	int first; /* 0: there was none */
	int32_t code;
};

static inline void failures_add(struct failures *failures, int ret, const struct uc_error *mine)
{
	if (ret >= 0)
		return;
	if (failures->first < 0) {
		print_failure(failures->command, failures->err);
	} else {
		failures->first = ret;
		failures->code = mine->code;
	}
	*failures->err = *mine;
}

/* What the command returns, with *err set. */
static inline int failures_end(const struct failures *failures)
{
	if (failures->first < 0)
		failures->err->code = failures->code;
	return failures->first;
}

#endif
