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

	/* Whether the options go together, as far as that can be told without a look at the data;
	 * NULL: any do. */
	int (*check)(const void *config, const struct uc_spec *spec, struct uc_error *err);

	/*
	 * Checks the whole and opens the data; everything that can fail for its sake, fails here.
	 * With spec->dry_run nothing is made that was not there, and what is claimed is for a
	 * moment only.
	 */
	int (*open)(const void *config, const struct uc_spec *spec, struct uc_target **ret_target,
		    struct uc_error *err);

	/* For a device that has or had a handler: this is its target's file, and ours now. */
	void (*adopt)(void *config, int fd);

	/* The same if its file is to be opened by its path: it must be this one. NULL: there is
	 * none. */
	void (*expect)(void *config, const struct uc_identity *identity);

	/*
	 * For resizing, with the file of the target that its handler has: how many bytes a device
	 * can have of it as it is, whether it can be made to hold so many, and making it hold so
	 * many and no more. NULL: there is no limit.
	 */
	uint64_t (*room)(const void *config, int fd);
	int (*check_room)(const void *config, int fd, uint64_t size, struct uc_error *err);
	int (*make_room)(const void *config, int fd, uint64_t size, struct uc_error *err);
	const char *size_option; /* the option that says the size, for the record */

	int backing;         /* the option that names the backing; 0: there is none */
	const int *at_first; /* options that only matter when there is no device yet, then 0 */

	/* Takes back what open() made that outlives the process; may be NULL. */
	void (*undo)(const struct uc_target *target);
};

/* All targets, in the order of listings, ended by NULL: list.c. */
extern const struct uc_target_type *const uc_target_list[];

/* The same, counted. */
const struct uc_target_type *const *uc_target_types(size_t *ret_count);

/* NULL if there is none of that name. */
const struct uc_target_type *uc_target_find(const char *name);

/* The option of that value, or of that long name; NULL if the target has none. */
const struct poptOption *uc_target_option(const struct uc_target_type *type, int option);
const struct poptOption *uc_target_option_named(const struct uc_target_type *type,
						const char *name);

/* Whether the option says how the target is to be opened again, besides its backing. */
bool uc_target_option_lasts(const struct uc_target_type *type, int option);

/*
 * The config of a target that was opened before: its backing ("" if it has none) and its other
 * options, a JSON object as in its record.
 */
int uc_target_restore(const struct uc_target_type *type, void *config, const char *backing,
		      const char *options, struct uc_error *err);

/* Of data that is in no file; `size` bytes must suit them. */
int uc_target_memory_limits(const struct uc_spec *spec, uint64_t size, uint32_t granularity,
			    struct uc_limits *ret_limits, struct uc_error *err);

/* Fills in what the user did not set and checks the block sizes against each other. */
int uc_target_block_sizes(const struct uc_spec *spec, struct uc_limits *limits,
			  struct uc_error *err);

#endif
