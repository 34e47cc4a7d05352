/* SPDX-License-Identifier: MIT */
#ifndef UC_TRANSPORT_H
#define UC_TRANSPORT_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

#include "ublk_abi.h"

struct uc_host;

/*
 * How this program reaches the driver: everything that differs between the kernel and the model
 * of the driver that tests put in its place. All functions return 0 or a positive result, or a
 * negative errno; none prints.
 */
struct uc_transport {
	/* Opens the control device. *ret_conn is the transport's own; not thread safe. */
	int (*ctrl_open)(const struct uc_host *host, void **ret_conn);

	/*
	 * Issues one control command and waits for its answer at most timeout_ms. -ETIMEDOUT: the
	 * command may still be running and may still write to cmd->addr.
	 */
	int (*ctrl_call)(void *conn, uint32_t op, const struct ublksrv_ctrl_cmd *cmd,
			 unsigned timeout_ms);

	/* After -ETIMEDOUT: where in the kernel the command was, "in ...", or "". May be NULL. */
	const char *(*ctrl_where)(void *conn);

	void (*ctrl_close)(void *conn);

	/* Whether rings can be made: what ctrl_open says may be of its ring or of the node. */
	int (*ring_probe)(void);

	/*
	 * Makes the ring of one queue, to be called in the thread that will use it. fds become
	 * the ring's fixed files in their order; fds[0] is the device's character device. nr_bufs
	 * is the size of its table of registered buffers, which is empty at first.
	 */
	int (*ring_init)(struct io_uring *ring, unsigned entries, const int *fds, unsigned nr_fds,
			 unsigned nr_bufs);

	/* Submits what is queued, then waits until at least `wait` completions are there. */
	int (*ring_submit)(struct io_uring *ring, unsigned wait);

	void (*ring_exit)(struct io_uring *ring);

	/* The kernel tells of its devices by uevents. */
	bool uevents;
};

/* The kernel's driver, over io_uring passthrough commands. */
extern const struct uc_transport uc_transport_kernel;

#endif
