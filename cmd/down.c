/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>

#include "lifecycle.h"
#include "name.h"
#include "plan.h"

enum { OPT_FORCE = 2 };

struct down {
	struct plan plan;
	bool force;
};

static const struct poptOption down_options[] = {
	{NULL, '\0', POPT_ARG_INCLUDE_TABLE, (void *)(uintptr_t)plan_option_table, 0, NULL, NULL},
	{"force", '\0', POPT_ARG_NONE, NULL, OPT_FORCE,
	 "also when in use: its users get I/O errors", NULL},
	POPT_TABLEEND,
};

static int take_option(void *ctx, int option, const char *arg, struct uc_error *err)
{
	struct down *down = ctx;

	if (option != OPT_FORCE)
		return plan_option(&down->plan, option, arg, err);
	down->force = true;
	return 0;
}

static int take_operand(void *ctx, const char *text, struct uc_error *err)
{
	struct down *down = ctx;

	return plan_name(&down->plan, text, err);
}

static int down_one(void *ctx, const struct uc_host *host, struct tab_line *line, struct step *step,
		    struct uc_error *err)
{
	const struct down *down = ctx;
	struct uc_device d = {0};
	struct uc_ref ref;
	int ret = uc_name_find(host, line->name, &d, err);

	if (ret == 0) {
		step->act = ACT_DEL;
		snprintf(step->device, sizeof(step->device), "%s", d.node);
		snprintf(step->why, sizeof(step->why), "it is there");
		ref = uc_device_ref_of(&d);
		ret = uc_del(host, &ref, down->force, err);
	} else if (ret == -ENODEV) {
		snprintf(step->why, sizeof(step->why), "it is not there");
	}
	return ret == -ENODEV ? 0 : ret;
}

static int down_run(const struct uc_host *host, int argc, const char **argv, struct uc_error *err)
{
	struct down down = {.plan = {.outcome = {.command = &down_command},
				     .only_names = true,
				     .backwards = true}};
	const struct option_parser parser = {
		.command = &down_command,
		.take = take_option,
		.operand = take_operand,
		.ctx = &down,
		.outcome = &down.plan.outcome,
	};
	struct plan *plan = &down.plan;
	int ret = options_parse(&parser, argc, argv, err);

	if (ret == 0)
		ret = plan_read(plan, host, err);
	if (ret == 0)
		ret = plan_each(plan, host, down_one, &down, err);
	ret = plan_end(plan, ret, err);
	plan_free(plan);
	return ret;
}

const struct command down_command = {
	.name = "down",
	.summary = "delete devices of /etc/ublktab",
	.synopsis = "[OPTION...] NAME...|--all",
	.options = down_options,
	.operands = OPERAND_LINES,
	.run = down_run,
};
