/* SPDX-License-Identifier: MIT */
#ifndef CMD_SCOPE_H
#define CMD_SCOPE_H

#include "add.h"

/*
 * Sees to it that this `add` runs in a transient unit of systemd's, so that what it leaves behind
 * does not end with the login session: the program is executed anew in a scope, by systemd-run(1),
 * as the same process with the same terminal. Returns 0 there, and else only if that fails.
 */
int scope_enter(const struct uc_host *host, const struct add *add, int argc, const char **argv,
		struct uc_error *err);

#endif
