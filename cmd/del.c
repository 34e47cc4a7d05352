/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd.h"
#include "manage.h"
#include "select.h"

enum { OPT_ID = 2, OPT_FILE, OPT_ALL, OPT_FORCE, OPT_LAZY };

struct del {
	struct selection selection;
	bool all;
	bool force;
	bool lazy;
};

static const struct poptOption del_options[] = {
	{"id", 'n', POPT_ARG_STRING, NULL, OPT_ID, "device id", "ID"},
	{"file", 'f', POPT_ARG_STRING, NULL, OPT_FILE, "all devices that lie on this file", "FILE"},
	{"all", 'a', POPT_ARG_NONE, NULL, OPT_ALL, "all devices", NULL},
	{"force", '\0', POPT_ARG_NONE, NULL, OPT_FORCE,
	 "also when in use: its users get I/O errors", NULL},
	{"lazy", '\0', POPT_ARG_NONE, NULL, OPT_LAZY,
	 "wait for nothing; when in use, delete it after its last user", NULL},
	POPT_TABLEEND,
};

static int take_operand(void *ctx, const char *text, struct uc_error *err)
{
	struct del *del = ctx;

	return select_text(&del->selection, text, err);
}

static int take_option(void *ctx, int option, const char *arg, struct uc_error *err)
{
	struct del *del = ctx;

	switch (option) {
	case OPT_ID:
		return take_operand(ctx, arg, err);
	case OPT_FILE:
		return select_file(&del->selection, arg, err);
	case OPT_ALL:
		del->all = true;
		return 0;
	case OPT_LAZY:
		del->lazy = true;
		return 0;
	default:
		del->force = true;
		return 0;
	}
}

static int delete_one(void *ctx, uint32_t id, struct uc_error *err)
{
	const struct del *del = ctx;
	int ret = (del->lazy ? uc_del_lazy : uc_del)(del->selection.host, id, del->force, err);

	/* Gone since we listed them: that is what --all wants. */
	return ret == -ENODEV && del->all ? 0 : ret;
}

static int del_run(const struct uc_host *host, int argc, const char **argv, struct uc_error *err)
{
	struct del del = {.selection = {.host = host}};
	const struct option_parser parser = {
		.command = &del_command,
		.take = take_option,
		.operand = take_operand,
		.ctx = &del,
	};
	int ret = options_parse(&parser, argc, argv, err);

	if (ret == 0)
		ret = select_check(&del.selection, del.all, err);
	if (ret == 0)
		ret = select_each(&del.selection, &del_command, delete_one, &del, err);
	free(del.selection.ids);
	return ret;
}

const struct command del_command = {
	.name = "del",
	.summary = "stop and remove devices",
	.synopsis = "[OPTION...] ID|NAME|PATH...",
	.options = del_options,
	.operands = OPERAND_DEVICES,
	.run = del_run,
};
