/* SPDX-License-Identifier: MIT */
#ifndef CMD_TABLE_H
#define CMD_TABLE_H

#include <json-c/json.h>
#include <popt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

/* One description of a row gives the table, its JSON, and the list of columns in --help. */

enum value_type { VALUE_NONE, VALUE_TEXT, VALUE_NUMBER, VALUE_BYTES, VALUE_TIME, VALUE_BOOL };

struct value {
	enum value_type type;
	uint64_t number;
	char text[4096];
};

struct column {
	const char *name; /* upper case; lower case in JSON, with - as _ */
	bool right;       /* aligned */
	const char *help;
	void (*get)(const void *row, struct value *value);
};

/* What the user wants to see of a table. */
struct table_options {
	char columns[512]; /* "A,B", "+C", or empty for the defaults */
	bool all;
	bool json;
	bool raw;
	bool no_headings;
	bool bytes;
	bool one_line; /* JSON on one line */
};

#define TABLE_OPTION 0x800 /* values of the options below start here */
extern const struct poptOption table_option_table[];

/* Takes one option of table_option_table. */
int table_option(struct table_options *options, int option, const char *arg, struct uc_error *err);

struct table {
	const struct column *columns;
	size_t nr_columns;
	const char *defaults;  /* "A,B" */
	const char *json_name; /* of the array of rows */
	const void *rows;
	size_t row_size;
	size_t nr_rows;
};

/* Prints on stdout as asked. UC_USAGE for a column that does not exist. */
int table_print(const struct table *table, const struct table_options *options,
		struct uc_error *err);

/* All columns of all rows, for a document that has more than them. */
struct json_object *table_rows(const struct table *table);

/* The same check alone, for before anything is asked of the driver. */
int table_check(const struct table *table, const struct table_options *options,
		struct uc_error *err);

/* For --help: one line per column. */
void table_help(const struct table *table);

/* Prints a nested document as JSON, or for people: objects as sections, arrays as tables. */
void document_print(struct json_object *doc, bool json);
/* An empty document with its schema_version. */
struct json_object *document_new(void);
/* Adds a number to any object. */
void document_put_number(struct json_object *doc, const char *key, uint64_t number);

/* "1.5G": bytes as people write them, exact or with one decimal. */
void human_size(uint64_t bytes, char *buf, size_t size);
/* "1.25ms": the same for nanoseconds, three digits of them. */
void human_time(uint64_t ns, char *buf, size_t size);

/* value helpers for get() functions */
void value_text(struct value *value, const char *text);
void value_number(struct value *value, uint64_t number);
void value_bytes(struct value *value, uint64_t bytes);
void value_time(struct value *value, uint64_t ns);
void value_bool(struct value *value, bool truth);

#endif
