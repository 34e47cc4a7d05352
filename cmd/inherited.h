/* SPDX-License-Identifier: MIT */
#ifndef INHERITED_H
#define INHERITED_H

/*
 * Files that the caller has left open: a server would keep them from it for ever. Those that the
 * command line names (/dev/fd/5) stay until they have been opened.
 */
void inherited_close(int argc, const char **argv);
void inherited_close_named(void);

#endif
