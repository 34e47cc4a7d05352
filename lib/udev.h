/* SPDX-License-Identifier: MIT */
#ifndef UC_UDEV_H
#define UC_UDEV_H

#include <stdint.h>

#include "host.h"

/*
 * Waits until udev has done what it does about a new block device and its partitions: links,
 * permissions, properties. since_ns is the time (uc_now()) before it was made, since udev may
 * not have forgotten its predecessor yet. 0: that is so, or there is no udev; -ETIMEDOUT: not until
 * the host's deadline; -EINTR: signal_fd became readable.
 */
int uc_udev_await(const struct uc_host *host, uint32_t id, uint64_t since_ns, int signal_fd);

#endif
