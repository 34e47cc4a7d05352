/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "cmd.h"
#include "ctrl.h"
#include "manage.h"
#include "path.h"
#include "size.h"
#include "stats.h"
#include "table.h"
#include "targets.h"

enum {
	OPT_TARGET = 2,
	OPT_ID,
	OPT_QUEUES,
	OPT_THREADS,
	OPT_CPUS,
	OPT_DEPTH,
	OPT_MAX_IO_SIZE,
	OPT_LOGICAL,
	OPT_PHYSICAL,
	OPT_READ_ONLY,
	OPT_DATA_PATH,
	OPT_SHARED_MEMORY,
	OPT_FOREGROUND,
	OPT_JSON,
};

#define PAGE       4096U
#define MAX_IO_MAX (32U << 20) /* the driver's offsets in a request have 25 bits */

struct add {
	struct uc_spec spec;
	const struct uc_target_type *type;
	void *config; /* of the target */
	char *shared_memory;
	bool json;
	bool unheard; /* the path could not be printed */
};

static const struct poptOption add_options[] = {
	{"target", 't', POPT_ARG_STRING, NULL, OPT_TARGET,
	 "what serves the device; see 'ublkctl targets'", "TARGET"},
	{"id", 'n', POPT_ARG_STRING, NULL, OPT_ID, "device id (default: the first free one)", "ID"},
	{"queues", 'q', POPT_ARG_STRING, NULL, OPT_QUEUES, "hardware queues (default 1)", "COUNT"},
	{"threads", '\0', POPT_ARG_STRING, NULL, OPT_THREADS,
	 "threads that serve each queue (default 1)", "COUNT"},
	{"cpus", '\0', POPT_ARG_STRING, NULL, OPT_CPUS,
	 "CPUs that they may use, such as 0-3,6 (default: those of the queue)", "LIST"},
	{"depth", 'd', POPT_ARG_STRING, NULL, OPT_DEPTH, "queue depth, 1 to 4096 (default 128)",
	 "COUNT"},
	{"max-io-size", '\0', POPT_ARG_STRING, NULL, OPT_MAX_IO_SIZE,
	 "largest request, 4K to 32M (default 512K)", "SIZE"},
	{"logical-block-size", '\0', POPT_ARG_STRING, NULL, OPT_LOGICAL,
	 "512, 1024, 2048 or 4096 (default: as the data)", "SIZE"},
	{"physical-block-size", '\0', POPT_ARG_STRING, NULL, OPT_PHYSICAL,
	 "a power of two (default: as the data)", "SIZE"},
	{"data-path", '\0', POPT_ARG_STRING, NULL, OPT_DATA_PATH,
	 "how data moves between driver and handler (default auto)", "PATH"},
	{"shared-memory", '\0', POPT_ARG_STRING, NULL, OPT_SHARED_MEMORY,
	 "memory that clients do I/O from: a file of tmpfs or hugetlbfs", "FILE"},
	{"read-only", '\0', POPT_ARG_NONE, NULL, OPT_READ_ONLY, "refuse writes", NULL},
	{"foreground", '\0', POPT_ARG_NONE, NULL, OPT_FOREGROUND,
	 "serve in this process until SIGTERM or SIGINT", NULL},
	{"json", 'J', POPT_ARG_NONE, NULL, OPT_JSON, "print what was made as JSON", NULL},
	POPT_TABLEEND,
};

static int find_target(const char *name, const struct uc_target_type **ret_type,
		       struct uc_error *err)
{
	*ret_type = uc_target_find(name);
	if (!*ret_type)
		return uc_fail(err, UC_USAGE, EINVAL,
			       "there is no target '%s'; 'ublkctl targets' lists them", name);
	return 0;
}

static int parse_block_size(const char *arg, const char *what, uint64_t max, uint32_t *ret,
			    struct uc_error *err)
{
	uint64_t size;

	if (uc_size_parse(arg, what, &size, err) < 0)
		return -EINVAL;
	if (size < 512 || size > max || (size & (size - 1)))
		return uc_fail(err, UC_USAGE, EINVAL,
			       "%s: %s is not a power of two from 512 to %" PRIu64, what, arg, max);
	*ret = (uint32_t)size;
	return 0;
}

