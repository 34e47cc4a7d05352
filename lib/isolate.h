/* SPDX-License-Identifier: MIT */
#ifndef UC_ISOLATE_H
#define UC_ISOLATE_H

#include <stdbool.h>

#include "error.h"

/* What sets a handler process apart from the shell that started it. */

/* Session, umask, and /dev/null on 0 to 2, so that no caller waits for our end of its pipes. */
int uc_isolate_stdio(struct uc_error *err);

/* Closes all files but 0 to 2 and these, which it sorts. */
void uc_close_all_but(int *kept, unsigned count);

/* A low OOM score: for what must outlive memory pressure. A failure is logged. */
void uc_isolate_memory(void);

/*
 * A mount namespace of its own, and a low OOM score. Before any thread is made. What is not
 * permitted is logged and left: it makes a server less safe, not wrong. An unprivileged one may
 * do neither, and does without.
 */
void uc_isolate_process(bool unprivileged);

/*
 * Leaves every mount of that namespace. A private copy of the mounts would keep each of them
 * busy long after it was unmounted outside. Open files and the working directory go on working,
 * absolute paths do not. Only after uc_isolate_process() succeeded does this do anything.
 */
void uc_isolate_mounts(void);

#endif
