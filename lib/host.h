/* SPDX-License-Identifier: MIT */
#ifndef UC_HOST_H
#define UC_HOST_H

#include <stdbool.h>

#include "transport.h"

/*
 * The machine that a command works on: where its files are and how the driver is reached.
 * There is one per program, constant for its life. Tests point it at a driver model.
 */
struct uc_host {
	const char *dev_dir;    /* /dev: ublk-control, ublkcN, ublkbN */
	const char *sys_dir;    /* /sys */
	const char *run_dir;    /* our records; nobody else writes there. "": there is none */
	const char *no_run_dir; /* then: why */
	bool unprivileged;      /* the driver takes us for a plain user, whatever our uid */
	const char *root;       /* before all other paths, as /proc/config.gz; NULL: nothing */
	const struct uc_transport *transport;
	unsigned timeout_ms; /* bound of any one wait, 1 or more */
};

/*
 * Fills in unprivileged, and for a plain user run_dir and no_run_dir. xdg is the value of
 * XDG_RUNTIME_DIR, or NULL.
 */
void uc_host_of_user(struct uc_host *host, const char *xdg);

/* The same for a process of which the privilege is known. */
void uc_host_find_run_dir(struct uc_host *host, const char *xdg);

#endif