static int parse_max_io_size(const char *arg, uint32_t *ret, struct uc_error *err)
{
	uint64_t size;

	if (uc_size_parse(arg, "--max-io-size", &size, err) < 0)
		return -EINVAL;
	if (size < PAGE || size > MAX_IO_MAX || size % PAGE)
		return uc_fail(err, UC_USAGE, EINVAL,
			       "--max-io-size: %s is not a multiple of 4K from 4K to 32M", arg);
	*ret = (uint32_t)size;
	return 0;
}

static int parse_count(const char *arg, const char *what, uint64_t max, uint16_t *ret,
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

static int take_own_option(struct add *add, int option, const char *arg, struct uc_error *err)
{
	struct uc_spec *spec = &add->spec;
	uint64_t id;

	switch (option) {
	case OPT_TARGET:
		/* Found before: its options are in the table. A second one must be the same. */
		return strcmp(arg, add->type->name) == 0
			       ? 0
			       : uc_fail(err, UC_USAGE, EINVAL, "--target is given twice");
	case OPT_ID:
		if (uc_number_parse(arg, "--id", 0, UC_ID_MAX, &id, err) < 0)
			return -EINVAL;
		spec->id = (uint32_t)id;
		return 0;
	case OPT_QUEUES:
		spec->queues_set = true;
		return parse_count(arg, "--queues", UBLK_MAX_NR_QUEUES, &spec->queues, err);
	case OPT_THREADS:
		return parse_count(arg, "--threads", UC_MAX_THREADS, &spec->threads, err);
	case OPT_CPUS:
		return uc_cpus_parse(arg, "--cpus", &spec->cpus, err);
	case OPT_DEPTH:
		return parse_count(arg, "--depth", UBLK_MAX_QUEUE_DEPTH, &spec->depth, err);
	case OPT_MAX_IO_SIZE:
		return parse_max_io_size(arg, &spec->max_io_size, err);
	case OPT_LOGICAL:
		return parse_block_size(arg, "--logical-block-size", PAGE, &spec->logical_bs, err);
	case OPT_PHYSICAL:
		return parse_block_size(arg, "--physical-block-size", 256U << 20,
					&spec->physical_bs, err);
	case OPT_DATA_PATH:
		return parse_data_path(arg, &spec->path, err);
	case OPT_SHARED_MEMORY:
		free(add->shared_memory);
		add->shared_memory = strdup(arg);
		spec->shared_memory = add->shared_memory;
		return add->shared_memory ? 0 : uc_fail_errno(err, ENOMEM, "options");
	case OPT_READ_ONLY:
		spec->read_only = true;
		return 0;
	case OPT_FOREGROUND:
		spec->foreground = true;
		return 0;
	default:
		add->json = true;
		return 0;
	}
}

static int take_option(void *ctx, int option, const char *arg, struct uc_error *err)
{
	struct add *add = ctx;

	return option >= UC_TARGET_OPTION ? add->type->option(add->config, option, arg, err)
					  : take_own_option(add, option, arg, err);
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
static int explain_foreign(const struct uc_target_type *type, struct uc_error *err)
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
static const char *target_argument(int argc, const char **argv)
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

static void paths_help(void)
{
	unsigned count;
	const struct uc_path *const *paths = uc_paths(&count);

	puts("\nData paths:\n  auto                the best that the driver has for the target's "
	     "data");
	for (unsigned i = 0; i < count; i++)
		printf("  %-19s %s\n", paths[i]->name, paths[i]->help);
}

static int parse(struct add *add, int argc, const char **argv, struct uc_error *err)
{
	static const struct poptOption none[] = {POPT_TABLEEND};
	const char *name = target_argument(argc, argv);
	const char *title = "Options of the target:";
	int ret = name ? find_target(name, &add->type, err) : 0;

	if (ret < 0)
		return ret;
	const struct poptOption table[] = {
		{NULL, '\0', POPT_ARG_INCLUDE_TABLE, (void *)(uintptr_t)add_options, 0,
		 "Options:", NULL},
		{NULL, '\0', POPT_ARG_INCLUDE_TABLE,
		 (void *)(uintptr_t)(add->type ? add->type->options : none), 0,
		 add->type ? title : NULL, NULL},
		POPT_TABLEEND,
	};
	const struct option_parser parser = {
		.command = &add_command,
		.options = table,
		.take = take_option,
		.ctx = add,
		.more_help = paths_help,
	};

	if (add->type) {
		add->config = calloc(1, add->type->config_size);
		if (!add->config)
			return uc_fail_errno(err, ENOMEM, "options");
	}
	ret = options_parse(&parser, argc, argv, err);
	if (ret < 0)
		return explain_foreign(add->type, err);
	return ret == 0 && !add->type ? no_target(err) : ret;
}

static void print_json(const struct add *add, const struct uc_added *added)
{
	uc_auto_json struct json_object *doc = document_new();

	json_object_object_add(doc, "id", json_object_new_uint64(added->info.dev_id));
	json_object_object_add(doc, "device", json_object_new_string(added->node));
	json_object_object_add(doc, "target", json_object_new_string(add->type->name));
	json_object_object_add(doc, "pid", json_object_new_int(added->info.ublksrv_pid));
	json_object_object_add(doc, "queues", json_object_new_int(added->info.nr_hw_queues));
	json_object_object_add(doc, "depth", json_object_new_int(added->info.queue_depth));
	json_object_object_add(doc, "data_path", json_object_new_string(added->data_path));
	document_print(doc, true);
}

static int print_added(void *ctx, const struct uc_added *added)
{
	struct add *add = ctx;

	if (add->json)
		print_json(add, added);
	else
		puts(added->node);
	/* Whoever started us in the foreground reads it now, not when we end. */
	add->unheard = fflush(stdout) != 0;
	/* Reported by us, and not once more at exit. */
	if (add->unheard)
		clearerr(stdout);
	return add->unheard ? -EIO : 0;
}

static int add_background(const struct uc_host *host, struct add *add,
			  const struct uc_target *target, struct uc_error *err)
{
	struct uc_added added;
	int ret = uc_add(host, &add->spec, target, &added, err);

	if (ret < 0)
		return ret;
	if (print_added(add, &added) == 0)
		return 0;
	/* A device whose name nobody got to know is a device left behind. */
	(void)uc_del(host, added.info.dev_id, true, NULL);
	return -EIO;
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

static int run(const struct uc_host *host, struct add *add, struct uc_error *err)
{
	struct uc_target *target = NULL;
	int ret = add->type->open(add->config, &add->spec, &target, err);

	if (ret < 0)
		return ret;
	if (add->spec.foreground)
		ret = uc_add_foreground(host, &add->spec, target, print_added, add, err);
	else
		ret = add_background(host, add, target, err);
	if (add->unheard)
		ret = uc_fail(err, UC_FAILED, EIO, "cannot write the path to standard output");
	if (ret < 0 && add->type->undo)
		add->type->undo(target);
	target->ops->close(target);
	return ret;
}

static int add_run(const struct uc_host *host, int argc, const char **argv, struct uc_error *err)
{
	struct add add = {
		.spec = {.id = UC_ID_ANY,
			 .queues = UC_DEFAULT_QUEUES,
			 .threads = UC_DEFAULT_THREADS,
			 .depth = UC_DEFAULT_DEPTH,
			 .max_io_size = UC_DEFAULT_MAX_IO_SIZE},
	};
	int ret;

	/* The handler outlives us: it must not keep a caller's lock file or pipe. */
	if (close_range(3, ~0U, 0) < 0)
		return uc_fail_errno(err, errno, "cannot close inherited files");
	ret = parse(&add, argc, argv, err);
	if (ret == 0)
		ret = check_threads(&add.spec, err);
	if (ret == 0)
		ret = check_shared_memory(&add.spec, err);
	if (ret == 0)
		ret = run(host, &add, err);
	free(add.config);
	free(add.shared_memory);
	return ret;
}

const struct command add_command = {
	.name = "add",
	.summary = "make a device and print its path",
	.synopsis = "-t TARGET [OPTION...] [TARGET-OPTION...]",
	.run = add_run,
};
