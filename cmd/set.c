/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "cmd.h"
#include "lifecycle.h"
#include "select.h"

enum { OPT_ID = 2, OPT_CPUS };

struct set {
	struct selection selection;
	struct outcome outcome;
	struct uc_cpus cpus;
};

static const struct poptOption set_options[] = {
	{"id", 'n', POPT_ARG_STRING, NULL, OPT_ID, "device id", "ID"},
	{"cpus", '\0', POPT_ARG_STRING, NULL, OPT_CPUS,
	 "CPUs that the threads of its queues may use, such as 0-3,6", "LIST"},
	{NULL, '\0', POPT_ARG_INCLUDE_TABLE, (void *)(uintptr_t)outcome_option_table, 0, NULL,
	 NULL},
	POPT_TABLEEND,
};

static int take_operand(void *ctx, const char *text, struct uc_error *err)
{
	struct set *set = ctx;

	return select_text(&set->selection, text, err);
}

static int take_option(void *ctx, int option, const char *arg, struct uc_error *err)
{
	struct set *set = ctx;

	return option == OPT_ID ? take_operand(ctx, arg, err)
				: uc_cpus_parse(arg, "--cpus", &set->cpus, err);
}

static int set_one(void *ctx, const struct uc_ref *ref, struct uc_error *err)
{
	struct set *set = ctx;
	const int ret = uc_set_cpus(set->selection.host, ref, &set->cpus, err);
	char cpus[200];

	(void)uc_cpus_format(&set->cpus, cpus, sizeof(cpus));
	outcome_detail(&set->outcome, "--cpus %s", cpus);
	return ret;
}

static int set_run(const struct uc_host *host, int argc, const char **argv, struct uc_error *err)
{
	struct set set = {.selection = {.host = host},
			  .outcome = {.command = &set_command, .verb = "set", .done = "set"}};
	const struct option_parser parser = {
		.command = &set_command,
		.take = take_option,
		.operand = take_operand,
		.ctx = &set,
		.outcome = &set.outcome,
	};
	int ret = options_parse(&parser, argc, argv, err);

	if (ret == 0 && set.selection.count != 1)
		ret = uc_fail(err, UC_USAGE, EINVAL, "give one device: an id or a path");
	if (ret == 0 && uc_cpus_is_empty(&set.cpus))
		ret = uc_fail(err, UC_USAGE, EINVAL, "nothing to set: give --cpus LIST");
	if (ret == 0)
		ret = select_check(&set.selection, false, err);
	if (ret == 0)
		ret = select_each(&set.selection, &set.outcome, set_one, &set, err);
	select_free(&set.selection);
	return outcome_end(&set.outcome, ret, err);
}

const struct command set_command = {
	.name = "set",
	.summary = "change how a running device is served",
	.synopsis = "--cpus LIST ID|NAME|PATH",
	.options = set_options,
	.operands = OPERAND_DEVICE,
	.run = set_run,
};
