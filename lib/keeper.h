/* SPDX-License-Identifier: MIT */
#ifndef UC_KEEPER_H
#define UC_KEEPER_H

#include <stdbool.h>

#include "record.h"
#include "server.h"

/*
 * A small process beside a handler that outlives it: it holds what is in the target's memory, and
 * with --respawn it starts the next handler. It ends when the device is gone, or when the record
 * names another keeper.
 */

/* Whether a device needs one. */
bool uc_keeper_wanted(const struct uc_spec *spec, const struct uc_target *target);

/*
 * Forks one off a handler that has no threads, no mounts of its own and no device yet. The handler
 * writes the id of its device to *ret_fd (a uint32_t) when that is up; the end of that file is the
 * handler's end.
 */
int uc_keeper_start(const struct uc_server_args *args, struct uc_keeper_id *ret_keeper, int *ret_fd,
		    struct uc_error *err);

/*
 * The file that the keeper of a device holds, which has lost its server: *ret_fd is the caller's,
 * to be closed. UC_FAILED: it is lost.
 */
int uc_keeper_take(const struct uc_record *record, int *ret_fd, struct uc_error *err);

/* Not when there is none, nor when another process has its number by now. */
bool uc_keeper_is_alive(const struct uc_keeper_id *keeper);

/* Whether the target's data is in memory that nobody keeps but the handler, if that lives. */
bool uc_keeper_has_lost(const struct uc_record *record);

/* Ends a keeper that is out of office, and if it was the last, with it the memory. A stale id is
 * fine. */
void uc_keeper_end(const struct uc_keeper_id *keeper);

#endif
