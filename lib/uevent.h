/* SPDX-License-Identifier: MIT */
#ifndef UC_UEVENT_H
#define UC_UEVENT_H

/*
 * A wake-up for whoever waits for a device to come or go. It only ever shortens a wait: the
 * condition itself is looked at by the caller, also when no event comes.
 */
struct uc_uevent;

/* NULL when the kernel's events cannot be had (no netlink in this sandbox, no memory). */
struct uc_uevent *uc_uevent_open(void);

/* Sleeps until the kernel tells of a ublk device, at most timeout_ms. events may be NULL. */
void uc_uevent_wait(struct uc_uevent *events, unsigned timeout_ms);

void uc_uevent_close(struct uc_uevent *events);

#endif
