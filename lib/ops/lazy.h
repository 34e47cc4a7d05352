/* SPDX-License-Identifier: MIT */
#ifndef UC_LAZY_H
#define UC_LAZY_H

#include "device.h"

/*
 * Takes the nodes of the block device and its partitions away, so that nobody comes anew by them,
 * and leaves a process behind that deletes the device when its last user has gone.
 */
int uc_lazy_start(const struct uc_host *host, const struct uc_device *device, struct uc_error *err);

#endif
