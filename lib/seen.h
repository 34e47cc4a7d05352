/* SPDX-License-Identifier: MIT */
#ifndef UC_SEEN_H
#define UC_SEEN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "device.h"
#include "uevent.h"
#include "watch.h"

/* A device as it was last told of. All that changes it tells what is new. */
struct uc_seen {
	uint32_t id;
	unsigned state; /* UBLK_S_DEV_* */
	bool block;     /* its block device is there */
	bool started;   /* that is there by a uevent, and not told yet */
	uint64_t size;  /* bytes, of the block device */
	pid_t pid;      /* of the handler; 0: there is none */
	int pidfd;      /* of the handler; -1 */
	pid_t last;   /* the handler that was told of last, or had ended before; -1: no look yet */
	bool polled;  /* the owner's: it waits for pidfd */
	bool look;    /* the owner's: to be looked at */
	bool removed; /* nothing is left but a handler that has not ended */
	uint64_t patience; /* until when that is waited for */
	bool gone;         /* all is told */
	char name[UC_NAME_MAX];
};

void uc_seen_tell(const struct uc_seen *s, enum uc_watch_what what,
		  const struct uc_watch_options *o);

/* A device that was added just now. */
void uc_seen_init(struct uc_seen *s, uint32_t id);
void uc_seen_free(struct uc_seen *s);

/* The kernel's word on the block device or, with `block` not set, on the character device. */
void uc_seen_hear(struct uc_seen *s, const struct uc_uevent_message *message,
		  const struct uc_watch_options *o);

/* Compares with what the driver and the record say now. -ENODEV: there is no such device. */
int uc_seen_look(struct uc_seen *s, const struct uc_host *host, struct uc_ctrl *ctrl,
		 const struct uc_watch_options *o);

/* The driver does not have it any more. A handler may end first, for a moment. */
void uc_seen_remove(struct uc_seen *s, const struct uc_watch_options *o);
/* The moment is over. */
void uc_seen_forget(struct uc_seen *s, const struct uc_watch_options *o);

/* pidfd has become readable. */
void uc_seen_end_handler(struct uc_seen *s, const struct uc_watch_options *o);

/* Nothing becomes of it that is not heard of: it is up, and has a handler. */
bool uc_seen_is_settled(const struct uc_seen *s);

#endif
