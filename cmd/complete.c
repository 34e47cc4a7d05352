/* SPDX-License-Identifier: MIT */
/*
 * What the completions of the shells ask: `ublkctl complete -- WORD...`, the words of the command
 * line behind the program's name. The answer is for the last one, which may be empty: a line for
 * each candidate, with what it is behind a TAB, and a last line ":HOW<TAB>HEAD". HOW is what the
 * shell makes of it: `words`; `list`, which may go on with a comma; `files` or `directories`, of
 * which the shell knows more than we do. HEAD is the beginning of the word that the candidates do
 * not repeat, as "--file=".
 */
#include "complete.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "serve.h"
#include "table.h"

/* What cannot be part of a line, or would command a terminal. */
static void print_clean(const char *text)
{
	for (; *text; text++)
		putchar(iscntrl((unsigned char)*text) ? '?' : *text);
}

void completion_offer(struct completion *c, const char *candidate, const char *help)
{
	if (strncmp(candidate, c->begun, strlen(c->begun)) != 0)
		return;
	print_clean(candidate);
	putchar('\t');
	print_clean(help ? help : "");
	putchar('\n');
	c->offered++;
}

static void offer(void *ctx, const char *candidate, const char *help)
{
	completion_offer(ctx, candidate, help);
}

/* Marks what the word says, and returns the option whose argument the next word is, or NULL. */
static const struct known_option *take_long(struct completion *c, const char *word)
{
	struct known_option *option = known_by_name(&c->known, word + 2);

	if (!option)
		return NULL;
	option->given = true;
	return option->argument && !strchr(word, '=') ? option : NULL;
}

static const struct known_option *take_letters(struct completion *c, const char *word)
{
	for (const char *letter = word + 1; *letter; letter++) {
		struct known_option *option = known_by_letter(&c->known, *letter);

		if (!option)
			return NULL;
		option->given = true;
		if (option->argument)
			return letter[1] ? NULL : option;
	}
	return NULL;
}

/*
 * Goes through the words before the one to be completed, to their end or to the command. Returns
 * how many that are; *ret_pending is the option whose argument comes next, or NULL.
 */
static size_t take_words(struct completion *c, const struct known_option **ret_pending)
{
	const struct known_option *pending = NULL;
	size_t i;

	for (i = 0; i < c->count; i++) {
		const char *word = c->words[i];

		if (pending) {
			pending = NULL;
		} else if (c->only_operands || word[0] != '-' || !word[1]) {
			if (!c->command)
				break;
			c->operands++;
		} else if (strcmp(word, "--") == 0) {
			c->only_operands = true;
		} else {
			pending = word[1] == '-' ? take_long(c, word) : take_letters(c, word);
		}
	}
	*ret_pending = pending;
	return i;
}

/* The part of a list that is complete: behind a leading + or the last comma the next name begins.
 */
static bool is_listed(const char *list, const char *end, const char *name)
{
	const size_t len = strlen(name);

	for (; list < end; list += strcspn(list, ",") + 1)
		if (strncasecmp(list, name, len) == 0 && list[len] == ',')
			return true;
	return false;
}

static void offer_columns(struct completion *c)
{
	const struct table *table = c->command->table;
	const char *list = c->begun + (c->begun[0] == '+');
	const char *comma = strrchr(list, ',');
	bool lower = false;

	c->how = "list";
	c->begun = comma ? comma + 1 : list;
	for (const char *letter = c->begun; *letter; letter++)
		lower = lower || islower((unsigned char)*letter);
	for (size_t i = 0; table && i < table->nr_columns; i++) {
		char name[32];
		size_t j;

		if (is_listed(list, c->begun, table->columns[i].name))
			continue;
		/* They are taken in either case. */
		snprintf(name, sizeof(name), "%s", table->columns[i].name);
		for (j = 0; lower && name[j]; j++)
			name[j] = (char)tolower((unsigned char)name[j]);
		completion_offer(c, name, table->columns[i].help);
	}
}

static void offer_argument(struct completion *c, const char *argument)
{
	if (strcmp(argument, "FILE") == 0)
		c->how = "files";
	else if (strcmp(argument, "DIRECTORY") == 0)
		c->how = "directories";
	else if (strcmp(argument, "COLUMNS") == 0)
		offer_columns(c);
	else if (strcmp(argument, "ID") == 0 && c->command)
		operand_offer(c);
	else
		(void)known_choices(argument, offer, c);
}

