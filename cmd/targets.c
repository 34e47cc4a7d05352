/* SPDX-License-Identifier: MIT */
#include "targets.h"

#include "cmd.h"
#include "table.h"

static const struct uc_target_type *type_of(const void *row)
{
	return *(const struct uc_target_type *const *)row;
}

static void get_target(const void *row, struct value *value)
{
	value_text(value, type_of(row)->name);
}

static void get_description(const void *row, struct value *value)
{
	value_text(value, type_of(row)->help);
}

static const struct column columns[] = {
	{"TARGET", false, "name, for 'add -t'", get_target},
	{"DESCRIPTION", false, "what it serves", get_description},
};

static const struct table targets_table = {
	.columns = columns,
	.nr_columns = sizeof(columns) / sizeof(columns[0]),
	.defaults = "TARGET,DESCRIPTION",
	.json_name = "targets",
	.row_size = sizeof(struct uc_target_type *),
};

static int take_option(void *ctx, int option, const char *arg, struct uc_error *err)
{
	return table_option(ctx, option, arg, err);
}

static int targets_run(const struct uc_host *host, int argc, const char **argv,
		       struct uc_error *err)
{
	struct table_options options = {0};
	struct table table = targets_table;
	const struct option_parser parser = {
		.command = &targets_command,
		.take = take_option,
		.ctx = &options,
	};
	int ret = options_parse(&parser, argc, argv, err);

	(void)host;
	if (ret)
		return ret;
	table.rows = uc_target_types(&table.nr_rows);
	return table_print(&table, &options, err);
}

const struct command targets_command = {
	.name = "targets",
	.summary = "show what can serve a device",
	.synopsis = "[OPTION...]",
	.options = table_option_table,
	.table = &targets_table,
	.run = targets_run,
};
