/* SPDX-License-Identifier: MIT */
#ifndef UC_MANAGE_H
#define UC_MANAGE_H

#include <stdbool.h>

#include "device.h"
#include "server.h"
#include "spec.h"
#include "target.h"

/* The life of a device as a command sees it. */

/*
 * Makes a device in a handler process of its own and returns when its node reads. On failure
 * nothing of it is left, whatever became of the handler. The caller's process should have no
 * files open that the handler must not keep; it closes lock_fd, unless that is -1. SIGINT, SIGTERM
 * and SIGHUP stay blocked: a device that is there has to be told of, and what a failure leaves with
 * the caller has to be undone.
 */
int uc_add(const struct uc_host *host, const struct uc_spec *spec, const struct uc_target *target,
	   int lock_fd, struct uc_added *ret_added, struct uc_error *err);

/*
 * The same in this process, which serves until it is told to stop; ready(ctx, added) is called
 * when the node reads.
 */
int uc_add_foreground(const struct uc_host *host, const struct uc_spec *spec,
		      const struct uc_target *target,
		      int (*ready)(void *ctx, const struct uc_added *added), void *ctx,
		      struct uc_error *err);

/*
 * A new handler process for device spec->id, which has lost the old one; its parameters stay as
 * they are. `cookie` is what the driver keeps with it (ublksrv_flags). On failure it can be tried
 * again, or deleted. As for the rest see uc_add().
 */
int uc_recover(const struct uc_host *host, uint64_t cookie, const struct uc_spec *spec,
	       const struct uc_target *target, struct uc_added *ret_added, struct uc_error *err);

/* The same in this process; see uc_add_foreground(). */
int uc_recover_foreground(const struct uc_host *host, uint64_t cookie, const struct uc_spec *spec,
			  const struct uc_target *target,
			  int (*ready)(void *ctx, const struct uc_added *added), void *ctx,
			  struct uc_error *err);

/* Whether a device with a record can be given another handler while it is in use; else status 3. */
int uc_upgrade_check(const struct uc_host *host, const struct uc_device *device,
		     struct uc_error *err);

/*
 * Another handler process, of this program, for a device that passed the check: the driver lets
 * requests wait, the old handler answers what it has and leaves, the new one takes over. Where the
 * driver cannot do that the old one is killed, and what it had in hand is sent again. If the new
 * one does not come up, the old one's program is made to serve again, and *err says so. `target`
 * shares the old handler's file, and is closed. As for the rest see uc_add().
 */
int uc_upgrade(const struct uc_host *host, const struct uc_device *device,
	       const struct uc_spec *spec, struct uc_target *target, struct uc_added *ret_added,
	       struct uc_error *err);

/*
 * Stops and removes a device and returns when its nodes and its id are gone. Without `force` a
 * device in use (mounted, claimed, open) is refused: UC_BUSY, and nothing has changed.
 */
int uc_del(const struct uc_host *host, uint32_t id, bool force, struct uc_error *err);

/*
 * The same, but nothing is waited for: neither for the handler to end nor for the id. A device in
 * use is deleted, by a process of its own, when its last user has gone; until then it works, and
 * has no nodes to open it by. With `force` users get errors at once.
 */
int uc_del_lazy(const struct uc_host *host, uint32_t id, bool force, struct uc_error *err);

/*
 * Takes the block device and the handler away, and notes in the record that this was meant. The id
 * stays taken. Without `force` a device in use is refused (UC_BUSY), and one whose data would be
 * lost (UC_FAILED). One that is stopped already is fine.
 */
int uc_stop(const struct uc_host *host, uint32_t id, bool force, struct uc_error *err);

/*
 * What is known of a stopped device, of which the driver may know nothing any more if a start was
 * killed. UC_BUSY: it is running; UC_FAILED: it was not stopped; UC_NO_DEVICE.
 */
int uc_start_find(const struct uc_host *host, uint32_t id, struct uc_device *ret_device,
		  struct uc_error *err);

/*
 * A new handler process, and a new device in the place of the stopped one. (The driver of
 * Linux 6.12 does not start a device a second time, but gives an id out again.) On failure it is
 * stopped as before. As for the rest see uc_add().
 */
int uc_start(const struct uc_host *host, const struct uc_device *device, const struct uc_spec *spec,
	     const struct uc_target *target, struct uc_added *ret_added, struct uc_error *err);

/* The same in this process; see uc_add_foreground(). */
int uc_start_foreground(const struct uc_host *host, const struct uc_device *device,
			const struct uc_spec *spec, const struct uc_target *target,
			int (*ready)(void *ctx, const struct uc_added *added), void *ctx,
			struct uc_error *err);

/* Whether the device can be given that size (bytes), as far as the driver and its blocks go. */
int uc_resize_check(const struct uc_device *device, uint64_t size, struct uc_error *err);

/*
 * Tells the driver, which checks nothing by itself; what is behind the device must have room
 * already, and while it shrinks nobody should use it. Clients hear of it by a uevent.
 */
int uc_resize(const struct uc_host *host, const struct uc_device *device, uint64_t size,
	      struct uc_error *err);

/*
 * Moves the threads of a running device to those CPUs of their queues that are among `cpus`, or
 * to all of `cpus` if none is.
 */
int uc_set_cpus(const struct uc_host *host, uint32_t id, const struct uc_cpus *cpus,
		struct uc_error *err);

#endif
