/* SPDX-License-Identifier: MIT */
#ifndef UC_PATH_H
#define UC_PATH_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "spec.h"
#include "target.h"

struct uc_queue;

/*
 * One way to move data between the driver and a target. Chosen once per device, from what the
 * driver can do and where the target's data lives.
 *
 * A request goes: driver -> begin() -> target -> end() -> commit. begin() brings a WRITE's data
 * to the target, or moves the data itself and leaves the target out; end() takes a READ's data
 * away. Any of the functions may be NULL. None blocks, allocates, locks or logs.
 */
struct uc_path {
	const char *name;
	const char *help;  /* for --help and `show`: what it does, lower case, no full stop */
	uint64_t flags;    /* UBLK_F_* that must be granted */
	unsigned homes;    /* bit 1 << enum uc_home: data that it can move */
	const char *suits; /* the same for people: "it is for ..." */
	bool needs_buffer; /* the engine lends each tag max_io_size bytes */
	bool batch;        /* many requests in one command: see batch.h */
	bool fixed;        /* the data is registered buffer `tag` of the ring, not in our memory */
	bool shared;       /* wants memory that clients share: see shared.h */

	/* Once for each tag before it is fetched: sets addr and sqe_addr. */
	void (*prepare)(struct uc_io *io);

	/* With NEED_GET_DATA: sets addr to where the data of this WRITE is to go. */
	void (*place)(const struct uc_queue *queue, struct uc_io *io);

	/*
	 * Returns the request's result when it is done, 0 to go on with the target, a negative
	 * errno, or UC_IO_PENDING after putting one SQE on the ring (armed with uc_io_arm_path()):
	 * then begin_event() gets what became of it, and returns the same.
	 */
	int (*begin)(struct uc_queue *queue, struct uc_io *io);
	int (*begin_event)(struct uc_queue *queue, struct uc_io *io, int res);

	/* Gets the target's result, and returns the one to commit or UC_IO_PENDING, as above. */
	int (*end)(struct uc_queue *queue, struct uc_io *io, int res);
	int (*end_event)(struct uc_queue *queue, struct uc_io *io, int res);
};

/* All paths, the plainest first. One more is a file with its uc_path_NAME, and a line here. */
#define UC_PATHS(X)                                                                                \
	X(copy)                                                                                    \
	X(direct)                                                                                  \
	X(map)                                                                                     \
	X(user_copy)                                                                               \
	X(zero_copy)                                                                               \
	X(auto_reg)                                                                                \
	X(batch_copy)                                                                              \
	X(batch_user_copy)                                                                         \
	X(batch_auto_reg)                                                                          \
	X(shared)                                                                                  \
	X(batch_shared)

#define UC_DECLARE_PATH(name) extern const struct uc_path uc_path_##name;
UC_PATHS(UC_DECLARE_PATH)

/* The same; *ret_count tells how many. */
const struct uc_path *const *uc_paths(unsigned *ret_count);

/* NULL if there is none of that name. */
const struct uc_path *uc_path_find(const char *name);

/*
 * The path for a target's data on a driver with these features. spec->path (or NULL: the best) must
 * suit both, or UC_UNSUPPORTED tells why it does not.
 */
int uc_path_choose(const struct uc_target *target, uint64_t features, const struct uc_spec *spec,
		   const struct uc_path **ret_path, struct uc_error *err);

/*
 * The same for a device that there is already, with what was granted to it: another path would
 * break the driver's word to its clients. spec->path is what its record names, or NULL.
 */
int uc_path_resume(const struct uc_target *target, uint64_t granted, const struct uc_spec *spec,
		   const struct uc_path **ret_path, struct uc_error *err);

#endif
