/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "behind.h"
#include "cleanup.h"
#include "cmd.h"
#include "inuse.h"
#include "manage.h"
#include "select.h"
#include "size.h"

enum { OPT_ID = 2, OPT_SIZE, OPT_FORCE };

struct resize {
	struct selection selection;
	uint64_t size; /* bytes; 0: as much as is behind the device */
	bool force;
};

static const struct poptOption resize_options[] = {
	{"id", 'n', POPT_ARG_STRING, NULL, OPT_ID, "device id", "ID"},
	{"size", 's', POPT_ARG_STRING, NULL, OPT_SIZE,
	 "new size (default: all of the file or device behind it)", "SIZE"},
	{"force", '\0', POPT_ARG_NONE, NULL, OPT_FORCE,
	 "also make it smaller: what is behind the new end is lost", NULL},
	POPT_TABLEEND,
};

static int take_operand(void *ctx, const char *text, struct uc_error *err)
{
	struct resize *resize = ctx;

	return select_text(&resize->selection, text, err);
}

static int take_option(void *ctx, int option, const char *arg, struct uc_error *err)
{
	struct resize *resize = ctx;

	switch (option) {
	case OPT_ID:
		return take_operand(ctx, arg, err);
	case OPT_SIZE:
		if (uc_size_parse(arg, "--size", &resize->size, err) < 0)
			return -EINVAL;
		return resize->size ? 0
				    : uc_fail(err, UC_USAGE, EINVAL, "--size: it must not be 0");
	default:
		resize->force = true;
		return 0;
	}
}

static int make_room(const struct behind *b, uint64_t size, struct uc_error *err)
{
	return b->type->make_room ? b->type->make_room(b->config, b->fd, size, err) : 0;
}

static int grow(const struct uc_host *host, const struct uc_device *d, const struct behind *b,
		uint64_t room, uint64_t size, struct uc_error *err)
{
	int ret = size > room ? make_room(b, size, err) : 0;

	return ret < 0 ? ret : uc_resize(host, d, size, err);
}

/* The device first: no request may be behind the end of what it lies on. */
static int shrink(const struct uc_host *host, const struct uc_device *d, const struct behind *b,
		  uint64_t room, uint64_t size, struct uc_error *err)
{
	int ret = uc_inuse_check(host, d, err);

	if (ret == 0)
		ret = uc_resize(host, d, size, err);
	/* A file that goes on behind the device's end is not ours to cut. */
	if (ret == 0 && room / d->logical_bs * d->logical_bs == d->size)
		ret = make_room(b, size, err);
	return ret;
}

/* So that the next handler finds the device as it is now. */
static int note_size(const struct uc_host *host, const struct uc_device *d, const struct behind *b,
		     uint64_t size, struct uc_error *err)
{
	uc_auto_json struct json_object *options = json_tokener_parse(d->record.options);
	struct uc_record record = d->record;
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, size);
	json_object_object_add(options, b->type->size_option, json_object_new_string(text));
	snprintf(record.options, sizeof(record.options), "%s",
		 json_object_to_json_string_ext(options, JSON_C_TO_STRING_PLAIN));
	return uc_record_write(host, &record, err);
}

static int resize_behind(const struct resize *r, const struct uc_device *d, const struct behind *b,
			 struct uc_error *err)
{
	const struct uc_host *host = r->selection.host;
	/* Without limit there is nothing to follow. */
	const uint64_t room = b->type->room ? b->type->room(b->config, b->fd) : d->size;
	const uint64_t size = r->size ? r->size : room / d->logical_bs * d->logical_bs;
	int ret = uc_resize_check(d, size, err);

	if (ret < 0 || size == d->size)
		return ret;
	if (size < d->size && !r->force)
		return uc_fail(err, UC_USAGE, EINVAL,
			       "%" PRIu64 " bytes are less than the %" PRIu64
			       " that device %u has; "
			       "use --force if what is behind the new end may be lost",
			       size, d->size, d->info.dev_id);
	ret = size > d->size ? grow(host, d, b, room, size, err)
			     : shrink(host, d, b, room, size, err);
	return ret < 0 ? ret : note_size(host, d, b, size, err);
}

static int resize_device(const struct resize *r, struct uc_error *err)
{
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	auto_behind struct behind behind = {.fd = -1};
	struct uc_device device = {0};
	int ret = uc_ctrl_open(r->selection.host, &ctrl, err);

	if (ret == 0)
		ret = uc_device_get(r->selection.host, ctrl, r->selection.ids[0], &device, err);
	/* What no size can mend, before anything is asked of the handler. */
	if (ret == 0)
		ret = uc_resize_check(&device, r->size ? r->size : device.size, err);
	if (ret == 0)
		ret = behind_find(&device, &behind, err);
	if (ret == 0)
		ret = behind_take_file(&device, &behind, err);
	return ret ? ret : resize_behind(r, &device, &behind, err);
}

static int resize_run(const struct uc_host *host, int argc, const char **argv, struct uc_error *err)
{
	const struct uc_host in_time = uc_host_within(host, host->timeout_ms);
	struct resize resize = {.selection = {.host = &in_time}};
	const struct option_parser parser = {
		.command = &resize_command,
		.take = take_option,
		.operand = take_operand,
		.ctx = &resize,
	};
	int ret = options_parse(&parser, argc, argv, err);

	if (ret == 0 && resize.selection.count != 1)
		ret = uc_fail(err, UC_USAGE, EINVAL, "give one device: an id or a path");
	if (ret == 0)
		ret = resize_device(&resize, err);
	free(resize.selection.ids);
	return ret;
}

const struct command resize_command = {
	.name = "resize",
	.summary = "change the size of a running device",
	.synopsis = "[OPTION...] ID|NAME|PATH",
	.options = resize_options,
	.operands = OPERAND_DEVICE,
	.run = resize_run,
};
