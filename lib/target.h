/* SPDX-License-Identifier: MIT */
#ifndef UC_TARGET_H
#define UC_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "identity.h"
#include "ublk_abi.h"

struct io_uring_sqe;
struct uc_queue;

/* Where a target's data lives. The engine picks the way to move it from this. */
enum uc_home {
	UC_HOME_NOWHERE, /* writes are dropped, reads come from address() */
	UC_HOME_MEMORY,  /* all of it is at address() */
	UC_HOME_FILE,    /* behind fds[0], moved by uc_io_prep_data() */
	UC_HOME_CACHE,   /* as FILE, and what is in memory just now is at address() too */
	UC_HOME_VIEW,    /* as CACHE, and it stays there: a file system in memory */
	UC_HOME_CODE,    /* queue_io() makes it, and takes it, at io->place */
};
#define UC_HOME_COUNT 6

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
	uint32_t dma_align; /* bytes, power of two: of memory in direct I/O; 0: any will do */
};

/* One request in the hands of a target; the engine owns it. */
struct uc_io {
	const struct ublksrv_io_desc *iod; /* stable until the request is committed */
	void *buf;                         /* room for the request's data, if the path has it */
	void *place;   /* where the data is: buf, if begin() says nothing else */
	uint32_t done; /* the target's: bytes that are through */
	uint16_t tag;
	uint8_t step; /* the target's: which of several steps is running; 0 at the start */
	bool held;    /* the engine's: it is with us, and not with the driver */
	/* The path's: */
	bool ending;       /* the target is done with it */
	bool registered;   /* its pages are in the ring's buffer table by our own doing */
	int32_t result;    /* the target's, while the path ends it */
	uint32_t asked;    /* sectors of a WRITE before its data was fetched */
	uint64_t addr;     /* goes with the tag's next driver command */
	uint64_t sqe_addr; /* goes into the SQE of it */
	/* The engine's, for service times: */
	uint64_t begun;     /* CLOCK_MONOTONIC, ns */
	struct uc_io *next; /* among those that are answered, but not submitted yet */
};

/* The request is not finished: an SQE of its own is on the ring. */
#define UC_IO_PENDING INT32_MIN

#define UC_TARGET_FDS  1
#define UC_BACKING_MAX 4096

/* An opened target: made before the handler process is forked, used by all queue threads. */
struct uc_target {
	const struct uc_target_ops *ops;
	enum uc_home home;
	bool reads_any; /* NOWHERE: reads may return whatever was in the reader's memory */
	uint64_t size;  /* bytes, a multiple of limits.logical_bs, never 0 */
	struct uc_limits limits;
	int fds[UC_TARGET_FDS]; /* fixed files of each ring: uc_target_fd(0) ... */
	unsigned nr_fds;
	char backing[UC_BACKING_MAX]; /* a path as it was given, or "" */
	struct uc_identity identity;  /* of what it led to; not known without */
};

/* Whether requests may have their data in a tag's buffer; else all of it is at address(). */
static inline bool uc_target_wants_buffers(const struct uc_target *target)
{
	return target->home != UC_HOME_NOWHERE && target->home != UC_HOME_MEMORY;
}

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

	/*
	 * Where the bytes of this READ or WRITE are, for the engine to move them; not with FILE
	 * and CODE.
	 * With CACHE and VIEW NULL means: not in memory, or not safely so; it is then queue_io()'s.
	 */
	void *(*address)(const struct uc_target *target, const struct ublksrv_io_desc *iod);

	/* A request that the engine cannot answer by moving bytes to or from address(). */
	int (*queue_io)(struct uc_queue *queue, struct uc_io *io);

	/* The SQE of queue_io() or of an earlier io_event() ended with `res`. */
	int (*io_event)(struct uc_queue *queue, struct uc_io *io, int res);

	/*
	 * Bytes that a device can have of what is there now; NULL: as many as it had when it was
	 * opened. Not in a queue thread.
	 */
	uint64_t (*room)(const struct uc_target *target);

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

/* With a file: makes the SQE a read or write of what is left of the request, at this offset. */
void uc_io_prep_data(const struct uc_queue *queue, const struct uc_io *io, struct io_uring_sqe *sqe,
		     uint64_t offset);

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
