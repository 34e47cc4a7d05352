/* SPDX-License-Identifier: MIT */
/* add --if-absent: is what was asked for there already? */
#include "present.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "name.h"
#include "path.h"
#include "recover.h"
#include "size.h"

int present_find(const struct uc_host *host, const struct serve *serve, bool by_backing,
		 struct uc_device *ret_device, struct uc_error *err)
{
	int ret = -ENODEV;

	if (serve->spec.name)
		ret = uc_name_find(host, serve->spec.name, ret_device, err);
	else if (by_backing && serve->backing)
		ret = uc_name_find_backing(host, serve->type->name, serve->backing, ret_device,
					   err);
	return ret;
}

/* One thing that may differ, in words. */
struct difference {
	const struct uc_device *device;
	struct uc_error *err;
};

static int differ(const struct difference *x, const char *what, const char *is, const char *asked)
{
	return uc_fail(
		x->err, UC_DIFFERS, EEXIST,
		"device %u (%s) is there, but with %s %.100s, not %.100s; delete it, or leave "
		"it as it is",
		x->device->info.dev_id, x->device->node, what, *is ? is : "none",
		*asked ? asked : "none");
}

static int compare_text(const struct difference *x, const char *what, const char *is,
			const char *asked)
{
	return strcmp(is, asked) == 0 ? 0 : differ(x, what, is, asked);
}

static int compare_number(const struct difference *x, const char *what, uint64_t is, uint64_t asked)
{
	char is_text[24];
	char asked_text[24];

	snprintf(is_text, sizeof(is_text), "%" PRIu64, is);
	snprintf(asked_text, sizeof(asked_text), "%" PRIu64, asked);
	return compare_text(x, what, is_text, asked_text);
}

static int compare_truth(const struct difference *x, const char *what, bool is, bool asked)
{
	return is == asked ? 0 : differ(x, what, is ? "on" : "off", asked ? "on" : "off");
}

/* "1G" and "1024M" are the same. */
static bool is_same_value(const char *a, const char *b)
{
	uint64_t size_a;
	uint64_t size_b;

	if (strcmp(a, b) == 0)
		return true;
	return uc_size_parse(a, "", &size_a, NULL) == 0 &&
	       uc_size_parse(b, "", &size_b, NULL) == 0 && size_a == size_b;
}

/* Those of `from` against those of `to`; how large the device was made by `resize` is its own. */
static int compare_options(const struct difference *x, const struct serve *serve,
			   struct json_object *from, struct json_object *to, bool from_device)
{
	char what[80];

	json_object_object_foreach(from, name, value)
	{
		const char *mine = json_object_get_string(value);
		struct json_object *other = NULL;
		const char *theirs;

		if (from_device && serve->type->size_option &&
		    strcmp(name, serve->type->size_option) == 0)
			continue;
		json_object_object_get_ex(to, name, &other);
		theirs = other ? json_object_get_string(other) : "";
		snprintf(what, sizeof(what), "--%s", name);
		if (!is_same_value(mine, theirs))
			return from_device ? differ(x, what, mine, theirs)
					   : differ(x, what, theirs, mine);
	}
	return 0;
}

static int compare_target(const struct difference *x, const struct serve *serve)
{
	const struct uc_record *r = &x->device->record;
	uc_auto_json struct json_object *options = json_tokener_parse(r->options);
	int ret = compare_text(x, "--target", r->target, serve->type->name);

	if (ret == 0)
		ret = compare_text(x, "backing", r->backing, serve->backing ? serve->backing : "");
	if (ret == 0)
		ret = compare_options(x, serve, serve->target_options, options, false);
	if (ret == 0)
		ret = compare_options(x, serve, options, serve->target_options, true);
	return ret;
}

static int compare_device(const struct difference *x, const struct uc_spec *spec)
{
	const struct ublksrv_ctrl_dev_info *info = &x->device->info;
	const struct uc_record *r = &x->device->record;
	int ret = 0;

	if (spec->id != UC_ID_ANY)
		ret = compare_number(x, "--id", info->dev_id, spec->id);
	if (ret == 0)
		ret = compare_number(x, "--queues", info->nr_hw_queues, spec->queues);
	if (ret == 0)
		ret = compare_number(x, "--depth", info->queue_depth, spec->depth);
	if (ret == 0)
		ret = compare_number(x, "--max-io-size", info->max_io_buf_bytes, spec->max_io_size);
	if (ret == 0)
		ret = compare_number(x, "--logical-block-size", r->logical_bs, spec->logical_bs);
	if (ret == 0)
		ret = compare_number(x, "--physical-block-size", r->physical_bs, spec->physical_bs);
	if (ret == 0)
		ret = compare_truth(x, "--read-only", r->read_only, spec->read_only);
	if (ret == 0)
		ret = compare_text(x, "--recovery", uc_recovery_name(uc_recovery_of(info->flags)),
				   uc_recovery_name(spec->recovery));
	return ret;
}

static int compare_handler(const struct difference *x, const struct uc_spec *spec)
{
	const struct uc_record *r = &x->device->record;
	char is[512];
	char asked[512];
	int ret = compare_number(x, "--threads", r->threads, spec->threads);

	(void)uc_cpus_format(&r->cpus, is, sizeof(is));
	(void)uc_cpus_format(&spec->cpus, asked, sizeof(asked));
	if (ret == 0)
		ret = compare_text(x, "--cpus", is, asked);
	if (ret == 0)
		ret = compare_text(x, "--data-path", r->path_asked ? r->path : "auto",
				   spec->path ? spec->path->name : "auto");
	if (ret == 0)
		ret = compare_text(x, "--shared-memory", r->shared_memory,
				   spec->shared_memory ? spec->shared_memory : "");
	if (ret == 0)
		ret = compare_truth(x, "--respawn", r->respawn, spec->respawn);
	return ret;
}

int present_check(const struct uc_host *host, const struct serve *serve, const struct uc_device *d,
		  struct uc_error *err)
{
	const struct difference x = {d, err};
	int ret = compare_target(&x, serve);

	if (ret == 0)
		ret = compare_device(&x, &serve->spec);
	if (ret == 0)
		ret = compare_handler(&x, &serve->spec);
	if (ret < 0)
		return ret;
	if (d->info.state == UBLK_S_DEV_LIVE && d->has_node && uc_recover_is_served(host, &d->info))
		return 0;
	return uc_fail(err, UC_DIFFERS, EEXIST,
		       "device %u (%s) is there, but %s and without a handler; see 'ublkctl %s "
		       "%u'",
		       d->info.dev_id, d->node, uc_device_state_name(d->info.state),
		       uc_device_is_stopped(d) ? "start" : "recover", d->info.dev_id);
}
