/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"

#define MAX_COLUMNS 64

enum { OPT_OUTPUT = TABLE_OPTION, OPT_ALL, OPT_JSON, OPT_RAW, OPT_NO_HEADINGS, OPT_BYTES };

const struct poptOption table_option_table[] = {
	{"output", 'o', POPT_ARG_STRING, NULL, OPT_OUTPUT,
	 "columns to show; +COLUMN adds to the defaults", "COLUMNS"},
	{"output-all", 'O', POPT_ARG_NONE, NULL, OPT_ALL, "show all columns", NULL},
	{"json", 'J', POPT_ARG_NONE, NULL, OPT_JSON,
	 "write JSON; sizes are in bytes, times in nanoseconds", NULL},
	{"raw", 'r', POPT_ARG_NONE, NULL, OPT_RAW, "no alignment; blanks are escaped", NULL},
	{"noheadings", '\0', POPT_ARG_NONE, NULL, OPT_NO_HEADINGS, "no line of headings", NULL},
	{"bytes", 'b', POPT_ARG_NONE, NULL, OPT_BYTES, "sizes in bytes, times in nanoseconds",
	 NULL},
	POPT_TABLEEND,
};

int table_option(struct table_options *options, int option, const char *arg, struct uc_error *err)
{
	switch (option) {
	case OPT_OUTPUT:
		if (!*arg || strlen(arg) >= sizeof(options->columns))
			return uc_fail(err, UC_USAGE, EINVAL, "--output: %s columns",
				       *arg ? "too many" : "no");
		strcpy(options->columns, arg);
		break;
	case OPT_ALL:
		options->all = true;
		break;
	case OPT_JSON:
		options->json = true;
		break;
	case OPT_RAW:
		options->raw = true;
		break;
	case OPT_NO_HEADINGS:
		options->no_headings = true;
		break;
	default:
		options->bytes = true;
		break;
	}
	return 0;
}

struct selection {
	const struct column *columns[MAX_COLUMNS];
	size_t count;
};

static int select_names(const struct table *table, const char *names, struct selection *selection,
			struct uc_error *err)
{
	char list[512];
	char *rest = list;
	char *name;

	snprintf(list, sizeof(list), "%s", names);
	while ((name = strsep(&rest, ","))) {
		size_t i = 0;

		while (i < table->nr_columns && strcasecmp(table->columns[i].name, name) != 0)
			i++;
		if (i == table->nr_columns)
			return uc_fail(err, UC_USAGE, EINVAL, "--output: '%s' is not a column",
				       name);
		if (selection->count == MAX_COLUMNS)
			return uc_fail(err, UC_USAGE, EINVAL, "--output: too many columns");
		selection->columns[selection->count++] = &table->columns[i];
	}
	return 0;
}

static int select_columns(const struct table *table, const struct table_options *options,
			  struct selection *selection, struct uc_error *err)
{
	const char *wanted = options->columns;
	int ret = 0;

	if (options->json && options->raw)
		return uc_fail(err, UC_USAGE, EINVAL, "--json and --raw exclude each other");
	if (options->all) {
		for (size_t i = 0; i < table->nr_columns; i++)
			selection->columns[selection->count++] = &table->columns[i];
		return 0;
	}
	if (!*wanted || *wanted == '+')
		ret = select_names(table, table->defaults, selection, err);
	if (ret == 0 && *wanted)
		ret = select_names(table, wanted + (*wanted == '+'), selection, err);
	return ret;
}

int table_check(const struct table *table, const struct table_options *options,
		struct uc_error *err)
{
	struct selection selection = {0};

	return select_columns(table, options, &selection, err);
}

void table_help(const struct table *table)
{
	puts("\nColumns:");
	for (size_t i = 0; i < table->nr_columns; i++)
		printf("  %-11s %s\n", table->columns[i].name, table->columns[i].help);
	printf("Default: %s\n", table->defaults);
}

void human_size(uint64_t bytes, char *buf, size_t size)
{
	static const char units[] = "BKMGTPE";
	uint64_t unit = 1;
	size_t i = 0;

	while (bytes / unit >= 1024 && i < sizeof(units) - 2) {
		unit *= 1024;
		i++;
	}
	if (bytes % unit == 0)
		snprintf(buf, size, "%" PRIu64 "%c", bytes / unit, units[i]);
	else
		snprintf(buf, size, "%.1f%c", (double)bytes / (double)unit, units[i]);
}

void human_time(uint64_t ns, char *buf, size_t size)
{
	static const char *const units[] = {"ns", "us", "ms", "s"};
	double time = (double)ns;
	size_t i = 0;

	while (time >= 999.5 && i < sizeof(units) / sizeof(units[0]) - 1) {
		time /= 1000;
		i++;
	}
	snprintf(buf, size, "%.*f%s",
		 i == 0 || time >= 99.95 ? 0
		 : time >= 9.995         ? 1
					 : 2,
		 time, units[i]);
}

