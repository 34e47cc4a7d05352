/* SPDX-License-Identifier: MIT */
#ifndef UC_HOST_H
#define UC_HOST_H

#include <stdbool.h>

#include "deadline.h"
#include "transport.h"

/*
 * The machine that a command works on: where its files are and how the driver is reached.
 * There is one per program; what has to end by some time gets a copy that says so. Tests point it
 * at a driver model.
 */
struct uc_host {
	const char *dev_dir;    /* /dev: ublk-control, ublkcN, ublkbN */
	const char *sys_dir;    /* /sys */
	const char *run_dir;    /* our records; nobody else writes there. "": there is none */
	const char *no_run_dir; /* then: why */
	bool dry_run;           /* nothing is to be changed: checks alone */
	bool unprivileged;      /* the driver takes us for a plain user, whatever our uid */
	const char *root;       /* before all other paths, as /proc/config.gz; NULL: nothing */
	const struct uc_transport *transport;
	unsigned timeout_ms; /* bound of all that is done to a device, or of one wait; 1 or more */
	uint64_t deadline;   /* when all of it has to have ended; 0: only each wait is bounded */
};

/*
 * Fills in unprivileged, and for a plain user run_dir and no_run_dir. xdg is the value of
 * XDG_RUNTIME_DIR, or NULL.
 */
void uc_host_of_user(struct uc_host *host, const char *xdg);

/* The same for a process of which the privilege is known. */
void uc_host_find_run_dir(struct uc_host *host, const char *xdg);

/* What even the last step may take, so that it is tried, and not only given up. */
#define UC_STEP_MS 100
/* For taking back what was begun, when the time may be over already. */
#define UC_TIDY_MS 1500
/* A process that waits for another, which has the same bound, gives it time to tell. */
#define UC_MARGIN_MS 500

/* The end of a wait that begins now. */
static inline uint64_t uc_host_deadline(const struct uc_host *host)
{
	const uint64_t step = uc_deadline(UC_STEP_MS);

	if (!host->deadline)
		return uc_deadline(host->timeout_ms);
	return host->deadline > step ? host->deadline : step;
}

/* How long such a wait may take, never 0. */
static inline unsigned uc_host_left_ms(const struct uc_host *host)
{
	return uc_left_ms(uc_host_deadline(host));
}

/* From now on all has to end within the host's timeout, or within `ms` if that is less. */
static inline struct uc_host uc_host_within(const struct uc_host *host, unsigned ms)
{
	struct uc_host mine = *host;

	mine.deadline = uc_deadline(ms < host->timeout_ms ? ms : host->timeout_ms);
	return mine;
}

#endif
