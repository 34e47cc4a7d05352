/* SPDX-License-Identifier: MIT */
#ifndef CMD_BUSY_H
#define CMD_BUSY_H

/*
 * From now on what takes more than a second is told of on stderr: on a terminal in one line, which
 * is rewritten each second and wiped out in the end; elsewhere with a line for each thing, and
 * another each ten seconds.
 */
void busy_tell(void);

/* Wipes that line out, before something else is written. */
void busy_hide(void);

#endif
