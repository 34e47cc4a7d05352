/* SPDX-License-Identifier: MIT */
#ifndef CMD_SERVE_H
#define CMD_SERVE_H

#include <json-c/json.h>

#include "cmd.h"
#include "spec.h"
#include "targets.h"

/* Options of the handler: of every command that starts one from the command line. */
extern const struct poptOption serve_option_table[];

/* What `add` and `recover` have in common: the options that say who serves a device, and how. */
struct serve {
	const struct command *command;
	/* As in struct option_parser; take() is for the command's own options. ctx is this. */
	int (*take)(void *ctx, int option, const char *arg, struct uc_error *err);
	int (*operand)(void *ctx, const char *text, struct uc_error *err);
	struct outcome *outcome;

	/* Results, to be freed with serve_free(): */
	struct uc_spec spec;
	const struct uc_target_type *type;  /* NULL: none was named */
	void *config;                       /* of the target */
	struct json_object *target_options; /* those that last, for the record */
	char *shared_memory;
	char *backing; /* of the target, as records have it; NULL: none was named */
};

/* Parses the command line, the target's options included. Returns as options_parse(). */
int serve_parse(struct serve *serve, int argc, const char **argv, struct uc_error *err);
/* What -t says, without parsing all; NULL: nothing. */
const char *serve_target_argument(int argc, const char **argv);

/*
 * The same by parts, for what is no command line: the target, each option by its long name (NULL:
 * there is none such; arg is NULL for one without), and that there are no more.
 */
int serve_set_target(struct serve *serve, const char *name, struct uc_error *err);
const struct poptOption *serve_option(const struct serve *serve, const char *name);
int serve_take(struct serve *serve, const struct poptOption *option, const char *arg,
	       struct uc_error *err);
void serve_parsed(struct serve *serve);

/* *err is about an unknown option: whether it is one of a target, but not of `type` (or NULL). */
int serve_explain_foreign(const struct uc_target_type *type, struct uc_error *err);

void serve_free(struct serve *serve);

/* Whether what was said goes together, as far as that can be told without a driver. */
int serve_check(const struct uc_spec *spec, struct uc_error *err);

/* A decimal count from 1 to max, for an option. */
int parse_count(const char *arg, const char *what, uint64_t max, uint16_t *ret,
		struct uc_error *err);

#endif
