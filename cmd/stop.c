/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "cmd.h"
#include "lifecycle.h"
#include "recover.h"
#include "select.h"

enum { OPT_ID = 2, OPT_ALL, OPT_FORCE };

struct stop {
	struct selection selection;
	struct outcome outcome;
	bool all;
	bool force;
};

static const struct poptOption stop_options[] = {
	{"id", 'n', POPT_ARG_STRING, NULL, OPT_ID, "device id", "ID"},
	{"all", 'a', POPT_ARG_NONE, NULL, OPT_ALL, "all devices that ublkctl serves", NULL},
	{"force", '\0', POPT_ARG_NONE, NULL, OPT_FORCE,
	 "also when in use, or when its data will be lost", NULL},
	{NULL, '\0', POPT_ARG_INCLUDE_TABLE, (void *)(uintptr_t)outcome_option_table, 0, NULL,
	 NULL},
	POPT_TABLEEND,
};

static int take_operand(void *ctx, const char *text, struct uc_error *err)
{
	struct stop *stop = ctx;

	return select_text(&stop->selection, text, err);
}

static int take_option(void *ctx, int option, const char *arg, struct uc_error *err)
{
	struct stop *stop = ctx;

	switch (option) {
	case OPT_ID:
		return take_operand(ctx, arg, err);
	case OPT_ALL:
		stop->all = true;
		return 0;
	default:
		stop->force = true;
		return 0;
	}
}

/* With --all only those count that we serve. */
static bool is_left_out(const struct stop *stop, uint32_t id)
{
	const struct uc_host *host = stop->selection.host;
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	struct uc_device d;

	if (!stop->all || uc_ctrl_open(host, &ctrl, NULL) < 0)
		return false;
	return uc_device_get(host, ctrl, id, &d, NULL) == 0 &&
	       (d.record_state != UC_RECORD_OK || d.info.state != UBLK_S_DEV_LIVE);
}

static int stop_one(void *ctx, const struct uc_ref *ref, struct uc_error *err)
{
	struct stop *stop = ctx;
	int ret;

	if (is_left_out(stop, ref->id))
		return OUTCOME_ABSENT;
	ret = uc_stop(stop->selection.host, ref, stop->force, err);
	if (ret == OUTCOME_KEPT)
		outcome_detail(&stop->outcome, "it is stopped already");
	/* Gone since we listed them. */
	return ret == -ENODEV && stop->all ? OUTCOME_ABSENT : ret;
}

static int stop_run(const struct uc_host *host, int argc, const char **argv, struct uc_error *err)
{
	struct stop stop = {
		.selection = {.host = host},
		.outcome = {.command = &stop_command, .verb = "stop", .done = "stopped"}};
	const struct option_parser parser = {
		.command = &stop_command,
		.take = take_option,
		.operand = take_operand,
		.ctx = &stop,
		.outcome = &stop.outcome,
	};
	int ret = options_parse(&parser, argc, argv, err);

	if (ret == 0)
		ret = select_check(&stop.selection, stop.all, err);
	if (ret == 0)
		ret = select_each(&stop.selection, &stop.outcome, stop_one, &stop, err);
	select_free(&stop.selection);
	return outcome_end(&stop.outcome, ret, err);
}

const struct command stop_command = {
	.name = "stop",
	.summary = "take block devices away, and keep what 'start' needs",
	.synopsis = "[OPTION...] ID|NAME|PATH...",
	.options = stop_options,
	.operands = OPERAND_DEVICES,
	.run = stop_run,
};
