/* SPDX-License-Identifier: MIT */
/* The command `ublktab`: which verb, and whether it was told what it can use. */
#include "ublktab.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_FILE = 2, OPT_NAME, OPT_DRY_RUN, OPT_JSON };

const struct ublktab_verb *const ublktab_verbs[] = {
	&ublktab_list_verb, &ublktab_check_verb, &ublktab_add_verb, &ublktab_generate_verb, NULL,
};

static const struct poptOption ublktab_options[] = {
	{"file", 'f', POPT_ARG_STRING, NULL, OPT_FILE, "another file than /etc/ublktab", "FILE"},
	{"name", '\0', POPT_ARG_STRING, NULL, OPT_NAME, "add: the name of the line", "NAME"},
	{"dry-run", '\0', POPT_ARG_NONE, NULL, OPT_DRY_RUN, "add: only print the line", NULL},
	{"json", 'J', POPT_ARG_NONE, NULL, OPT_JSON, "list, check: write JSON", NULL},
	POPT_TABLEEND,
};

static int keep(char **text, const char *arg, struct uc_error *err)
{
	free(*text);
	*text = strdup(arg);
	return *text ? 0 : uc_fail_errno(err, ENOMEM, "options");
}

static int take_option(void *ctx, int option, const char *arg, struct uc_error *err)
{
	struct ublktab *ublktab = ctx;

	switch (option) {
	case OPT_FILE:
		return keep(&ublktab->file, arg, err);
	case OPT_NAME:
		return keep(&ublktab->name, arg, err);
	case OPT_DRY_RUN:
		ublktab->dry_run = true;
		return 0;
	default:
		ublktab->json = true;
		return 0;
	}
}

static int take_operand(void *ctx, const char *text, struct uc_error *err)
{
	struct ublktab *ublktab = ctx;
	char **more = realloc(ublktab->operands, (ublktab->nr_operands + 1) * sizeof(*more));

	if (!more)
		return uc_fail_errno(err, ENOMEM, "options");
	ublktab->operands = more;
	more[ublktab->nr_operands] = NULL;
	if (keep(&more[ublktab->nr_operands], text, err) < 0)
		return -ENOMEM;
	ublktab->nr_operands++;
	return 0;
}

static const struct ublktab_verb *find_verb(const char *name)
{
	for (size_t i = 0; ublktab_verbs[i]; i++)
		if (strcmp(ublktab_verbs[i]->name, name) == 0)
			return ublktab_verbs[i];
	return NULL;
}

static int check(const struct ublktab *ublktab, const struct ublktab_verb *verb,
		 struct uc_error *err)
{
	const char *option = NULL;

	if (ublktab->nr_operands != verb->nr_operands + 1)
		return uc_fail(err, UC_USAGE, EINVAL, "usage: ublkctl ublktab %s%s%s", verb->name,
			       *verb->operands ? " " : "", verb->operands);
	if (!verb->writes && (ublktab->name || ublktab->dry_run))
		option = ublktab->name ? "--name" : "--dry-run";
	if (!verb->prints && ublktab->json)
		option = "--json";
	return option ? uc_fail(err, UC_USAGE, EINVAL, "'%s' takes no %s", verb->name, option) : 0;
}

static int run(const struct uc_host *host, const struct ublktab *ublktab, struct uc_error *err)
{
	const struct ublktab_verb *verb;
	int ret;

	if (!ublktab->nr_operands)
		return uc_fail(err, UC_USAGE, EINVAL, "say what to do: list, check or add");
	verb = find_verb(ublktab->operands[0]);
	if (!verb)
		return uc_fail(err, UC_USAGE, EINVAL, "'%s' is none of list, check, add",
			       ublktab->operands[0]);
	ret = check(ublktab, verb, err);
	return ret < 0 ? ret : verb->run(host, ublktab, err);
}

static void ublktab_free(struct ublktab *ublktab)
{
	for (size_t i = 0; i < ublktab->nr_operands; i++)
		free(ublktab->operands[i]);
	free(ublktab->operands);
	free(ublktab->file);
	free(ublktab->name);
}

static int ublktab_run(const struct uc_host *host, int argc, const char **argv,
		       struct uc_error *err)
{
	struct ublktab ublktab = {0};
	const struct option_parser parser = {
		.command = &ublktab_command,
		.take = take_option,
		.operand = take_operand,
		.ctx = &ublktab,
	};
	int ret = options_parse(&parser, argc, argv, err);

	if (ret == 0)
		ret = run(host, &ublktab, err);
	ublktab_free(&ublktab);
	return ret;
}

const struct command ublktab_command = {
	.name = "ublktab",
	.summary = "show, check or extend /etc/ublktab",
	.synopsis = "[OPTION...] list|check|add DEVICE",
	.options = ublktab_options,
	.operands = OPERAND_VERB,
	.run = ublktab_run,
};
