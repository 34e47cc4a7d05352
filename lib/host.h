/* SPDX-License-Identifier: MIT */
#ifndef UC_HOST_H
#define UC_HOST_H

#include "transport.h"

/*
 * The machine that a command works on: where its files are and how the driver is reached.
 * There is one per program, constant for its life. Tests point it at a driver model.
 */
struct uc_host {
	const char *dev_dir; /* /dev: ublk-control, ublkcN, ublkbN */
	const char *sys_dir; /* /sys */
	const char *run_dir; /* our records; only root writes there */
	const char *root;    /* before all other paths, as /proc/config.gz; NULL: nothing */
	const struct uc_transport *transport;
	unsigned timeout_ms; /* bound of any one wait, 1 or more */
};

#endif
