/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "again.h"
#include "behind.h"
#include "cmd.h"
#include "inherited.h"
#include "lifecycle.h"
#include "recover.h"
#include "select.h"
#include "serve.h"

enum { OPT_ID = 2, OPT_ALL };

struct start {
	struct selection selection;
	struct outcome outcome;
	bool all;
};

static const struct poptOption start_options[] = {
	{"id", 'n', POPT_ARG_STRING, NULL, OPT_ID, "device id", "ID"},
	{"all", 'a', POPT_ARG_NONE, NULL, OPT_ALL, "all devices that were stopped", NULL},
	{NULL, '\0', POPT_ARG_INCLUDE_TABLE, (void *)(uintptr_t)outcome_option_table, 0, NULL,
	 NULL},
	POPT_TABLEEND,
};

static int take_operand(void *ctx, const char *text, struct uc_error *err)
{
	struct start *start = ctx;

	return select_text(&start->selection, text, err);
}

static int take_option(void *ctx, int option, const char *arg, struct uc_error *err)
{
	struct start *start = ctx;

	if (option == OPT_ID)
		return take_operand(ctx, arg, err);
	start->all = true;
	return 0;
}

static int open_behind(void *ctx, const struct uc_host *host, const struct uc_device *d,
		       struct uc_spec *spec, struct uc_target **ret_target, struct uc_error *err)
{
	auto_behind struct behind behind = {.fd = -1};
	int ret = behind_find(d, &behind, err);

	(void)ctx;
	/* Memory that nobody kept was given up with stop --force. */
	if (ret == 0 && d->record.keeper.pid)
		ret = behind_take_kept(host, d, true, behind.type, behind.config, err);
	return ret < 0 ? ret : behind.type->open(behind.config, spec, ret_target, err);
}

static int tell_again(void *ctx, const struct uc_added *added)
{
	const struct again *again = ctx;

	return again->ready(again->ctx, added);
}

int again_start(const struct uc_host *host, const struct again *again, const struct uc_ref *ref,
		struct uc_error *err)
{
	const struct uc_restore restore = {.spec = &again->serve->spec,
					   .open = open_behind,
					   .ready = tell_again,
					   .ctx = (void *)(uintptr_t)again};
	struct uc_added added;

	return uc_start(host, ref, &restore, &added, err);
}

static int start_one(void *ctx, const struct uc_ref *ref, struct uc_error *err)
{
	static const struct serve as_it_was;
	static const struct again again = {.serve = &as_it_was};
	const struct start *start = ctx;
	int ret = again_start(start->selection.host, &again, ref, err);

	/* With --all only those count that were stopped. */
	return ret < 0 && start->all &&
			       (err->code == UC_BUSY || err->code == UC_NO_DEVICE ||
				err->errnum == EINVAL)
		       ? OUTCOME_ABSENT
		       : ret;
}

static int start_run(const struct uc_host *host, int argc, const char **argv, struct uc_error *err)
{
	struct start start = {
		.selection = {.host = host},
		.outcome = {.command = &start_command, .verb = "start", .done = "started"}};
	const struct option_parser parser = {
		.command = &start_command,
		.take = take_option,
		.operand = take_operand,
		.ctx = &start,
		.outcome = &start.outcome,
	};
	int ret;

	inherited_close(argc, argv);
	ret = options_parse(&parser, argc, argv, err);
	if (ret == 0)
		ret = select_check(&start.selection, start.all, err);
	if (ret == 0)
		ret = select_each(&start.selection, &start.outcome, start_one, &start, err);
	select_free(&start.selection);
	return outcome_end(&start.outcome, ret, err);
}

const struct command start_command = {
	.name = "start",
	.summary = "bring stopped devices back",
	.synopsis = "[OPTION...] ID|NAME|PATH...",
	.options = start_options,
	.operands = OPERAND_DEVICES,
	.suits = uc_device_is_stopped,
	.run = start_run,
};
