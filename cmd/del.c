/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd.h"
#include "inherited.h"
#include "lifecycle.h"
#include "select.h"
#include "serve.h"

enum { OPT_ID = 2, OPT_FILE, OPT_ALL, OPT_FORCE, OPT_LAZY };

struct del {
	struct selection selection;
	struct outcome outcome;
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
	{NULL, '\0', POPT_ARG_INCLUDE_TABLE, (void *)(uintptr_t)outcome_option_table, 0, NULL,
	 NULL},
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

static int delete_one(void *ctx, const struct uc_ref *ref, struct uc_error *err)
{
	const struct del *del = ctx;
	int ret = (del->lazy ? uc_del_lazy : uc_del)(del->selection.host, ref, del->force, err);

	/* Gone since we listed them: that is what --all wants. */
	return ret == -ENODEV && del->all ? OUTCOME_ABSENT : ret;
}

static int del_run(const struct uc_host *host, int argc, const char **argv, struct uc_error *err)
{
	struct del del = {
		.selection = {.host = host},
		.outcome = {.command = &del_command, .verb = "delete", .done = "deleted"}};
	const struct option_parser parser = {
		.command = &del_command,
		.take = take_option,
		.operand = take_operand,
		.ctx = &del,
		.outcome = &del.outcome,
	};
	int ret;

	/* What the caller has open may be the device itself. */
	inherited_close(argc, argv);
	ret = options_parse(&parser, argc, argv, err);

	if (ret == 0)
		ret = select_check(&del.selection, del.all, err);
	if (ret == 0)
		ret = select_each_at_once(&del.selection, &del.outcome, delete_one, &del, err);
	select_free(&del.selection);
	return outcome_end(&del.outcome, ret, err);
}

const struct command del_command = {
	.name = "del",
	.summary = "stop and remove devices",
	.synopsis = "[OPTION...] ID|NAME|PATH...",
	.options = del_options,
	.operands = OPERAND_DEVICES,
	.run = del_run,
};
