/* SPDX-License-Identifier: MIT */
#ifndef UC_LOOP_H
#define UC_LOOP_H

#include <limits.h>
#include <stdbool.h>

#include "target.h"
#include "view.h"

struct loop_target {
	struct uc_target base;
	uint64_t offset; /* bytes: where the device begins in the file */
	bool direct;     /* past the page cache */
	struct uc_view view;
	bool created; /* the file is ours to remove if the device does not come up */
};

extern const struct uc_target_ops uc_loop_ops;

/* Bytes from `offset` to the end of a file or block device. */
uint64_t uc_loop_room(int fd, uint64_t offset);

#endif
