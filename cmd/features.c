/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "cleanup.h"
#include "cmd.h"
#include "ctrl.h"
#include "feature.h"
#include "table.h"

struct row {
	struct uc_feature feature;
	bool available;
};

#define MAX_ROWS 64

static void get_feature(const void *row, struct value *value)
{
	value_text(value, ((const struct row *)row)->feature.name);
}

static void get_bit(const void *row, struct value *value)
{
	value_number(value, (uint64_t)__builtin_ctzll(((const struct row *)row)->feature.bit));
}

static void get_driver(const void *row, struct value *value)
{
	value_bool(value, ((const struct row *)row)->available);
}

static void get_description(const void *row, struct value *value)
{
	value_text(value, ((const struct row *)row)->feature.help);
}

static void get_enables(const void *row, struct value *value)
{
	const char *enables = ((const struct row *)row)->feature.enables;

	if (enables)
		value_text(value, enables);
}

static const struct column columns[] = {
	{"FEATURE", false, "name", get_feature},
	{"BIT", true, "number of its flag", get_bit},
	{"DRIVER", true, "1: the running driver has it", get_driver},
	{"DESCRIPTION", false, "what it is", get_description},
	{"ENABLES", false, "what of ublkctl needs it", get_enables},
};

static const struct table features_table = {
	.columns = columns,
	.nr_columns = sizeof(columns) / sizeof(columns[0]),
	.defaults = "FEATURE,BIT,DRIVER,DESCRIPTION",
	.json_name = "features",
	.row_size = sizeof(struct row),
};

static int take_option(void *ctx, int option, const char *arg, struct uc_error *err)
{
	return table_option(ctx, option, arg, err);
}

/* What we know by name, then what a newer driver has besides. */
static size_t make_rows(uint64_t available, struct row *rows)
{
	size_t count;
	const struct uc_feature *known = uc_features(&count);

	for (size_t i = 0; i < count; i++) {
		rows[i].feature = known[i];
		rows[i].available = (available & known[i].bit) != 0;
		available &= ~known[i].bit;
	}
	for (; available; available &= available - 1)
		rows[count++] = (struct row){
			.feature = {available & -available, "unknown", "newer than this program",
				    NULL},
			.available = true,
		};
	return count;
}

static int features_run(const struct uc_host *host, int argc, const char **argv,
			struct uc_error *err)
{
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	struct table_options options = {0};
	struct table table = features_table;
	struct row rows[MAX_ROWS];
	uint64_t available = 0;
	const struct option_parser parser = {
		.command = &features_command,
		.take = take_option,
		.ctx = &options,
	};
	int ret = options_parse(&parser, argc, argv, err);

	if (ret)
		return ret;
	ret = table_check(&table, &options, err);
	if (ret == 0)
		ret = uc_ctrl_open(host, &ctrl, err);
	if (ret == 0)
		ret = uc_ctrl_get_features(ctrl, &available, err);
	if (ret < 0)
		return ret;
	table.nr_rows = make_rows(available, rows);
	table.rows = rows;
	return table_print(&table, &options, err);
}

const struct command features_command = {
	.name = "features",
	.summary = "show what the running driver can do",
	.synopsis = "[OPTION...]",
	.options = table_option_table,
	.table = &features_table,
	.run = features_run,
};
