/* SPDX-License-Identifier: MIT */
#ifndef CMD_BEHIND_H
#define CMD_BEHIND_H

#include "device.h"
#include "targets.h"

/* What is behind a device that there is, as its record has it. To be freed with behind_free(). */
struct behind {
	const struct uc_target_type *type;
	void *config;
	int fd; /* the target's file, or -1; behind_free() closes it */
};

int behind_find(const struct uc_device *d, struct behind *ret_behind, struct uc_error *err);

/*
 * Fills in fd, by way of the handler: no path is trusted to lead to the same file. It stays -1 for
 * a target without a file.
 */
int behind_take_file(const struct uc_device *d, struct behind *b, struct uc_error *err);

/*
 * What the old supervisor has open, and a new server is to have, too. The supervisor stays until
 * there is another; only if something else is to be behind the device (not `same`) it is ended, but
 * not in a dry run: it might hold on to just that.
 */
int behind_take_kept(const struct uc_host *host, const struct uc_device *d, bool same,
		     const struct uc_target_type *type, void *config, struct uc_error *err);

void behind_free(struct behind *b);
#define auto_behind __attribute__((cleanup(behind_free)))

#endif
