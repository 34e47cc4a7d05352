/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "behind.h"
#include "cmd.h"
#include "lifecycle.h"
#include "select.h"
#include "size.h"

enum { OPT_ID = 2, OPT_SIZE, OPT_FORCE };

struct resize {
	struct selection selection;
	struct outcome outcome;
	uint64_t size; /* bytes; 0: as much as is behind the device */
	bool force;
};

static const struct poptOption resize_options[] = {
	{"id", 'n', POPT_ARG_STRING, NULL, OPT_ID, "device id", "ID"},
	{"size", 's', POPT_ARG_STRING, NULL, OPT_SIZE,
	 "new size (default: all of the file or device behind it)", "SIZE"},
	{"force", '\0', POPT_ARG_NONE, NULL, OPT_FORCE,
	 "also make it smaller: what is behind the new end is lost", NULL},
	{NULL, '\0', POPT_ARG_INCLUDE_TABLE, (void *)(uintptr_t)outcome_option_table, 0, NULL,
	 NULL},
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

static uint64_t room_now(void *ctx)
{
	const struct behind *b = ctx;

	return b->type->room(b->config, b->fd);
}

static int check_room(void *ctx, uint64_t size, struct uc_error *err)
{
	const struct behind *b = ctx;

	return b->type->check_room(b->config, b->fd, size, err);
}

static int make_room(void *ctx, uint64_t size, struct uc_error *err)
{
	const struct behind *b = ctx;

	return b->type->make_room(b->config, b->fd, size, err);
}

static int find_room(void *ctx, const struct uc_device *d, struct uc_room *ret_room,
		     struct uc_error *err)
{
	struct behind *b = ctx;
	int ret = behind_find(d, b, err);

	if (ret == 0)
		ret = behind_take_file(d, b, err);
	if (ret < 0)
		return ret;
	*ret_room = (struct uc_room){
		.now = b->type->room ? room_now : NULL,
		.check = b->type->check_room ? check_room : NULL,
		.make = b->type->make_room ? make_room : NULL,
		.option = b->type->size_option,
		.ctx = b,
	};
	return 0;
}

static int resize_one(void *ctx, const struct uc_ref *ref, struct uc_error *err)
{
	struct resize *r = ctx;
	auto_behind struct behind behind = {.fd = -1};
	struct uc_resize how = {
		.size = r->size, .force = r->force, .find = find_room, .ctx = &behind};
	int ret = uc_resize(r->selection.host, ref, &how, err);

	outcome_detail(&r->outcome, "%" PRIu64 " bytes", how.size);
	return ret;
}

static int resize_run(const struct uc_host *host, int argc, const char **argv, struct uc_error *err)
{
	struct resize resize = {
		.selection = {.host = host},
		.outcome = {.command = &resize_command, .verb = "resize", .done = "resized"},
	};
	const struct option_parser parser = {
		.command = &resize_command,
		.take = take_option,
		.operand = take_operand,
		.ctx = &resize,
		.outcome = &resize.outcome,
	};
	int ret = options_parse(&parser, argc, argv, err);

	if (ret == 0 && resize.selection.count != 1)
		ret = uc_fail(err, UC_USAGE, EINVAL, "give one device: an id or a path");
	if (ret == 0)
		ret = select_check(&resize.selection, false, err);
	if (ret == 0)
		ret = select_each(&resize.selection, &resize.outcome, resize_one, &resize, err);
	select_free(&resize.selection);
	return outcome_end(&resize.outcome, ret, err);
}

const struct command resize_command = {
	.name = "resize",
	.summary = "change the size of a running device",
	.synopsis = "[OPTION...] ID|NAME|PATH",
	.options = resize_options,
	.operands = OPERAND_DEVICE,
	.run = resize_run,
};
