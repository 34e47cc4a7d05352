/* SPDX-License-Identifier: MIT */
#ifndef CMD_UBLKTAB_H
#define CMD_UBLKTAB_H

#include "tab.h"

/* What `ublktab VERB OPERAND...` was told. */
struct ublktab {
	char *file; /* another than /etc/ublktab, or NULL */
	char *name; /* --name, or NULL */
	bool dry_run;
	bool json;
	char **operands; /* the verb first */
	size_t nr_operands;
};

/* One verb of the command. */
struct ublktab_verb {
	const char *name;
	const char *operands; /* in its usage line */
	size_t nr_operands;   /* so many have to follow the verb */
	bool writes;          /* takes --name and --dry-run */
	bool prints;          /* takes --json */
	int (*run)(const struct uc_host *host, const struct ublktab *ublktab, struct uc_error *err);
};

extern const struct ublktab_verb ublktab_add_verb;
extern const struct ublktab_verb ublktab_check_verb;
extern const struct ublktab_verb ublktab_generate_verb;
extern const struct ublktab_verb ublktab_list_verb;

/* All verbs, ended by NULL. */
extern const struct ublktab_verb *const ublktab_verbs[];

#endif
