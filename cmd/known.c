/* SPDX-License-Identifier: MIT */
#include "known.h"

#include <stdio.h>
#include <string.h>

#include "path.h"
#include "serve.h"

void known_add(struct known *known, const struct known_option *option)
{
	if (known->count < KNOWN_MAX)
		known->options[known->count++] = *option;
}

void known_add_table(struct known *known, const struct poptOption *table)
{
	for (; table->longName || table->arg; table++) {
		if ((table->argInfo & POPT_ARG_MASK) == POPT_ARG_INCLUDE_TABLE)
			known_add_table(known, table->arg);
		else
			known_add(known, &(struct known_option){
						 .name = table->longName,
						 .letter = table->shortName,
						 .argument = table->argDescrip,
						 .help = table->descrip,
					 });
	}
}

void known_command(struct known *known, const struct command *command,
		   const struct uc_target_type *type)
{
	known_add_table(known, command->options);
	if (command->serves)
		known_add_table(known, serve_option_table);
	if (command->serves && type)
		known_add_table(known, type->options);
	known_add_table(known, options_common_to(command->options));
}

struct known_option *known_by_name(struct known *known, const char *name)
{
	const size_t len = strcspn(name, "=");

	for (size_t i = 0; i < known->count; i++) {
		struct known_option *option = &known->options[i];

		if (strncmp(option->name, name, len) == 0 && !option->name[len])
			return option;
	}
	return NULL;
}

struct known_option *known_by_letter(struct known *known, char letter)
{
	for (size_t i = 0; i < known->count; i++)
		if (known->options[i].letter == letter)
			return &known->options[i];
	return NULL;
}

static void offer_targets(known_offer *offer, void *ctx)
{
	size_t count;
	const struct uc_target_type *const *types = uc_target_types(&count);

	for (size_t i = 0; i < count; i++)
		offer(ctx, types[i]->name, types[i]->help);
}

static void offer_paths(known_offer *offer, void *ctx)
{
	unsigned count;
	const struct uc_path *const *paths = uc_paths(&count);

	offer(ctx, "auto", "the best that the driver has for the target's data");
	for (unsigned i = 0; i < count; i++)
		offer(ctx, paths[i]->name, paths[i]->help);
}

/* A new kind of argument gets a line here. */
static const struct kind {
	const char *argument;
	void (*each)(known_offer *offer, void *ctx);
} kinds[] = {
	{"TARGET", offer_targets},
	{"PATH", offer_paths},
};

static void offer_alternatives(const char *argument, known_offer *offer, void *ctx)
{
	while (*argument) {
		const size_t len = strcspn(argument, "|");
		char word[64];

		snprintf(word, sizeof(word), "%.*s", (int)len, argument);
		offer(ctx, word, NULL);
		argument += len + (argument[len] == '|');
	}
}

bool known_choices(const char *argument, known_offer *offer, void *ctx)
{
	if (strchr(argument, '|')) {
		offer_alternatives(argument, offer, ctx);
		return true;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].argument, argument) == 0) {
			kinds[i].each(offer, ctx);
			return true;
		}
	}
	return false;
}
