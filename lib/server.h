/* SPDX-License-Identifier: MIT */
#ifndef UC_SERVER_H
#define UC_SERVER_H

#include "error.h"
#include "host.h"
#include "lock.h"
#include "record.h"
#include "spec.h"
#include "target.h"
#include "ublk_abi.h"

/* A device that is up: what `add` reports. */
struct uc_added {
	struct ublksrv_ctrl_dev_info info; /* as granted, with its id and the server's pid */
	char node[64];                     /* /dev/ublkbN */
	char data_path[32];
};

/* What one server is to do. */
struct uc_server_args {
	const struct uc_host *host;
	const struct uc_spec *spec;
	const struct uc_target *target;
	uint64_t cookie; /* kept with the device by the driver; tells ours from others' */
	bool resume;     /* take over device spec->id, which has lost its handler */
	bool restart;    /* make device spec->id anew, which is stopped and has that cookie */
	const struct uc_keeper_id *keeper; /* it has one already; NULL: make one if need be */
	/*
	 * What its maker holds, released when it is ready: names_fd, if others must not make such a
	 * device meanwhile, making_fd if it is to be started again, and always the device's lock,
	 * which is of no device yet if the driver chooses the id.
	 */
	struct uc_locks *locks;

	/*
	 * Called once, when the block node opens and reads. A negative return means that nobody
	 * is left to hear of the device, and takes a new one away again.
	 */
	int (*ready)(void *ctx, const struct uc_added *added);
	void *ctx;
};

/*
 * Makes a device, or takes one over, and serves it in this process until it is stopped: by SIGTERM
 * or SIGINT, which also delete it, or by someone else's STOP_DEV. Returns 0 after service; on
 * failure a new device is away again, and one to be taken over can be tried again. The process
 * becomes a server: it gets a mount namespace of its own, no OOM score and blocked signals, and
 * should exit afterwards. (The driver wants one process to open, map, fetch and start, so none of
 * this can be prepared elsewhere.)
 */
int uc_server_run(const struct uc_server_args *args, struct uc_error *err);

/* What it would look at before it changes anything, and what would come of it. */
int uc_server_check(const struct uc_server_args *args, struct uc_added *ret_added,
		    struct uc_error *err);

#endif
