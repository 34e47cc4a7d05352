/* SPDX-License-Identifier: MIT */
#ifndef CMD_COMPAT_H
#define CMD_COMPAT_H

#include <stdbool.h>
#include <stdint.h>

#include "cmd.h"

/*
 * The program by the name `ublk`: the grammar and the list of an older tool, for scripts that were
 * written for it. What they say is done by the commands of ublkctl; nothing of this is known there.
 */

/* Whether the program was called by that name. */
bool compat_is_meant(const char *argv0);

/* Returns the exit status. */
int compat_main(const struct uc_host *host, int argc, char **argv);

/*
 * The command line of one of ublkctl's commands, as `add` and `recover` of the older tool say it.
 * argv[0] is the command's word.
 */
#define COMPAT_WORDS 48
#define COMPAT_TEXT  24
struct compat_words {
	const char *word[COMPAT_WORDS];
	int count;
	char number[4][COMPAT_TEXT]; /* room for words that are written anew */
};
int compat_serve_words(const struct uc_host *host, int argc, char **argv,
		       struct compat_words *ret_words, struct uc_error *err);

/* One device in the older layout; `verbose`: as a JSON document, if there is a record of it. */
int compat_print(const struct uc_host *host, uint32_t id, bool verbose, struct uc_error *err);

/* The driver's features in the older layout and by the older names. */
void compat_print_features(uint64_t features);

#endif
