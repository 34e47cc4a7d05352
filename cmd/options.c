/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "cmd.h"
#include "size.h"
#include "table.h"

#define OPT_HELP    1      /* commands' own values begin at 2 */
#define OPT_TIMEOUT 0x7fff /* above all of theirs */

#define MAX_TIMEOUT_S 3600

/* Of every command, unless it has one of its own by that name. */
static const struct poptOption common_options[] = {
	{"timeout", '\0', POPT_ARG_STRING, NULL, OPT_TIMEOUT,
	 "bound of what is done to each device (default 10)", "SECONDS"},
	{"help", 'h', POPT_ARG_NONE, NULL, OPT_HELP, "show this help", NULL},
	POPT_TABLEEND,
};

/* popt would take the first of two by one name, but list both. */
static const struct poptOption *common_to(const struct poptOption *own)
{
	for (; own->longName || own->arg; own++)
		if (own->longName && strcmp(own->longName, common_options[0].longName) == 0)
			return &common_options[1];
	return common_options;
}

int timeout_parse(const char *arg, unsigned *ret_ms, struct uc_error *err)
{
	uint64_t seconds;
	int ret = uc_number_parse(arg, "--timeout", 1, MAX_TIMEOUT_S, &seconds, err);

	if (ret == 0)
		*ret_ms = (unsigned)seconds * 1000;
	return ret;
}

/* What is wrong with it is said when the command's options are parsed. */
void timeout_find(int argc, char **argv, unsigned *ms)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--timeout") == 0 && i + 1 < argc)
			(void)timeout_parse(argv[i + 1], ms, NULL);
		else if (strncmp(argv[i], "--timeout=", 10) == 0)
			(void)timeout_parse(argv[i] + 10, ms, NULL);
	}
}

static int explain(poptContext popt, int code, struct uc_error *err)
{
	const char *option = poptBadOption(popt, POPT_BADOPTION_NOALIAS);

	switch (code) {
	case POPT_ERROR_BADOPT:
		return uc_fail(err, UC_USAGE, EINVAL, "unknown option '%s'", option);
	case POPT_ERROR_NOARG:
		return uc_fail(err, UC_USAGE, EINVAL, "option '%s' needs an argument", option);
	case POPT_ERROR_UNWANTEDARG:
		return uc_fail(err, UC_USAGE, EINVAL, "option '%s' takes no argument", option);
	default:
		return uc_fail(err, UC_USAGE, EINVAL, "option '%s': %s", option,
			       poptStrerror(code));
	}
}

static void print_more_help(const struct option_parser *parser)
{
	if (parser->more_help)
		parser->more_help();
	else if (parser->command->table)
		table_help(parser->command->table);
	printf("\nThe manual page ublkctl-%s(8) tells more.\n", parser->command->name);
}

static int take_options(const struct option_parser *parser, poptContext popt, struct uc_error *err)
{
	int option;

	while ((option = poptGetNextOpt(popt)) > 0) {
		uc_auto_free char *arg = poptGetOptArg(popt);
		unsigned known;
		int ret;

		if (option == OPT_HELP) {
			poptPrintHelp(popt, stdout, 0);
			print_more_help(parser);
			return 1;
		}
		/* It holds already: see timeout_find(). */
		ret = option == OPT_TIMEOUT ? timeout_parse(arg, &known, err)
					    : parser->take(parser->ctx, option, arg, err);
		if (ret < 0)
			return ret;
	}
	return option < -1 ? explain(popt, option, err) : 0;
}

static int take_operands(const struct option_parser *parser, poptContext popt, struct uc_error *err)
{
	const char **operands = poptGetArgs(popt);
	int ret = 0;

	for (size_t i = 0; ret == 0 && operands && operands[i]; i++)
		ret = parser->operand ? parser->operand(parser->ctx, operands[i], err)
				      : uc_fail(err, UC_USAGE, EINVAL, "unexpected argument '%s'",
						operands[i]);
	return ret;
}

int options_parse(const struct option_parser *parser, int argc, const char **argv,
		  struct uc_error *err)
{
	const struct poptOption *own = parser->options ? parser->options : parser->command->options;
	/* popt takes tables without const, and does not write to them. */
	const struct poptOption table[] = {
		{NULL, '\0', POPT_ARG_INCLUDE_TABLE, (void *)(uintptr_t)own, 0, NULL, NULL},
		{NULL, '\0', POPT_ARG_INCLUDE_TABLE, (void *)(uintptr_t)common_to(own), 0, NULL,
		 NULL},
		POPT_TABLEEND,
	};
	poptContext popt = poptGetContext("ublkctl", argc, argv, table, 0);
	int ret;

	if (!popt)
		return uc_fail_errno(err, ENOMEM, "options");
	poptSetOtherOptionHelp(popt, parser->command->synopsis);
	ret = take_options(parser, popt, err);
	if (ret == 0)
		ret = take_operands(parser, popt, err);
	poptFreeContext(popt);
	return ret;
}
