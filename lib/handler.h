/* SPDX-License-Identifier: MIT */
#ifndef UC_HANDLER_H
#define UC_HANDLER_H

#include "server.h"

/*
 * Forks the handler process of *args (whose ready() is not used) and returns when its device is
 * up, or has failed; then nothing of a new device is left. The host's timeout bounds all of it, but
 * for taking back what was begun: UC_TIDY_MS twice, and little more. Of args->locks the caller's
 * part stays the caller's. Leaves SIGINT, SIGTERM and SIGHUP blocked; each of them makes it fail
 * (EINTR).
 */
int uc_handler_start(const struct uc_server_args *args, struct uc_added *ret_added,
		     struct uc_error *err);

/* Blocks those signals. */
void uc_handler_hold_signals(void);

/* The same. *ret_fd is a signalfd of them, the caller's to close. */
int uc_handler_block_signals(int *ret_fd, struct uc_error *err);

#endif
