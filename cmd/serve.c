/* SPDX-License-Identifier: MIT */
#include "serve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "identity.h"
#include "known.h"
#include "path.h"
#include "size.h"
#include "stats.h"

enum {
	OPT_TARGET = 0x400, /* above the commands' own, below UC_TARGET_OPTION */
	OPT_THREADS,
	OPT_CPUS,
	OPT_DATA_PATH,
	OPT_SHARED_MEMORY,
	OPT_RESPAWN,
	OPT_FOREGROUND,
};

const struct poptOption serve_option_table[] = {
	{"target", 't', POPT_ARG_STRING, NULL, OPT_TARGET,
	 "what serves the device; see 'ublkctl targets'", "TARGET"},
	{"threads", '\0', POPT_ARG_STRING, NULL, OPT_THREADS,
	 "threads that serve each queue (default 1)", "COUNT"},
	{"cpus", '\0', POPT_ARG_STRING, NULL, OPT_CPUS,
	 "CPUs that they may use, such as 0-3,6 (default: those of the queue)", "LIST"},
	{"data-path", '\0', POPT_ARG_STRING, NULL, OPT_DATA_PATH,
	 "how data moves between driver and handler (default auto)", "PATH"},
	{"shared-memory", '\0', POPT_ARG_STRING, NULL, OPT_SHARED_MEMORY,
	 "memory that clients do I/O from: a file of tmpfs or hugetlbfs", "FILE"},
	{"respawn", '\0', POPT_ARG_NONE, NULL, OPT_RESPAWN,
	 "replace a handler that dies; needs --recovery", NULL},
	{"foreground", '\0', POPT_ARG_NONE, NULL, OPT_FOREGROUND,
	 "serve in this process until SIGTERM or SIGINT", NULL},
	POPT_TABLEEND,
};

int serve_set_target(struct serve *serve, const char *name, struct uc_error *err)
{
	serve->type = uc_target_find(name);
	if (!serve->type)
		return uc_fail(err, UC_USAGE, EINVAL,
			       "there is no target '%s'; 'ublkctl targets' lists them", name);
	serve->config = calloc(1, serve->type->config_size);
	serve->target_options = json_object_new_object();
	return serve->config ? 0 : uc_fail_errno(err, ENOMEM, "options");
}

int parse_count(const char *arg, const char *what, uint64_t max, uint16_t *ret,
		struct uc_error *err)
{
	uint64_t count;
	int res = uc_number_parse(arg, what, 1, max, &count, err);

	if (res == 0)
		*ret = (uint16_t)count;
	return res;
}

static int parse_data_path(const char *arg, const struct uc_path **ret, struct uc_error *err)
{
	*ret = uc_path_find(arg);
	if (!*ret && strcmp(arg, "auto") != 0)
		return uc_fail(err, UC_USAGE, EINVAL,
			       "--data-path: there is no path '%s'; 'ublkctl help add' lists them",
			       arg);
	return 0;
}

/* The handler may be another one later, with another working directory. */
static int keep_path(char **path, const char *arg, struct uc_error *err)
{
	free(*path);
	*path = uc_path_lasting(arg);
	return *path ? 0 : uc_fail_errno(err, ENOMEM, "options");
}

static int take_serve_option(struct serve *serve, int option, const char *arg, struct uc_error *err)
{
	struct uc_spec *spec = &serve->spec;

	switch (option) {
	case OPT_TARGET:
		/* Found before: its options are in the table. A second one must be the same. */
		return strcmp(arg, serve->type->name) == 0
			       ? 0
			       : uc_fail(err, UC_USAGE, EINVAL, "--target is given twice");
	case OPT_THREADS:
		return parse_count(arg, "--threads", UC_MAX_THREADS, &spec->threads, err);
	case OPT_CPUS:
		return uc_cpus_parse(arg, "--cpus", &spec->cpus, err);
	case OPT_DATA_PATH:
		if (parse_data_path(arg, &spec->path, err) < 0)
			return -EINVAL;
		spec->path_asked = spec->path != NULL;
		return 0;
	case OPT_SHARED_MEMORY:
		if (keep_path(&serve->shared_memory, arg, err) < 0)
			return -ENOMEM;
		spec->shared_memory = serve->shared_memory;
		return 0;
	case OPT_RESPAWN:
		spec->respawn = true;
		return 0;
	default:
		spec->foreground = true;
		return 0;
	}
}

