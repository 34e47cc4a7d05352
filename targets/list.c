/* SPDX-License-Identifier: MIT */
/* One target more is a file that ends in its uc_NAME_target, and a line here. */
#include "targets.h"

#define TARGETS(X)                                                                                 \
	X(null)                                                                                    \
	X(loop)                                                                                    \
	X(ramdisk)

#define DECLARE(name) extern const struct uc_target_type uc_##name##_target;
#define ENTRY(name)   &uc_##name##_target,

TARGETS(DECLARE)

const struct uc_target_type *const uc_target_list[] = {TARGETS(ENTRY) NULL};
