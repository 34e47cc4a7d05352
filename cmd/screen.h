/* SPDX-License-Identifier: MIT */
#ifndef CMD_SCREEN_H
#define CMD_SCREEN_H

#include <stdbool.h>

/* The terminal on stdout as a screen of its own, and keys from stdin without echo. */

/* May be asked before anything else. */
bool screen_is_terminal(void);

void screen_enter(void);
/* The terminal is as it was. */
void screen_leave(void);

/* The file that keys come from; -1: stdin is no terminal. */
int screen_keys(void);

/* Lines that fit; at least 1. */
unsigned screen_lines(void);

/* Empties it: what is printed next begins at the top, and is seen after screen_show(). */
void screen_clear(void);
/* False: the terminal is gone. */
bool screen_show(void);

#endif
