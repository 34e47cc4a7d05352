/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>

#include "cleanup.h"
#include "targets.h"

#define MAX_RANGE (1U << 30)

const struct uc_target_type *const *uc_target_types(size_t *ret_count)
{
	*ret_count = 0;
	while (uc_target_list[*ret_count])
		++*ret_count;
	return uc_target_list;
}

const struct uc_target_type *uc_target_find(const char *name)
{
	const struct uc_target_type *const *type = uc_target_list;

	while (*type && strcmp((*type)->name, name) != 0)
		type++;
	return *type;
}

const struct poptOption *uc_target_option(const struct uc_target_type *type, int option)
{
	const struct poptOption *o = type->options;

	while (o->longName && o->val != option)
		o++;
	return o->longName ? o : NULL;
}

const struct poptOption *uc_target_option_named(const struct uc_target_type *type, const char *name)
{
	const struct poptOption *o = type->options;

	while (o->longName && strcmp(o->longName, name) != 0)
		o++;
	return o->longName ? o : NULL;
}

bool uc_target_option_lasts(const struct uc_target_type *type, int option)
{
	for (const int *first = type->at_first; first && *first; first++)
		if (*first == option)
			return false;
	return option != type->backing;
}

int uc_target_restore(const struct uc_target_type *type, void *config, const char *backing,
		      const char *options, struct uc_error *err)
{
	uc_auto_json struct json_object *doc = json_tokener_parse(options);
	int ret = type->backing ? type->option(config, type->backing, backing, err) : 0;

	if (!doc || !json_object_is_type(doc, json_type_object))
		return uc_fail(err, UC_FAILED, EINVAL, "the record of its options is spoiled");
	json_object_object_foreach(doc, name, value)
	{
		const struct poptOption *o = uc_target_option_named(type, name);

		if (ret < 0)
			break;
		ret = o ? type->option(config, o->val, json_object_get_string(value), err)
			: uc_fail(err, UC_FAILED, EINVAL,
				  "its record has an option '%s', which target %s has not", name,
				  type->name);
	}
	return ret;
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

int uc_target_memory_limits(const struct uc_spec *spec, uint64_t size, uint32_t granularity,
			    struct uc_limits *ret_limits, struct uc_error *err)
{
	int ret;

	*ret_limits = (struct uc_limits){
		.logical_bs = 512,
		.physical_bs = 4096,
		.discard_granularity = granularity,
		.max_discard = MAX_RANGE,
		.max_write_zeroes = MAX_RANGE,
		.read_only = spec->read_only,
	};
	ret = uc_target_block_sizes(spec, ret_limits, err);
	if (ret == 0 && size % ret_limits->logical_bs)
		return uc_fail(err, UC_USAGE, EINVAL,
			       "--size: %" PRIu64 " is not a multiple of the block size %u", size,
			       ret_limits->logical_bs);
	return ret;
}