/* What opens the target again is kept as the user said it. */
static int take_target_option(struct serve *serve, int option, const char *arg,
			      struct uc_error *err)
{
	const struct poptOption *o = uc_target_option(serve->type, option);
	int ret = serve->type->option(serve->config, option, arg, err);

	if (ret == 0 && option == serve->type->backing)
		return keep_path(&serve->backing, arg, err);
	if (ret == 0 && o && uc_target_option_lasts(serve->type, option))
		json_object_object_add(serve->target_options, o->longName,
				       arg ? json_object_new_string(arg)
					   : json_object_new_boolean(true));
	return ret;
}

static int take_option(void *ctx, int option, const char *arg, struct uc_error *err)
{
	struct serve *serve = ctx;

	if (option >= UC_TARGET_OPTION)
		return take_target_option(serve, option, arg, err);
	return option >= OPT_TARGET ? take_serve_option(serve, option, arg, err)
				    : serve->take(serve, option, arg, err);
}

static int no_target(struct uc_error *err)
{
	return uc_fail(err, UC_USAGE, EINVAL,
		       "no target: say -t TARGET; 'ublkctl targets' lists them");
}

/* Whether `text` complains about this option, however its argument was given. */
static bool is_about(const char *text, const struct poptOption *option)
{
	char with_long[64];
	char with_short[64];
	const int len =
		snprintf(with_long, sizeof(with_long), "unknown option '--%s", option->longName);

	snprintf(with_short, sizeof(with_short), "unknown option '-%c", option->shortName);
	if (strncmp(text, with_long, (size_t)len) == 0)
		return text[len] == '\'' || text[len] == '=';
	return option->shortName && strncmp(text, with_short, strlen(with_short)) == 0;
}

/* An unknown option may be one of a target, but not of `type` (NULL: none was named). */
int serve_explain_foreign(const struct uc_target_type *type, struct uc_error *err)
{
	const struct uc_target_type *const *types;
	size_t count;

	types = uc_target_types(&count);
	for (size_t i = 0; i < count; i++) {
		for (const struct poptOption *o = types[i]->options; o->longName; o++) {
			if (types[i] == type || !is_about(err->text, o))
				continue;
			if (!type)
				return no_target(err);
			return uc_fail(err, UC_USAGE, EINVAL,
				       "option --%s belongs to target %s, not to %s", o->longName,
				       types[i]->name, type->name);
		}
	}
	return -EINVAL;
}

/* The target's name is needed first, since it decides which options there are. */
const char *serve_target_argument(int argc, const char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		const char *arg = argv[i];

		if ((strcmp(arg, "-t") == 0 || strcmp(arg, "--target") == 0) && i + 1 < argc)
			return argv[i + 1];
		if (strncmp(arg, "--target=", 9) == 0)
			return arg + 9;
		if (strncmp(arg, "-t", 2) == 0 && arg[2])
			return arg + 2 + (arg[2] == '=');
	}
	return NULL;
}

static void print_path(void *ctx, const char *name, const char *help)
{
	(void)ctx;
	printf("  %-19s %s\n", name, help);
}

static void paths_help(void)
{
	puts("\nData paths:");
	(void)known_choices("PATH", print_path, NULL);
	puts("\nWith -t TARGET, --help shows the options of that target, too.");
}

