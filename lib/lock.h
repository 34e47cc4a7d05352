/* SPDX-License-Identifier: MIT */
#ifndef UC_LOCK_H
#define UC_LOCK_H

#include <stdbool.h>

#include "error.h"
#include "host.h"

/*
 * The right to change one device. Whoever writes its record, or sends the driver a command that
 * changes it, has to show it, and is alone. The processes that are forked meanwhile have it too
 * (fcntl(2), open file description locks): a server that is on its way keeps the lock of a command
 * that is killed, and gives it back when it is ready, or has failed.
 */
struct uc_lock;

/* Of a device that is to be made: of none yet. *ret_lock is the caller's, to be released. */
int uc_lock_open(const struct uc_host *host, struct uc_lock **ret_lock, struct uc_error *err);

/*
 * Waits until nobody else changes the device, no longer than the host's timeout; from then on the
 * lock, which was of no device, is of this one. Those who share the lock may each say so.
 * UC_TIMEOUT, naming a process that has it. A dry run leaves no file.
 */
int uc_lock_bind(const struct uc_host *host, struct uc_lock *lock, uint32_t id,
		 struct uc_error *err);

/* Both in one. */
int uc_lock_device(const struct uc_host *host, uint32_t id, struct uc_lock **ret_lock,
		   struct uc_error *err);

/* The same without waiting: -EBUSY. */
int uc_lock_try_device(const struct uc_host *host, uint32_t id, struct uc_lock **ret_lock,
		       struct uc_error *err);

/* The device that it is about; UC_ID_ANY: of none yet. */
uint32_t uc_lock_id(const struct uc_lock *lock);

/*
 * This process has it no more; others, forked from it or before it, may have it yet. NULL is fine.
 */
void uc_lock_release(struct uc_lock *lock);

static inline void uc_cleanup_lock(struct uc_lock **lock)
{
	uc_lock_release(*lock);
}
#define uc_auto_lock __attribute__((cleanup(uc_cleanup_lock)))

/*
 * For who makes a device with a name, or one that there must not be twice. Waits as long as another
 * may take for that. *ret_fd is to be closed, which gives it back; -1: a dry run needs none.
 */
int uc_lock_names(const struct uc_host *host, int *ret_fd, struct uc_error *err);

/*
 * From before ADD_DEV until the record is there, by the server and shared by all of them; and by
 * `gc`, alone, since what has no record yet looks like what a crash has left. *ret_fd as above.
 */
int uc_lock_making(const struct uc_host *host, bool alone, int *ret_fd, struct uc_error *err);

/* All that is held for a device on its way to be served. */
struct uc_locks {
	struct uc_lock *device; /* or NULL */
	int names_fd;           /* or -1 */
	int making_fd;          /* or -1 */
};
#define UC_LOCKS_NONE                                                                              \
	(struct uc_locks)                                                                          \
	{                                                                                          \
		.names_fd = -1, .making_fd = -1                                                    \
	}

/* Those that are held, which *locks then has no more. */
void uc_locks_release(struct uc_locks *locks);
#define uc_auto_locks __attribute__((cleanup(uc_locks_release)))

#endif
