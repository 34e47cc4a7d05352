/* SPDX-License-Identifier: MIT */
#ifndef UC_DEL_H
#define UC_DEL_H

#include "change.h"

/*
 * Stops and removes the device, whoever uses it, within the host's time; see uc_del() for `force`.
 */
int uc_del_now(const struct uc_change *change, bool force, struct uc_error *err);

#endif
