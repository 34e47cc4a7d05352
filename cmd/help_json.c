/* SPDX-License-Identifier: MIT */
/* help --json: the tables that the command line is parsed with, as a document. */
#include "help_json.h"

#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "complete.h"
#include "known.h"
#include "table.h"

static struct json_object *text(const char *value)
{
	return value ? json_object_new_string(value) : NULL;
}

static void add_choice(void *ctx, const char *word, const char *help)
{
	(void)help;
	json_object_array_add(ctx, json_object_new_string(word));
}

static struct json_object *choices_of(const char *argument)
{
	struct json_object *choices = json_object_new_array();

	if (argument && known_choices(argument, add_choice, choices))
		return choices;
	json_object_put(choices);
	return NULL;
}

static struct json_object *options_of(const struct known *known)
{
	struct json_object *options = json_object_new_array();

	for (size_t i = 0; i < known->count; i++) {
		const struct known_option *o = &known->options[i];
		struct json_object *option = json_object_new_object();
		const char letter[2] = {o->letter, '\0'};

		json_object_object_add(option, "option", text(o->name));
		json_object_object_add(option, "letter", o->letter ? text(letter) : NULL);
		json_object_object_add(option, "argument", text(o->argument));
		json_object_object_add(option, "choices", choices_of(o->argument));
		json_object_object_add(option, "description", text(o->help));
		json_object_array_add(options, option);
	}
	return options;
}

static struct json_object *front_options(void)
{
	struct known known = {0};

	known_front(&known);
	return options_of(&known);
}

static bool is_default(const struct table *table, const char *name)
{
	const size_t len = strlen(name);

	for (const char *at = table->defaults; *at;
	     at += strcspn(at, ",") + (strchr(at, ',') != NULL))
		if (strcspn(at, ",") == len && strncmp(at, name, len) == 0)
			return true;
	return false;
}

static struct json_object *columns_of(const struct table *table)
{
	struct json_object *columns = json_object_new_array();

	for (size_t i = 0; table && i < table->nr_columns; i++) {
		const struct column *c = &table->columns[i];
		struct json_object *column = json_object_new_object();

		json_object_object_add(column, "column", text(c->name));
		json_object_object_add(column, "description", text(c->help));
		json_object_object_add(column, "default",
				       json_object_new_boolean(is_default(table, c->name)));
		json_object_array_add(columns, column);
	}
	return columns;
}

static struct json_object *of_command(const struct command *command)
{
	struct json_object *object = json_object_new_object();
	struct known known = {0};

	known_command(&known, command, NULL);
	json_object_object_add(object, "command", text(command->name));
	json_object_object_add(object, "description", text(command->summary));
	json_object_object_add(object, "synopsis", text(command->synopsis));
	json_object_object_add(object, "operands", text(operand_name(command->operands)));
	json_object_object_add(object, "target_options", json_object_new_boolean(command->serves));
	json_object_object_add(object, "options", options_of(&known));
	json_object_object_add(object, "columns", columns_of(command->table));
	return object;
}

static struct json_object *all_commands(const struct command *only)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; commands[i]; i++)
		if (!only || commands[i] == only)
			json_object_array_add(array, of_command(commands[i]));
	return array;
}

static struct json_object *all_targets(void)
{
	struct json_object *array = json_object_new_array();
	size_t count;
	const struct uc_target_type *const *types = uc_target_types(&count);

	for (size_t i = 0; i < count; i++) {
		struct json_object *target = json_object_new_object();
		struct known known = {0};

		known_add_table(&known, types[i]->options);
		json_object_object_add(target, "target", text(types[i]->name));
		json_object_object_add(target, "description", text(types[i]->help));
		json_object_object_add(target, "options", options_of(&known));
		json_object_array_add(array, target);
	}
	return array;
}

static void add_path(void *ctx, const char *name, const char *help)
{
	struct json_object *path = json_object_new_object();

	json_object_object_add(path, "data_path", text(name));
	json_object_object_add(path, "description", text(help));
	json_object_array_add(ctx, path);
}

static struct json_object *all_paths(void)
{
	struct json_object *array = json_object_new_array();

	(void)known_choices("PATH", add_path, array);
	return array;
}

static struct json_object *all_statuses(void)
{
	struct json_object *array = json_object_new_array();

	for (int i = 0; exit_meanings[i]; i++) {
		struct json_object *status = json_object_new_object();

		json_object_object_add(status, "status", json_object_new_int(i));
		json_object_object_add(status, "description", text(exit_meanings[i]));
		json_object_array_add(array, status);
	}
	return array;
}

void help_json(const struct command *command)
{
	uc_auto_json struct json_object *doc = document_new();

	json_object_object_add(doc, "version", text(UBLKCTL_VERSION));
	json_object_object_add(doc, "options", front_options());
	json_object_object_add(doc, "commands", all_commands(command));
	json_object_object_add(doc, "targets", all_targets());
	json_object_object_add(doc, "data_paths", all_paths());
	json_object_object_add(doc, "exit_statuses", all_statuses());
	document_print(doc, true);
}
