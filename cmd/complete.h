/* SPDX-License-Identifier: MIT */
#ifndef CMD_COMPLETE_H
#define CMD_COMPLETE_H

#include "cmd.h"
#include "known.h"

/* One question of a shell: how the last word of a command line can go on. */
struct completion {
	const struct uc_host *host;
	const char **words; /* those before it; of a command: after its name */
	size_t count;
	const char *word;
	const char *begun; /* what of it a candidate begins with: all but "--name=", say */

	const struct command *command; /* NULL: the word may be its name */
	struct known known;            /* options that there are */
	size_t operands;               /* among the words before */
	bool only_operands;            /* "--" is one of them */

	/* The answer, besides candidates: */
	const char *how; /* what the shell does with them; see complete.c */
	size_t offered;
};

/* Prints a candidate if the word can go on so. help may be NULL. */
void completion_offer(struct completion *c, const char *candidate, const char *help);

/* Offers what the command's next operand can be, for the operand itself or an option that says the
 * same. */
void operand_offer(struct completion *c);

/* As help --json calls them. */
const char *operand_name(enum operands operands);

#endif
