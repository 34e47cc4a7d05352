/* SPDX-License-Identifier: MIT */
#ifndef UC_TARGET_H
#define UC_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ublk_abi.h"

struct io_uring_sqe;
struct uc_queue;

/* Where a target's data lives. The engine picks the way to move it from this. */
enum uc_home {
	UC_HOME_MEMORY, /* mapped in this process: the driver copies straight to and from it */
	UC_HOME_FD,     /* behind a file descriptor: the engine lends a buffer per request */
};

/* What the data allows and asks for. The engine turns it into the driver's parameters. */
struct uc_limits {
	uint32_t logical_bs;          /* bytes, power of two, 512 to 4096 */
	uint32_t physical_bs;         /* bytes, power of two, at least logical_bs */
	uint32_t io_min;              /* preferred minimum, bytes, power of two; 0: logical_bs */
	uint32_t io_opt;              /* optimal, bytes, power of two; 0: unknown */
	uint32_t discard_granularity; /* bytes; 0: no discard */
	uint32_t max_discard;         /* bytes; ignored without granularity */
	uint32_t max_write_zeroes;    /* bytes; 0: the block layer writes zeroes itself */
	bool volatile_cache;          /* a FLUSH means something */
	bool rotational;
	bool read_only;
};

/* One request in the hands of a target; the engine owns it. */
struct uc_io {
	const struct ublksrv_io_desc *iod; /* stable until the request is committed */
	void *buf;                         /* UC_HOME_FD: room for the request's data */
	uint32_t done;                     /* the target's: bytes that are through */
	uint32_t asked; /* the engine's: sectors of a WRITE before its data was fetched */
	uint16_t tag;
	uint8_t step; /* the target's: which of several steps is running; 0 at the start */
};

/* The request is not finished: an SQE of its own is on the ring. */
#define UC_IO_PENDING INT32_MIN

#define UC_TARGET_FDS  1
#define UC_BACKING_MAX 4096

/* An opened target: made before the handler process is forked, used by all queue threads. */
struct uc_target {
	const struct uc_target_ops *ops;
	uint64_t size; /* bytes, a multiple of limits.logical_bs, never 0 */
	struct uc_limits limits;
	int fds[UC_TARGET_FDS]; /* fixed files of each ring: uc_target_fd(0) ... */
	unsigned nr_fds;
	char backing[UC_BACKING_MAX]; /* for people: a path, or "" */
};

/* Index of fds[i] among the fixed files of a ring; 0 is the character device. */
static inline int uc_target_fd(unsigned i)
{
	return (int)i + 1;
}

/*
 * The I/O half of a target. queue_io() and io_event() run in queue threads, several at a time
 * but never two for one request; they must not block, allocate, lock or log. They return
 * UC_IO_PENDING after putting one SQE on the ring, or the request's result: a byte count for
 * READ and WRITE, 0 for the others, or a negative errno. A READ may be short, and the block layer
 * asks again for the rest; a short WRITE is taken for a whole one by newer drivers (7.3) and must
 * not be returned.
 */
struct uc_target_ops {
	const char *name;
	enum uc_home home;

	/* UC_HOME_MEMORY: where these bytes are. Never NULL; called before queue_io(). */
	void *(*address)(const struct uc_target *target, const struct ublksrv_io_desc *iod);

	/* A request has come; with UC_HOME_MEMORY a WRITE's data is already in place. */
	int (*queue_io)(struct uc_queue *queue, struct uc_io *io);

	/* The SQE of queue_io() or of an earlier io_event() ended with `res`. */
	int (*io_event)(struct uc_queue *queue, struct uc_io *io, int res);

	/* Frees the target. Takes a half-made one. */
	void (*close)(struct uc_target *target);
};

/* What the target's I/O half may ask of the engine. */
const struct uc_target *uc_queue_target(const struct uc_queue *queue);

/*
 * A fresh SQE of the queue's ring for `io`: prepare it with an io_uring_prep_*() call on
 * uc_target_fd(), then hand it to uc_io_arm() and return UC_IO_PENDING. Never NULL.
 */
struct io_uring_sqe *uc_io_sqe(struct uc_queue *queue);
void uc_io_arm(struct io_uring_sqe *sqe, const struct uc_io *io);

/* Start and length in bytes of a request. */
static inline uint64_t uc_iod_offset(const struct ublksrv_io_desc *iod)
{
	return iod->start_sector << 9;
}

static inline uint32_t uc_iod_bytes(const struct ublksrv_io_desc *iod)
{
	return iod->nr_sectors << 9;
}

#endif
