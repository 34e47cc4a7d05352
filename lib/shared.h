/* SPDX-License-Identifier: MIT */
#ifndef UC_SHARED_H
#define UC_SHARED_H

#include <stddef.h>
#include <stdint.h>

#include "ctrl.h"
#include "error.h"

/*
 * Memory that clients share with the handler: a file of tmpfs (a memfd is one) or hugetlbfs, which
 * both map. The driver knows its pages, and of a request whose data lies in them it tells where it
 * is: nobody copies anything. Any other request goes by way of its buffer.
 */
struct uc_shared {
	char *map;      /* NULL: there is none */
	size_t size;    /* bytes */
	uint16_t index; /* what the driver calls it */
};

/* UC_FAILED if the file is not of such a kind, is empty, or larger than the driver takes (4 GiB).
 */
int uc_shared_open(const char *path, struct uc_shared *ret_shared, struct uc_error *err);

/* Tells the driver, before START_DEV. Its pages are allocated, and stay until the device is gone.
 */
int uc_shared_register(struct uc_shared *shared, struct uc_ctrl *ctrl, const struct uc_lock *lock,
		       struct uc_error *err);

/* Takes a zeroed one. */
void uc_shared_close(struct uc_shared *shared);

#endif
