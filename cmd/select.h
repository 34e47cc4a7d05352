/* SPDX-License-Identifier: MIT */
#ifndef CMD_SELECT_H
#define CMD_SELECT_H

#include <stddef.h>
#include <stdint.h>

#include "cmd.h"
#include "device.h"
#include "outcome.h"

/* Devices that the user named, in that order, each once. */
struct selection {
	const struct uc_host *host;
	uint32_t *ids;       /* to be freed, as the next */
	struct uc_ref *refs; /* the same devices, as they were when they were named */
	size_t count;
};

/* Adds the device that `text` names: an id, or a path to its node. */
int select_text(struct selection *selection, const char *text, struct uc_error *err);
/* Adds all devices there are, to be looked at: which ones they are is not asked. */
int select_all(struct selection *selection, struct uc_error *err);

/*
 * Either some are named, or `all` is asked for; then all there are are added. From then on it is
 * known which devices are meant, so whoever is to change one begins with this.
 */
int select_check(struct selection *selection, bool all, struct uc_error *err);

/* Adds the devices whose backing is that file or block device, under whatever name. */
int select_file(struct selection *selection, const char *path, struct uc_error *err);

/* What is done to one of them; it returns as outcome_note() has it. */
typedef int select_one(void *ctx, const struct uc_ref *ref, struct uc_error *err);

/*
 * Does it to all of them, whatever becomes of one; see failures.h. Each has the host's timeout for
 * itself, by selection->host, which says whether it is a dry run, too.
 */
int select_each(struct selection *selection, struct outcome *outcome, select_one *one, void *ctx,
		struct uc_error *err);

/* The same, but several at a time, each in a child process, which gives nothing back but its
 * result. */
int select_each_at_once(struct selection *selection, struct outcome *outcome, select_one *one,
			void *ctx, struct uc_error *err);

void select_free(struct selection *selection);
#define auto_selection __attribute__((cleanup(select_free)))

#endif