int serve_parse(struct serve *serve, int argc, const char **argv, struct uc_error *err)
{
	static const struct poptOption none[] = {POPT_TABLEEND};
	const char *name = serve_target_argument(argc, argv);
	const char *title = "Options of the target:";
	int ret = name ? serve_set_target(serve, name, err) : 0;

	if (ret < 0)
		return ret;
	const struct poptOption table[] = {
		{NULL, '\0', POPT_ARG_INCLUDE_TABLE, (void *)(uintptr_t)serve->command->options, 0,
		 "Options:", NULL},
		{NULL, '\0', POPT_ARG_INCLUDE_TABLE, (void *)(uintptr_t)serve_option_table, 0,
		 "Options of the handler:", NULL},
		{NULL, '\0', POPT_ARG_INCLUDE_TABLE,
		 (void *)(uintptr_t)(serve->type ? serve->type->options : none), 0,
		 serve->type ? title : NULL, NULL},
		POPT_TABLEEND,
	};
	const struct option_parser parser = {
		.command = serve->command,
		.options = table,
		.take = take_option,
		.operand = serve->operand,
		.ctx = serve,
		.outcome = serve->outcome,
		.more_help = paths_help,
	};

	ret = options_parse(&parser, argc, argv, err);
	if (ret < 0)
		return serve_explain_foreign(serve->type, err);
	serve_parsed(serve);
	return ret;
}

void serve_parsed(struct serve *serve)
{
	serve->spec.target_options =
		json_object_to_json_string_ext(serve->target_options, JSON_C_TO_STRING_PLAIN);
}

const struct poptOption *serve_option(const struct serve *serve, const char *name)
{
	const struct poptOption *const tables[] = {serve->command->options, serve_option_table,
						   serve->type ? serve->type->options : NULL};

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const struct poptOption *o = tables[i]; o && o->longName; o++)
			if (strcmp(o->longName, name) == 0)
				return o;
	return NULL;
}

int serve_take(struct serve *serve, const struct poptOption *option, const char *arg,
	       struct uc_error *err)
{
	return take_option(serve, option->val, arg, err);
}

void serve_free(struct serve *serve)
{
	free(serve->config);
	free(serve->shared_memory);
	free(serve->backing);
	json_object_put(serve->target_options);
}

static int check_threads(const struct uc_spec *spec, struct uc_error *err)
{
	if (spec->threads > spec->depth)
		return uc_fail(err, UC_USAGE, EINVAL,
			       "--threads: %u are more than the %u requests of a queue (--depth)",
			       spec->threads, spec->depth);
	if (spec->threads * (unsigned)spec->queues > UC_MAX_THREADS)
		return uc_fail(err, UC_USAGE, EINVAL,
			       "--threads: %u for each of %u queues are more than %u",
			       spec->threads, spec->queues, UC_MAX_THREADS);
	return 0;
}

static int check_shared_memory(const struct uc_spec *spec, struct uc_error *err)
{
	if (!spec->path || spec->path->shared == (spec->shared_memory != NULL))
		return 0;
	return spec->shared_memory
		       ? uc_fail(err, UC_USAGE, EINVAL,
				 "--shared-memory: data path %s does not use it; leave out "
				 "--data-path",
				 spec->path->name)
		       : uc_fail(err, UC_USAGE, EINVAL,
				 "--data-path: %s needs the memory: use --shared-memory FILE",
				 spec->path->name);
}

static int check_respawn(const struct uc_spec *spec, struct uc_error *err)
{
	if (spec->respawn && spec->recovery == UC_RECOVERY_NONE)
		return uc_fail(err, UC_USAGE, EINVAL,
			       "--respawn needs a device that outlives its handler: add --recovery "
			       "reissue, queue or fail");
	if (spec->lingers && spec->foreground)
		return uc_fail(err, UC_USAGE, EINVAL,
			       "--unit and --foreground exclude each other: who started it has a "
			       "unit for it");
	if (spec->respawn && spec->foreground)
		return uc_fail(err, UC_USAGE, EINVAL,
			       "--respawn and --foreground exclude each other: who started it sees "
			       "to it");
	return 0;
}

int serve_check(const struct uc_spec *spec, struct uc_error *err)
{
	int ret = check_threads(spec, err);

	if (ret == 0)
		ret = check_shared_memory(spec, err);
	return ret == 0 ? check_respawn(spec, err) : ret;
}
