/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>

#include "cmd.h"

struct help {
	const struct command *about;
};

static const struct poptOption no_options[] = {POPT_TABLEEND};

static int take_option(void *ctx, int option, const char *arg, struct uc_error *err)
{
	(void)ctx;
	(void)arg;
	return uc_fail(err, UC_USAGE, EINVAL, "unknown option %d", option);
}

static int take_operand(void *ctx, const char *text, struct uc_error *err)
{
	struct help *help = ctx;

	if (help->about)
		return uc_fail(err, UC_USAGE, EINVAL, "unexpected argument '%s'", text);
	help->about = command_find(text);
	return help->about ? 0 : uc_fail(err, UC_USAGE, EINVAL, "'%s' is not a command", text);
}

static int help_run(const struct uc_host *host, int argc, const char **argv, struct uc_error *err)
{
	struct help help = {0};
	const struct option_parser parser = {
		.command = &help_command,
		.take = take_option,
		.operand = take_operand,
		.ctx = &help,
	};
	int ret = options_parse(&parser, argc, argv, err);

	if (ret)
		return ret;
	if (!help.about) {
		front_help();
		return 0;
	}
	char program[64];
	const char *args[] = {program, "--help", NULL};

	snprintf(program, sizeof(program), "ublkctl %s", help.about->name);
	return help.about->run(host, 2, args, err);
}

const struct command help_command = {
	.name = "help",
	.summary = "show the help of the program or of a command",
	.synopsis = "[COMMAND]",
	.options = no_options,
	.operands = OPERAND_COMMAND,
	.run = help_run,
};
