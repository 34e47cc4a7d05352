/* SPDX-License-Identifier: MIT */
#ifndef UC_LOOP_H
#define UC_LOOP_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "error.h"
#include "target.h"
#include "view.h"

/* Smallest unit of a file, bytes. */
#define LOOP_SECTOR 512U

struct loop_target {
	struct uc_target base;
	uint64_t offset; /* bytes: where the device begins in the file */
	bool direct;     /* past the page cache */
	struct uc_view view;
	bool created; /* the file is ours to remove if the device does not come up */
};

/* What was found out about the backing file or device. */
struct loop_backing {
	struct stat st;
	uint64_t size;         /* bytes */
	uint32_t sector;       /* bytes: smallest unit that it can be asked for */
	uint32_t physical;     /* bytes */
	uint32_t io_opt;       /* bytes, 0: unknown */
	uint32_t granularity;  /* bytes: smallest unit that can be given back; 0: unknown */
	uint32_t direct_align; /* bytes: of offsets and lengths in direct I/O; 0: no direct I/O */
	bool can_punch;
	bool rotational;
	bool write_cache;
};

/*
 * Finds that out. It may note a time in the file system, unless it is a dry run. Fails if the
 * kernel does not tell the size of a device; `file` is for the message.
 */
int uc_loop_inspect(int fd, const char *file, bool dry_run, struct loop_backing *ret_backing,
		    struct uc_error *err);

/* Who has the file or the disk. */
struct loop_claim {
	int fd;
	const char *file; /* for messages */
	bool read_only;
	bool share;   /* with others that say so, too */
	bool dry_run; /* it is only seen whether it could be had */
	bool anew;    /* for a device that there is not yet */
};

/* Makes it ours, or -EBUSY, or -EROFS. A server that has just died is waited for. */
int uc_loop_claim(const struct loop_claim *claim, struct uc_error *err);

/* open(2), with the same patience where it says EBUSY: a descriptor or a negative errno. */
int uc_loop_open_free(const char *file, int flags, const struct stat *st, bool anew);

extern const struct uc_target_ops uc_loop_ops;

/* Bytes from `offset` to the end of a file or block device. */
uint64_t uc_loop_room(int fd, uint64_t offset);

#endif
