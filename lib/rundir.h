/* SPDX-License-Identifier: MIT */
#ifndef UC_RUNDIR_H
#define UC_RUNDIR_H

#include "error.h"
#include "host.h"

/*
 * Makes the runtime directory if need be, but not in a dry run; refuses one that others than its
 * owner can write to.
 */
int uc_rundir_prepare(const struct uc_host *host, struct uc_error *err);

#endif
