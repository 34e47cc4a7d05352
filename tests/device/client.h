/* SPDX-License-Identifier: MIT */
/* What the parts of the device tests' client share. Any failure ends the program. */
#ifndef UC_TESTS_CLIENT_H
#define UC_TESTS_CLIENT_H

#include <stddef.h>
#include <stdint.h>

_Noreturn void client_fail(const char *what);

/* Past the page cache if it is a device. */
int client_open(const char *path, int flags);

/* On a page boundary, full of this byte. */
void *client_buffer(size_t len, int byte);

/* Threads, in client_load.c; the usage is in client.c. */
int client_verify(char **args);
int client_load(char **args);
int client_race(char **args);

#endif
