/* SPDX-License-Identifier: MIT */
#ifndef UC_OBTAIN_H
#define UC_OBTAIN_H

#include <stdbool.h>

#include "ctrl.h"
#include "path.h"
#include "server.h"
#include "shared.h"

/* A server's device: what is known of it before anybody serves it. */
struct uc_obtained {
	/* From the server. */
	const struct uc_server_args *args;
	const struct uc_host *host;
	struct uc_ctrl *ctrl;
	uint64_t pid_start;         /* of this process, for the record */
	struct uc_keeper_id keeper; /* the same */
	struct uc_keeper_id before; /* in office until the record is written, if there is one */

	/* From the driver. */
	const struct uc_path *path;
	struct ublksrv_ctrl_dev_info info; /* as granted */
	struct uc_shared shared;
	bool added; /* ours to delete; one that is taken over is not, until it is up */
};

/*
 * Gets a device out of the driver, up to where this process may open its ublkcN and fetch: a new
 * one, one that was stopped made anew, or one that has lost its handler. After a failure, what was
 * made is still there, as *dev says. With host->dry_run nothing is: dev->info is what is expected.
 */
int uc_obtain(struct uc_obtained *dev, struct uc_error *err);

/* The record of the device as this process serves it. */
int uc_obtained_write_record(const struct uc_obtained *dev, struct uc_error *err);

#endif
