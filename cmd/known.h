/* SPDX-License-Identifier: MIT */
#ifndef CMD_KNOWN_H
#define CMD_KNOWN_H

#include <stdbool.h>
#include <stddef.h>

#include "cmd.h"
#include "targets.h"

/* Options as people know them, whatever kind of table they stand in: for help --json and
 * completion. */

struct known_option {
	const char *name; /* the long one */
	char letter;      /* or '\0' */
	const char
		*argument; /* as --help names it, which also tells its kind; NULL: it takes none */
	const char *help;
	bool given; /* for completion: it stands on the command line */
};

#define KNOWN_MAX 64

struct known {
	struct known_option options[KNOWN_MAX];
	size_t count;
};

/* Of the program, before the command. */
void known_front(struct known *known);

/* Of a command in the order of --help: with those of the handler if it serves, and of `type` if
 * that is not NULL. */
void known_command(struct known *known, const struct command *command,
		   const struct uc_target_type *type);

typedef void known_offer(void *ctx, const char *word, const char *help);

/* Adds one, or those of a table of popt. */
void known_add(struct known *known, const struct known_option *option);
void known_add_table(struct known *known, const struct poptOption *table);

/* NULL if there is none. The name ends with the text or at a '='. */
struct known_option *known_by_name(struct known *known, const char *name);
struct known_option *known_by_letter(struct known *known, char letter);

/*
 * The words that an argument can be, as far as its name tells: a|b|c, or one of the kinds listed in
 * known.c. False if that can be anything.
 */
bool known_choices(const char *argument, known_offer *offer, void *ctx);

#endif