/* Those that are not there yet; both forms only where a dash is all that there is. */
static void offer_options(struct completion *c)
{
	const bool letters = strcmp(c->word, "-") == 0;
	char form[64];

	for (size_t i = 0; i < c->known.count; i++) {
		const struct known_option *option = &c->known.options[i];
		const bool again = option->argument && strcmp(option->argument, "ID") == 0;

		if (option->given && !again)
			continue;
		snprintf(form, sizeof(form), "-%c", option->letter);
		if (letters && option->letter)
			completion_offer(c, form, option->help);
		snprintf(form, sizeof(form), "--%s", option->name);
		completion_offer(c, form, option->help);
	}
}

/* -abc: flags, the last of which may have its argument right behind it. */
static void complete_letters(struct completion *c)
{
	const struct known_option *option = NULL;

	for (const char *letter = c->word + 1; *letter; letter++) {
		option = known_by_letter(&c->known, *letter);
		if (!option)
			return;
		if (option->argument && letter[1]) {
			c->begun = letter + 1 + (letter[1] == '=');
			offer_argument(c, option->argument);
			return;
		}
	}
	completion_offer(c, c->word, option->help);
}

static void complete_option(struct completion *c)
{
	const char *value = strchr(c->word, '=');
	const struct known_option *option;

	if (c->word[1] && c->word[1] != '-') {
		complete_letters(c);
	} else if (value) {
		option = known_by_name(&c->known, c->word + 2);
		c->begun = value + 1;
		if (option && option->argument)
			offer_argument(c, option->argument);
	} else {
		offer_options(c);
	}
}

static void complete_word(struct completion *c, const struct known_option *pending)
{
	if (pending) {
		offer_argument(c, pending->argument);
	} else if (!c->only_operands && c->word[0] == '-') {
		complete_option(c);
	} else {
		operand_offer(c);
		/* Better than nothing. */
		if (!c->offered && !c->word[0] && !c->only_operands)
			offer_options(c);
	}
}

static void begin_command(struct completion *c, const struct command *command, size_t at)
{
	const char **argv = c->words + at;
	const int argc = (int)(c->count - at);
	const char *target = command->serves ? serve_target_argument(argc, argv) : NULL;

	c->command = command;
	c->words = argv + 1;
	c->count = (size_t)argc - 1;
	c->only_operands = false;
	c->known.count = 0;
	known_command(&c->known, command, target ? uc_target_find(target) : NULL);
}

static void complete(struct completion *c)
{
	const struct known_option *pending;
	const struct command *command;
	size_t at;

	known_front(&c->known);
	at = take_words(c, &pending);
	if (at < c->count) {
		command = command_find(c->words[at]);
		if (!command)
			return;
		begin_command(c, command, at);
		(void)take_words(c, &pending);
	}
	complete_word(c, pending);
}

static const struct poptOption no_options[] = {POPT_TABLEEND};

static int take_option(void *ctx, int option, const char *arg, struct uc_error *err)
{
	(void)ctx;
	(void)arg;
	return uc_fail(err, UC_USAGE, EINVAL, "unknown option %d", option);
}

static int complete_run(const struct uc_host *host, int argc, const char **argv,
			struct uc_error *err)
{
	const struct option_parser parser = {.command = &complete_command, .take = take_option};
	struct completion c = {.host = host, .words = argv + 2, .how = "words"};
	int ret;

	if (argc < 3 || strcmp(argv[1], "--") != 0) {
		ret = options_parse(&parser, argc, argv, err);
		return ret ? ret
			   : uc_fail(err, UC_USAGE, EINVAL,
				     "give the words of a command line, after --");
	}
	c.count = (size_t)argc - 3;
	c.word = argv[argc - 1];
	c.begun = c.word;
	complete(&c);
	printf(":%s\t%.*s\n", c.how, (int)(c.begun - c.word), c.word);
	return 0;
}

const struct command complete_command = {
	.name = "complete",
	.summary = "say how a command line can go on, for the completions of shells",
	.synopsis = "-- WORD...",
	.options = no_options,
	.run = complete_run,
};
