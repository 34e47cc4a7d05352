/* SPDX-License-Identifier: MIT */
#ifndef CMD_OUTCOME_H
#define CMD_OUTCOME_H

#include <json-c/json.h>

#include "cmd.h"

/* --dry-run and --json of every command that changes something, and how it tells what it did. */
extern const struct poptOption outcome_option_table[];
/* The latter alone. */
extern const struct poptOption outcome_json_table[];

/* Values of the options above; taken by options_parse() for a parser with an outcome. */
#define OUTCOME_OPTION 0x7f00
void outcome_option(struct outcome *outcome, int option);

/* A device as it is told of. */
struct outcome_device {
	uint32_t id;   /* UC_ID_ANY: none yet */
	char node[64]; /* "": none yet */
	char name[64]; /* "": none */
};

/* What a command did, or with dry_run would do. To be ended with outcome_end(). */
struct outcome {
	const struct command *command;
	const char *verb; /* "delete" */
	const char *done; /* "deleted" */
	const char *kept; /* NULL: "kept" */

	bool json;
	bool dry_run;
	bool told; /* on stdout, and not to be told again */
	bool changed;
	struct json_object *devices;  /* that were told of; NULL: none yet */
	struct json_object *more;     /* what else is in the document; NULL: nothing */
	struct outcome_device device; /* whose turn it is */
	char detail[256];             /* of it, for --dry-run */
};

/* Results of what is done to a device, besides failure. */
enum {
	OUTCOME_CHANGED = 0,
	OUTCOME_KEPT = 1,  /* it was as was wanted; UC_AS_IT_WAS */
	OUTCOME_ABSENT = 2 /* it has nothing to do with it after all */
};

/* It is this device's turn: its name, if that is wanted, has to be found before it is gone. */
void outcome_begin(struct outcome *outcome, const struct uc_host *host, uint32_t id);

/* What else the line of --dry-run says of it. */
void outcome_detail(struct outcome *outcome, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Notes what became of it; `result` is one of those above, or negative with *err set. */
void outcome_note(struct outcome *outcome, int result, const struct uc_error *err);

/* Puts something that this command alone has into the document. `value` is the outcome's then. */
void outcome_add(struct outcome *outcome, const char *key, struct json_object *value);

/* Prints the document, once, if that was asked for. `ret` and `err` as for the command. */
int outcome_end(struct outcome *outcome, int ret, const struct uc_error *err);

#endif
