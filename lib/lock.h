/* SPDX-License-Identifier: MIT */
#ifndef UC_LOCK_H
#define UC_LOCK_H

#include <stdbool.h>

#include "error.h"
#include "host.h"

/*
 * Who gives a device another handler is alone in it: two of them, or one and a keeper, would take
 * it from each other. The lock goes with the process that took it, and not to its children; for
 * one device at a time. *ret_fd is to be closed, which gives it back. UC_TIMEOUT, naming the
 * process that has it.
 */
int uc_lock_device(const struct uc_host *host, uint32_t id, int *ret_fd, struct uc_error *err);

/*
 * The same for who makes a device with a name, or one that there must not be twice. Waits as long
 * as another may take for that.
 */
int uc_lock_names(const struct uc_host *host, int *ret_fd, struct uc_error *err);

/*
 * From before ADD_DEV until the record is there, by the handler and shared by all of them; and by
 * `gc`, alone, since what has no record yet looks like what a crash has left.
 */
int uc_lock_making(const struct uc_host *host, bool alone, int *ret_fd, struct uc_error *err);

/* A device's without waiting: -EBUSY. */
int uc_lock_try_device(const struct uc_host *host, uint32_t id, int *ret_fd, struct uc_error *err);

#endif
