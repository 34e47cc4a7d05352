/* SPDX-License-Identifier: MIT */
#ifndef UC_UEVENT_H
#define UC_UEVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the kernel tells of ublk devices. */
struct uc_uevent;

/* NULL when the kernel's events cannot be had (no netlink in this sandbox, no memory). */
struct uc_uevent *uc_uevent_open(void);

enum uc_uevent_action { UC_UEVENT_ADD, UC_UEVENT_CHANGE, UC_UEVENT_REMOVE };

struct uc_uevent_message {
	enum uc_uevent_action action;
	bool block; /* of the block device; else of the character device */
	uint32_t id;
};

/* Readable when the kernel has told something. */
int uc_uevent_fd(const struct uc_uevent *events);

/*
 * The next thing that it has told of a ublk device, without waiting. 1: *ret_message. 0: no more.
 * -ENOBUFS: some were lost, since nobody took them; there may be more.
 */
int uc_uevent_next(struct uc_uevent *events, struct uc_uevent_message *ret_message);

/* Whether a message of the kernel, as it came, is about a ublk device, and what it says. */
bool uc_uevent_parse(const char *text, size_t len, struct uc_uevent_message *ret_message);

/*
 * Sleeps until the kernel tells of a ublk device, at most timeout_ms. events may be NULL. It only
 * ever shortens a wait: the condition itself is looked at by the caller, also when no event comes.
 */
void uc_uevent_wait(struct uc_uevent *events, unsigned timeout_ms);

void uc_uevent_close(struct uc_uevent *events);

#endif
