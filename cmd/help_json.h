/* SPDX-License-Identifier: MIT */
#ifndef CMD_HELP_JSON_H
#define CMD_HELP_JSON_H

#include "cmd.h"

/* Prints all that there is to know of the program's command line as JSON; of one command if it is
 * not NULL. */
void help_json(const struct command *command);

#endif