void value_text(struct value *value, const char *text)
{
	value->type = VALUE_TEXT;
	snprintf(value->text, sizeof(value->text), "%s", text);
}

void value_number(struct value *value, uint64_t number)
{
	value->type = VALUE_NUMBER;
	value->number = number;
}

void value_bytes(struct value *value, uint64_t bytes)
{
	value->type = VALUE_BYTES;
	value->number = bytes;
}

void value_time(struct value *value, uint64_t ns)
{
	value->type = VALUE_TIME;
	value->number = ns;
}

void value_bool(struct value *value, bool truth)
{
	value->type = VALUE_BOOL;
	value->number = truth;
}

/* Into value->text, for a cell. */
static void render(struct value *value, bool bytes)
{
	switch (value->type) {
	case VALUE_NONE:
		value->text[0] = '\0';
		break;
	case VALUE_BYTES:
	case VALUE_TIME:
		if (!bytes) {
			(value->type == VALUE_TIME ? human_time : human_size)(
				value->number, value->text, sizeof(value->text));
			break;
		}
		/* fall through */
	case VALUE_NUMBER:
	case VALUE_BOOL:
		snprintf(value->text, sizeof(value->text), "%" PRIu64, value->number);
		break;
	case VALUE_TEXT:
		break;
	}
}

static const void *row_of(const struct table *table, size_t i)
{
	return (const char *)table->rows + i * table->row_size;
}

static struct json_object *to_json(const struct value *value)
{
	switch (value->type) {
	case VALUE_TEXT:
		return json_object_new_string(value->text);
	case VALUE_NUMBER:
	case VALUE_BYTES:
	case VALUE_TIME:
		return json_object_new_uint64(value->number);
	case VALUE_BOOL:
		return json_object_new_boolean(value->number != 0);
	default:
		return NULL;
	}
}

static void json_key(const char *name, char *buf, size_t size)
{
	size_t i;

	for (i = 0; name[i] && i + 1 < size; i++)
		buf[i] = name[i] == '-' ? '_' : (char)tolower((unsigned char)name[i]);
	buf[i] = '\0';
}

static struct json_object *rows_of(const struct table *table, const struct selection *selection)
{
	struct json_object *rows = json_object_new_array();

	for (size_t r = 0; r < table->nr_rows; r++) {
		struct json_object *row = json_object_new_object();

		for (size_t c = 0; c < selection->count; c++) {
			struct value value = {0};
			char key[32];

			selection->columns[c]->get(row_of(table, r), &value);
			json_key(selection->columns[c]->name, key, sizeof(key));
			json_object_object_add(row, key, to_json(&value));
		}
		json_object_array_add(rows, row);
	}
	return rows;
}

struct json_object *table_rows(const struct table *table)
{
	static const struct table_options all = {.all = true};
	struct selection selection = {0};

	(void)select_columns(table, &all, &selection, NULL);
	return rows_of(table, &selection);
}

static void print_json(const struct table *table, const struct selection *selection, bool one_line)
{
	uc_auto_json struct json_object *doc = document_new();

	json_object_object_add(doc, table->json_name, rows_of(table, selection));
	if (one_line)
		puts(json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PLAIN |
								 JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		document_print(doc, true);
}

static int fill(struct libscols_table *out, const struct table *table,
		const struct selection *selection, bool bytes)
{
	for (size_t r = 0; r < table->nr_rows; r++) {
		struct libscols_line *line = scols_table_new_line(out, NULL);

		if (!line)
			return -ENOMEM;
		for (size_t c = 0; c < selection->count; c++) {
			struct value value = {0};

			selection->columns[c]->get(row_of(table, r), &value);
			render(&value, bytes);
			if (scols_line_set_data(line, c, value.text) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

static int print_table(const struct table *table, const struct table_options *options,
		       const struct selection *selection, struct uc_error *err)
{
	struct libscols_table *out = scols_new_table();
	int ret = out ? 0 : -ENOMEM;

	for (size_t c = 0; ret == 0 && c < selection->count; c++) {
		const struct column *column = selection->columns[c];

		if (!scols_table_new_column(out, column->name, 0,
					    column->right ? SCOLS_FL_RIGHT : 0))
			ret = -ENOMEM;
	}
	if (ret == 0) {
		scols_table_enable_raw(out, options->raw);
		scols_table_enable_noheadings(out, options->no_headings);
		ret = fill(out, table, selection, options->bytes);
	}
	if (ret == 0 && table->nr_rows)
		ret = scols_print_table(out);
	scols_unref_table(out);
	return ret < 0 ? uc_fail_errno(err, -ret, "cannot print the table") : 0;
}

int table_print(const struct table *table, const struct table_options *options,
		struct uc_error *err)
{
	struct selection selection = {0};
	int ret = select_columns(table, options, &selection, err);

	if (ret < 0)
		return ret;
	if (!options->json)
		return print_table(table, options, &selection, err);
	print_json(table, &selection, options->one_line);
	return 0;
}
