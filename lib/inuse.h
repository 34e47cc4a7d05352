/* SPDX-License-Identifier: MIT */
#ifndef UC_INUSE_H
#define UC_INUSE_H

#include "device.h"

/*
 * Whether anybody uses the block device or a partition of it: 0 when nobody does, else -EBUSY
 * with UC_BUSY and who it is, as far as can be seen. Openers that are gone in a moment (udev
 * looks at each new device) are waited for, shortly.
 */
int uc_inuse_check(const struct uc_host *host, const struct uc_device *device,
		   struct uc_error *err);

/* The same at this moment: who is gone in the next one counts, too. */
int uc_inuse_look(const struct uc_host *host, const struct uc_device *device, struct uc_error *err);

/* Whether it is used in a way that cannot be ended without its node: as swap, or by LVM. */
bool uc_inuse_needs_node(const struct uc_host *host, const struct uc_device *device);

#endif
