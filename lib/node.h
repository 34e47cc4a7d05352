/* SPDX-License-Identifier: MIT */
#ifndef UC_NODE_H
#define UC_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "host.h"

/* The device nodes: ublkcN for the server, ublkbN for everyone. */

void uc_node_char_path(const struct uc_host *host, uint32_t id, char *buf, size_t size);
void uc_node_block_path(const struct uc_host *host, uint32_t id, char *buf, size_t size);

/* Waits until udev has given us the ublkcN of a device that we have made as a plain user. */
int uc_node_await_ours(const struct uc_host *host, uint32_t id, struct uc_error *err);

/*
 * Opens ublkcN, waiting for it to appear and for another opener (udev, for a moment) to let go.
 * The opener becomes the device's server in the driver's eyes. *ret_fd is the caller's.
 */
int uc_node_open_char(const struct uc_host *host, uint32_t id, int *ret_fd, struct uc_error *err);

/*
 * Waits until the block node opens and its first block (bytes) reads, and has its partitions
 * looked for. Work of uc_bounded(), ctx being a struct uc_node_look: it hangs as long as the server
 * does, so nobody does it who is one, or must end when it is told to.
 */
struct uc_node_look {
	struct uc_host host;
	uint32_t id;
	uint32_t block;
	bool partitions; /* the driver leaves that to us: UBLK_F_NO_AUTO_PART_SCAN */
};
int uc_node_await_block(void *ctx, void *ret, struct uc_error *err);

/* Waits until neither node of the device is there any more. */
int uc_node_await_gone(const struct uc_host *host, uint32_t id, struct uc_error *err);

#endif
