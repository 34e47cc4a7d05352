/* SPDX-License-Identifier: MIT */
#ifndef UC_PROGRESS_H
#define UC_PROGRESS_H

#include <poll.h>
#include <stdint.h>

/*
 * What this process is busy with while it may take long, for whoever shows it. Each is on its
 * caller's stack and ends with it; of several the innermost counts. Of one thread only.
 */
struct uc_progress {
	const struct uc_progress *outer;
	char what[192];    /* "waiting for device 3 to be gone" */
	uint64_t begun;    /* CLOCK_MONOTONIC, ns */
	uint64_t deadline; /* when it ends at the latest; 0: nobody knows */
	uint64_t done;     /* bytes */
	uint64_t total;    /* bytes; 0: it is a wait */
};

/* Called often while something lasts; NULL: it is over. */
typedef void (*uc_progress_sink)(const struct uc_progress *progress);

/* Who shows it from now on. NULL, and until the first call: nobody. */
void uc_progress_to(uc_progress_sink sink);

void uc_progress_begin(struct uc_progress *progress, uint64_t deadline, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void uc_progress_end(struct uc_progress *progress);
#define uc_auto_progress __attribute__((cleanup(uc_progress_end)))

/* It lasts yet: to be called each few hundred milliseconds or more often. */
void uc_progress_tick(void);

/* poll(), which does that. */
int uc_progress_poll(struct pollfd *fds, nfds_t count, int timeout_ms);

#endif
