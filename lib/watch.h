/* SPDX-License-Identifier: MIT */
#ifndef UC_WATCH_H
#define UC_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"
#include "host.h"

/*
 * What becomes of devices, as it happens: from the kernel's uevents, the pidfds of handlers, and
 * the records in the runtime directory. Only what none of these tells is asked for, at most once
 * a second and while a device has no handler; or always, where there are no uevents.
 */

enum uc_watch_what {
	UC_WATCH_PRESENT,         /* when the watch begins */
	UC_WATCH_ADDED,           /* the character device is there */
	UC_WATCH_STARTED,         /* the block device is there; the state is LIVE */
	UC_WATCH_RESIZED,         /* the block device has another size */
	UC_WATCH_STOPPED,         /* the block device is gone; the state is DEAD */
	UC_WATCH_REMOVED,         /* the character device is gone, and with it all */
	UC_WATCH_HANDLER_STARTED, /* a process serves it */
	UC_WATCH_HANDLER_ENDED,   /* that process has ended */
	UC_WATCH_STATE,           /* any other change of the state */
	UC_WATCH_LOST, /* of all devices: events were lost, and what has changed is looked for */
};

struct uc_watch_event {
	enum uc_watch_what what;
	uint32_t id;
	unsigned state;   /* UBLK_S_DEV_*, from then on */
	pid_t pid;        /* of the handler, also of one that has just ended; 0: there is none */
	uint64_t size;    /* bytes; 0: no block device */
	const char *name; /* "": none is known */
};

struct uc_watch_options {
	bool all;            /* all devices; else none but that of uc_watch_only() */
	const uint32_t *ids; /* if there are any: of all only these */
	size_t nr_ids;
	bool impatient; /* uc_watch_step() returns once a second, and soon after an event */
	void (*tell)(void *ctx, const struct uc_watch_event *event); /* may be NULL */
	void *ctx;
};

struct uc_watch;

/* Tells of the devices that there are. *options has to stay. */
int uc_watch_open(const struct uc_host *host, const struct uc_watch_options *options,
		  struct uc_watch **ret_watch, struct uc_error *err);

/* Watches this device from now on. Nothing is told of what it is. */
int uc_watch_only(struct uc_watch *watch, uint32_t id, struct uc_error *err);

/*
 * Makes uc_watch_step() return 1 when the file is readable or, with `broken`, when it is the end of
 * a pipe or terminal that has no other end any more; of other files that is never so.
 */
int uc_watch_stop_at(struct uc_watch *watch, int fd, bool broken, struct uc_error *err);

/* Sleeps until something happens, at most timeout_ms (-1: any time), and tells of it. */
int uc_watch_step(struct uc_watch *watch, int timeout_ms, struct uc_error *err);

void uc_watch_close(struct uc_watch *watch);
static inline void uc_cleanup_watch(struct uc_watch **watch)
{
	uc_watch_close(*watch);
}
#define uc_auto_watch __attribute__((cleanup(uc_cleanup_watch)))

#endif
