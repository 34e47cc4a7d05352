/* SPDX-License-Identifier: MIT */
/* Nested documents: one json-c object, printed as it is or for people. */
#include <ctype.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <string.h>

#include "table.h"

#define SCHEMA_VERSION 1
#define LABEL_WIDTH    26

struct json_object *document_new(void)
{
	struct json_object *doc = json_object_new_object();

	json_object_object_add(doc, "schema_version", json_object_new_int(SCHEMA_VERSION));
	return doc;
}

void document_put_number(struct json_object *doc, const char *key, uint64_t number)
{
	json_object_object_add(doc, key, json_object_new_uint64(number));
}

static bool ends_with(const char *text, const char *end)
{
	const size_t a = strlen(text);
	const size_t b = strlen(end);

	return a >= b && strcmp(text + a - b, end) == 0;
}

/* Sizes in documents are bytes, and their keys say so. */
static bool is_size(const char *key)
{
	return ends_with(key, "size") || ends_with(key, "bytes") || ends_with(key, "granularity");
}

/* As it is, but for what would break the line or command a terminal. */
static void print_text(const char *text)
{
	for (; *text; text++)
		putchar(iscntrl((unsigned char)*text) ? '?' : *text);
}

static void print_scalar(const char *key, struct json_object *value)
{
	char human[32];

	if (!value) {
		fputs("-", stdout);
	} else if (json_object_is_type(value, json_type_boolean)) {
		fputs(json_object_get_boolean(value) ? "yes" : "no", stdout);
	} else if (json_object_is_type(value, json_type_int) && is_size(key)) {
		human_size(json_object_get_uint64(value), human, sizeof(human));
		printf("%s (%s bytes)", human, json_object_get_string(value));
	} else {
		print_text(json_object_get_string(value));
	}
}

static void print_label(const char *key, int indent)
{
	char label[64];
	size_t i;

	for (i = 0; key[i] && i + 1 < sizeof(label); i++)
		label[i] = key[i] == '_' ? ' ' : key[i];
	label[i] = '\0';
	printf("%*s%s:", indent, "", label);
	/* Values of one section stand below each other. */
	printf("%*s", indent + (int)i < LABEL_WIDTH ? LABEL_WIDTH - indent - (int)i : 1, "");
}

static void print_list(struct json_object *array)
{
	for (size_t i = 0; i < json_object_array_length(array); i++)
		printf("%s%s", i ? ", " : "",
		       json_object_get_string(json_object_array_get_idx(array, i)));
}

/* An array of objects with the same keys: a table of them. */
static void print_rows(struct json_object *array)
{
	struct libscols_table *out = scols_new_table();

	for (size_t i = 0; out && i < json_object_array_length(array); i++) {
		struct json_object *row = json_object_array_get_idx(array, i);
		struct libscols_line *line = NULL;
		size_t n = 0;

		json_object_object_foreach(row, key, value)
		{
			char heading[32];
			size_t j;

			for (j = 0; key[j] && j + 1 < sizeof(heading); j++)
				heading[j] =
					key[j] == '_' ? '-' : (char)toupper((unsigned char)key[j]);
			heading[j] = '\0';
			if (i == 0)
				scols_table_new_column(out, heading, 0, SCOLS_FL_RIGHT);
			if (!line)
				line = scols_table_new_line(out, NULL);
			if (line)
				scols_line_set_data(line, n++,
						    value ? json_object_get_string(value) : "-");
		}
	}
	if (out)
		scols_print_table(out);
	scols_unref_table(out);
}

static bool is_rows(struct json_object *value)
{
	return json_object_is_type(value, json_type_array) && json_object_array_length(value) &&
	       json_object_is_type(json_object_array_get_idx(value, 0), json_type_object);
}

static void print_section(struct json_object *object, int indent)
{
	json_object_object_foreach(object, key, value)
	{
		if (strcmp(key, "schema_version") == 0)
			continue;
		if (is_rows(value)) {
			printf("\n%*s%s:\n", indent, "", key);
			print_rows(value);
		} else if (json_object_is_type(value, json_type_object)) {
			printf("%*s%s:\n", indent, "", key);
			print_section(value, indent + 2);
		} else {
			print_label(key, indent);
			if (json_object_is_type(value, json_type_array))
				print_list(value);
			else
				print_scalar(key, value);
			putchar('\n');
		}
	}
}

void document_print(struct json_object *doc, bool json)
{
	if (json)
		puts(json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PRETTY |
								 JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		print_section(doc, 0);
}
