/* SPDX-License-Identifier: MIT */
/* Stands in for targets/list.c, as that would be with the example in it. */
#include "targets.h"

extern const struct uc_target_type uc_null_target;
extern const struct uc_target_type uc_loop_target;
extern const struct uc_target_type uc_ramdisk_target;
extern const struct uc_target_type uc_number_target;

const struct uc_target_type *const uc_target_list[] = {
	&uc_null_target, &uc_loop_target, &uc_ramdisk_target, &uc_number_target, NULL,
};
