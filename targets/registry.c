/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "targets.h"

static const struct uc_target_type *const types[] = {
	&uc_null_target,
	&uc_loop_target,
	&uc_ramdisk_target,
};

#define NR_TYPES (sizeof(types) / sizeof(types[0]))

const struct uc_target_type *const *uc_target_types(size_t *ret_count)
{
	*ret_count = NR_TYPES;
	return types;
}

const struct uc_target_type *uc_target_find(const char *name)
{
	for (size_t i = 0; i < NR_TYPES; i++)
		if (strcmp(types[i]->name, name) == 0)
			return types[i];
	return NULL;
}

int uc_target_block_sizes(const struct uc_spec *spec, struct uc_limits *limits,
			  struct uc_error *err)
{
	if (spec->logical_bs && spec->logical_bs < limits->logical_bs)
		return uc_fail(err, UC_USAGE, EINVAL,
			       "--logical-block-size: %u is less than the %u that the data needs",
			       spec->logical_bs, limits->logical_bs);
	if (spec->logical_bs)
		limits->logical_bs = spec->logical_bs;
	if (limits->physical_bs < limits->logical_bs)
		limits->physical_bs = limits->logical_bs;
	if (spec->physical_bs)
		limits->physical_bs = spec->physical_bs;
	if (limits->physical_bs < limits->logical_bs)
		return uc_fail(err, UC_USAGE, EINVAL,
			       "--physical-block-size: %u is less than the logical block size %u",
			       limits->physical_bs, limits->logical_bs);
	if (limits->discard_granularity && limits->discard_granularity < limits->logical_bs)
		limits->discard_granularity = limits->logical_bs;
	if (limits->io_min < limits->physical_bs)
		limits->io_min = limits->physical_bs;
	return 0;
}
