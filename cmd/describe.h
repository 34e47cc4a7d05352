/* SPDX-License-Identifier: MIT */
#ifndef CMD_DESCRIBE_H
#define CMD_DESCRIBE_H

#include "cmd.h"

/* Prints all that there is to know of the program's command line as JSON; of one command if it is
 * not NULL. */
void describe(const struct command *command);

#endif
