/* SPDX-License-Identifier: MIT */
#ifndef UC_LIFECYCLE_H
#define UC_LIFECYCLE_H

#include <stdbool.h>

#include "device.h"
#include "lock.h"
#include "server.h"
#include "spec.h"
#include "target.h"

/*
 * The life of a device as a command sees it. With host->dry_run each of these does the same checks,
 * changes nothing, and returns what it would have, as far as that can be told.
 */

/* A result of what had nothing to change. */
#define UC_AS_IT_WAS 1

/*
 * Each of these is a change from beginning to end (see change.h): nobody else changes the device
 * meanwhile, and it is the one that was meant.
 */

/*
 * Called when the node of a device that this process serves reads. A negative return means that
 * nobody is left to hear of it, and takes a new device away again.
 */
typedef int uc_ready(void *ctx, const struct uc_added *added);

/*
 * Makes a device in a server process of its own and returns when its node reads. On failure nothing
 * of it is left, whatever became of the server. The caller's process should have no files open that
 * the server must not keep. *locks has at most names_fd, and nothing afterwards. SIGINT, SIGTERM
 * and SIGHUP stay blocked: a device that is there has to be told of, and what a failure leaves with
 * the caller has to be undone.
 */
int uc_add(const struct uc_host *host, const struct uc_spec *spec, const struct uc_target *target,
	   struct uc_locks *locks, struct uc_added *ret_added, struct uc_error *err);

/* The same in this process, which serves until it is told to stop. */
int uc_add_foreground(const struct uc_host *host, const struct uc_spec *spec,
		      const struct uc_target *target, struct uc_locks *locks, uc_ready *ready,
		      void *ctx, struct uc_error *err);

/* How a device that has no server is to be served. */
struct uc_restore {
	/* What is said anew; 0, NULL and empty: as it was. With `foreground` this process serves.
	 */
	const struct uc_spec *spec;
	/*
	 * Opens what is behind the device, with *spec, which may point into it. *ret_target is to
	 * be closed; NULL and 0: nothing is to be done.
	 */
	int (*open)(void *ctx, const struct uc_host *host, const struct uc_device *device,
		    struct uc_spec *spec, struct uc_target **ret_target, struct uc_error *err);
	uc_ready *ready; /* in the foreground */
	void *ctx;
};

/*
 * A new server for a device that has lost the old one; its parameters stay as they are. On failure
 * it can be tried again, or deleted. As for the rest see uc_add().
 */
int uc_recover(const struct uc_host *host, const struct uc_ref *ref,
	       const struct uc_restore *restore, struct uc_added *ret_added, struct uc_error *err);

/*
 * A new server, and a new device in the place of the stopped one. (The driver of Linux 6.12 does
 * not start a device a second time, but gives an id out again.) On failure it is stopped as before.
 * UC_BUSY: it is running; UC_FAILED: it was not stopped. As for the rest see uc_add().
 */
int uc_start(const struct uc_host *host, const struct uc_ref *ref, const struct uc_restore *restore,
	     struct uc_added *ret_added, struct uc_error *err);

/*
 * Another server process, of this program, for a device that is in use: the driver lets requests
 * wait, the old server answers what it has and leaves, the new one takes over. Where the driver
 * cannot do that the old one is killed, and what it had in hand is sent again. If the new one does
 * not come up, the old one's program is made to serve again, and *err says so. Status 3 where that
 * cannot be done at all. restore->open() shares the old server's file. As for the rest see
 * uc_add().
 */
int uc_upgrade(const struct uc_host *host, const struct uc_ref *ref,
	       const struct uc_restore *restore, struct uc_added *ret_added, struct uc_error *err);

/*
 * Stops and removes a device and returns when its nodes and its id are gone. Without `force` a
 * device in use (mounted, claimed, open) is refused: UC_BUSY, and nothing has changed.
 */
int uc_del(const struct uc_host *host, const struct uc_ref *ref, bool force, struct uc_error *err);

/*
 * The same, but nothing is waited for: neither for the server to end nor for the id. A device in
 * use is deleted, by a process of its own, when its last user has gone; until then it works, and
 * has no nodes to open it by. With `force` users get errors at once.
 */
int uc_del_lazy(const struct uc_host *host, const struct uc_ref *ref, bool force,
		struct uc_error *err);

/*
 * Takes the block device and the server away, and notes in the record that this was meant. The id
 * stays taken. Without `force` a device in use is refused (UC_BUSY), and one whose data would be
 * lost (UC_FAILED). UC_AS_IT_WAS: it is stopped already.
 */
int uc_stop(const struct uc_host *host, const struct uc_ref *ref, bool force, struct uc_error *err);

/* What is behind a device, for uc_resize(); each may be NULL, for what has no limit. */
struct uc_room {
	/* How many bytes a device can have of it as it is. */
	uint64_t (*now)(void *ctx);
	/* Whether it can be made to hold so many, and making it hold so many and no more. */
	int (*check)(void *ctx, uint64_t size, struct uc_error *err);
	int (*make)(void *ctx, uint64_t size, struct uc_error *err);
	/* The option that says the size, for the record. */
	const char *option;
	void *ctx;
};

struct uc_resize {
	uint64_t size; /* bytes; 0: as many as are behind the device. Afterwards: how many it is */
	bool force;    /* also make it smaller */
	/* Finds what is behind the device. */
	int (*find)(void *ctx, const struct uc_device *device, struct uc_room *ret_room,
		    struct uc_error *err);
	void *ctx;
};

/*
 * Makes a running device larger or smaller, and what is behind it. Clients hear of it by a uevent.
 * While it shrinks nobody may use it (UC_BUSY). UC_AS_IT_WAS: it has that size.
 */
int uc_resize(const struct uc_host *host, const struct uc_ref *ref, struct uc_resize *how,
	      struct uc_error *err);

/*
 * Moves the threads of a running device to those CPUs of their queues that are among `cpus`, or
 * to all of `cpus` if none is. UC_AS_IT_WAS: that is where they are.
 */
int uc_set_cpus(const struct uc_host *host, const struct uc_ref *ref, const struct uc_cpus *cpus,
		struct uc_error *err);

#endif
