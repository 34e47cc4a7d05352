/* SPDX-License-Identifier: MIT */
#ifndef UC_TARGETS_H
#define UC_TARGETS_H

#include <popt.h>
#include <stddef.h>

#include "error.h"
#include "spec.h"
#include "target.h"

/* Values of target options start here; those of the commands are below. */
#define UC_TARGET_OPTION 0x1000

/*
 * The command-line half of a target: its option table, to be merged into that of `add`, and how
 * options become an opened target. The config is plain memory of config_size bytes, zeroed by the
 * caller and owned by it; it holds no pointers to be freed.
 */
struct uc_target_type {
	const char *name;
	const char *help; /* one line, lower case, no full stop */
	const struct poptOption *options;
	size_t config_size;

	/* Takes one option of the table. arg is NULL for one without an argument. */
	int (*option)(void *config, int option, const char *arg, struct uc_error *err);

	/* Checks the whole and opens the data; everything that can fail for its sake, fails here.
	 */
	int (*open)(const void *config, const struct uc_spec *spec, struct uc_target **ret_target,
		    struct uc_error *err);

	/* Takes back what open() made that outlives the process; may be NULL. */
	void (*undo)(const struct uc_target *target);
};

extern const struct uc_target_type uc_null_target;
extern const struct uc_target_type uc_loop_target;
extern const struct uc_target_type uc_ramdisk_target;

/* All targets, in the order of listings. */
const struct uc_target_type *const *uc_target_types(size_t *ret_count);

/* NULL if there is none of that name. */
const struct uc_target_type *uc_target_find(const char *name);

/* Fills in what the user did not set and checks the block sizes against each other. */
int uc_target_block_sizes(const struct uc_spec *spec, struct uc_limits *limits,
			  struct uc_error *err);

#endif
