/* SPDX-License-Identifier: MIT */
#ifndef CMD_ESCAPE_H
#define CMD_ESCAPE_H

#include <stdio.h>

/* Text in a field of /etc/ublktab: what would end it is written as \ooo, octal, as in fstab(5). */

/* In place. Returns NULL, or where the backslash is that begins no such number. */
const char *escape_undo(char *text);

/* Also commas, for the value of an option. */
void escape_print(FILE *out, const char *text);

#endif
