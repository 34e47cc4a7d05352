/* SPDX-License-Identifier: MIT */
/* add --if-absent: is what was asked for there already? */
#include "present.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "describe.h"
#include "name.h"
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

/* As a person reads it; "" if there is no such option. */
static const char *text_of(struct json_object *options, const char *name)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(options, name, &value);
	if (json_object_is_type(value, json_type_boolean))
		return json_object_get_boolean(value) ? "on" : "off";
	return value ? json_object_get_string(value) : "";
}

/* Those of `from` against those of `to`; `skip` (or NULL) may differ. */
static int compare_options(const struct difference *x, struct json_object *from,
			   struct json_object *to, bool from_device, const char *skip)
{
	char what[80];

	json_object_object_foreach(from, name, value)
	{
		const char *mine = text_of(from, name);
		const char *theirs = text_of(to, name);

		(void)value;
		if (skip && strcmp(name, skip) == 0)
			continue;
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
	const char *backing = serve->backing ? serve->backing : "";
	const struct uc_identity identity = uc_identity_of_path(backing);
	int ret = 0;

	if (strcmp(r->target, serve->type->name) != 0)
		ret = differ(x, "--target", r->target, serve->type->name);
	else if (*backing ? !uc_device_has_backing(x->device, backing, &identity) : *r->backing)
		ret = differ(x, "backing", r->backing, backing);
	if (ret == 0)
		ret = compare_options(x, serve->target_options, options, false, NULL);
	/* How large `resize` has made the device is its own. */
	if (ret == 0)
		ret = compare_options(x, options, serve->target_options, true,
				      serve->type->size_option);
	return ret;
}

static int compare_id(const struct difference *x, uint32_t asked)
{
	char is_text[16];
	char asked_text[16];

	if (asked == UC_ID_ANY || asked == x->device->info.dev_id)
		return 0;
	snprintf(is_text, sizeof(is_text), "%" PRIu32, x->device->info.dev_id);
	snprintf(asked_text, sizeof(asked_text), "%" PRIu32, asked);
	return differ(x, "--id", is_text, asked_text);
}

int present_compare(const struct serve *serve, const struct uc_device *d, struct uc_error *err)
{
	const struct difference x = {d, err};
	uc_auto_json struct json_object *is = describe_device(d);
	uc_auto_json struct json_object *asked = describe_spec(&serve->spec);
	int ret = compare_target(&x, serve);

	if (ret == 0)
		ret = compare_id(&x, serve->spec.id);
	return ret == 0 ? compare_options(&x, is, asked, true, NULL) : ret;
}

int present_check(const struct uc_host *host, const struct serve *serve, const struct uc_device *d,
		  struct uc_error *err)
{
	int ret = present_compare(serve, d, err);

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
