/* SPDX-License-Identifier: MIT */
/* ublktab list and check: what is in the file, and what is wrong with it. */
#include <errno.h>

#include "cleanup.h"
#include "table.h"
#include "ublktab.h"

/* --- check --- */

static void print_errors(const struct tab *tab)
{
	uc_auto_json struct json_object *doc = document_new();
	struct json_object *errors = json_object_new_array();

	for (size_t i = 0; i < tab->nr_errors; i++) {
		const struct tab_error *e = &tab->errors[i];
		struct json_object *row = json_object_new_object();

		json_object_object_add(row, "line", json_object_new_uint64(e->line));
		json_object_object_add(row, "column", json_object_new_uint64(e->column));
		json_object_object_add(row, "text", json_object_new_string(e->text));
		json_object_array_add(errors, row);
	}
	json_object_object_add(doc, "file", json_object_new_string(tab->path));
	json_object_object_add(doc, "errors", errors);
	document_print(doc, true);
}

static int check_run(const struct uc_host *host, const struct ublktab *ublktab,
		     struct uc_error *err)
{
	auto_tab struct tab tab = {0};
	int ret = tab_read(host, ublktab->file, &tab, err);

	if (ret < 0)
		return ret;
	if (!ublktab->json)
		return tab_tell_errors(&tab, &ublktab_command, err);
	print_errors(&tab);
	return tab.nr_errors
		       ? uc_fail(err, UC_USAGE, EBADMSG, "%s: errors: %zu", tab.path, tab.nr_errors)
		       : 0;
}

const struct ublktab_verb ublktab_check_verb = {
	.name = "check",
	.operands = "",
	.prints = true,
	.run = check_run,
};

/* --- list --- */

static const struct tab_line *line_of(const void *row)
{
	return row;
}

static void get_name(const void *row, struct value *value)
{
	value_text(value, line_of(row)->name);
}

static void get_target(const void *row, struct value *value)
{
	value_text(value, line_of(row)->target);
}

static void get_source(const void *row, struct value *value)
{
	if (*line_of(row)->source)
		value_text(value, line_of(row)->source);
}

static void get_options(const void *row, struct value *value)
{
	if (line_of(row)->options && *line_of(row)->options)
		value_text(value, line_of(row)->options);
}

static void get_line(const void *row, struct value *value)
{
	value_number(value, line_of(row)->number);
}

static void get_noauto(const void *row, struct value *value)
{
	value_bool(value, line_of(row)->noauto);
}

static void get_nofail(const void *row, struct value *value)
{
	value_bool(value, line_of(row)->nofail);
}

static void get_netdev(const void *row, struct value *value)
{
	value_bool(value, line_of(row)->netdev);
}

static void get_initrd_attach(const void *row, struct value *value)
{
	value_bool(value, line_of(row)->initrd_attach);
}

static void get_broken(const void *row, struct value *value)
{
	value_bool(value, line_of(row)->broken);
}

static const struct column columns[] = {
	{"NAME", false, "name of the device", get_name},
	{"TARGET", false, "what serves it", get_target},
	{"SOURCE", false, "what is behind it", get_source},
	{"OPTIONS", false, "as they are written", get_options},
	{"LINE", true, "number of the line", get_line},
	{"NOAUTO", true, "not at boot", get_noauto},
	{"NOFAIL", true, "its failure does not count", get_nofail},
	{"NETDEV", true, "needs the network", get_netdev},
	{"INITRD-ATTACH", true, "made by the initramfs", get_initrd_attach},
	{"BROKEN", true, "there is an error in it", get_broken},
};

static int list_run(const struct uc_host *host, const struct ublktab *ublktab, struct uc_error *err)
{
	const struct table_options options = {.json = ublktab->json, .all = ublktab->json};
	auto_tab struct tab tab = {0};
	int ret = tab_read(host, ublktab->file, &tab, err);

	if (ret < 0)
		return ret;
	const struct table table = {
		.columns = columns,
		.nr_columns = sizeof(columns) / sizeof(columns[0]),
		.defaults = "NAME,TARGET,SOURCE,OPTIONS",
		.json_name = "lines",
		.rows = tab.lines,
		.row_size = sizeof(*tab.lines),
		.nr_rows = tab.nr_lines,
	};

	ret = table_print(&table, &options, err);
	return ret < 0 ? ret : tab_tell_errors(&tab, &ublktab_command, err);
}

const struct ublktab_verb ublktab_list_verb = {
	.name = "list",
	.operands = "",
	.prints = true,
	.run = list_run,
};
