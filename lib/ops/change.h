/* SPDX-License-Identifier: MIT */
#ifndef UC_CHANGE_H
#define UC_CHANGE_H

#include "ctrl.h"
#include "device.h"
#include "lock.h"

/*
 * A change of one device, from beginning to end: nobody else changes it meanwhile, and it is the
 * one that was meant. Each operation begins one, looks at what the device is now, says in the
 * record what it is about to do, does that, and says what has come of it. It can be killed
 * anywhere.
 */
struct uc_change {
	const struct uc_host *host;
	struct uc_locks locks;
	struct uc_ctrl *ctrl;
	struct uc_device device; /* as it was when the change began */
};

/* Not begun yet: what uc_change_begin() wants, and uc_change_end() takes. */
#define UC_CHANGE_NONE                                                                             \
	(struct uc_change)                                                                         \
	{                                                                                          \
		.locks = UC_LOCKS_NONE                                                             \
	}

/*
 * Waits for its turn. UC_NO_DEVICE: there is no such device, or none any more, which counts also if
 * another has its id by now. *change keeps `host`.
 */
int uc_change_begin(const struct uc_host *host, const struct uc_ref *ref, struct uc_change *change,
		    struct uc_error *err);

/*
 * The same for a change that is the device's last: what one before has left open does not matter
 * any more, and no question to a driver that stands still is to keep the device.
 */
int uc_change_begin_last(const struct uc_host *host, const struct uc_ref *ref,
			 struct uc_change *change, struct uc_error *err);

/* Such a one without waiting: -EBUSY. */
int uc_change_try(const struct uc_host *host, const struct uc_ref *ref, struct uc_change *change,
		  struct uc_error *err);

/* Looks at the device once more. */
int uc_change_look(struct uc_change *change, struct uc_error *err);

/* What shows that the device is ours to change. */
static inline const struct uc_lock *uc_change_lock(const struct uc_change *change)
{
	return change->locks.device;
}

/* Also of one that did not begin. */
void uc_change_end(struct uc_change *change);
#define uc_auto_change __attribute__((cleanup(uc_change_end)))

#endif
