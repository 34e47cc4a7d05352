/* SPDX-License-Identifier: MIT */
#include "gc.h"

#include <errno.h>
#include <stdio.h>

#include "cleanup.h"
#include "cmd.h"
#include "outcome.h"
#include "table.h"

enum { OPT_ALL_OWNERS = 2 };

struct gc {
	struct uc_gc_options options;
	struct outcome outcome;
	struct json_object *items;
};

static const struct poptOption gc_options[] = {
	{"all-owners", '\0', POPT_ARG_NONE, NULL, OPT_ALL_OWNERS,
	 "dead devices of other programs, too", NULL},
	{NULL, '\0', POPT_ARG_INCLUDE_TABLE, (void *)(uintptr_t)outcome_option_table, 0, NULL,
	 NULL},
	POPT_TABLEEND,
};

static int take_option(void *ctx, int option, const char *arg, struct uc_error *err)
{
	struct gc *gc = ctx;

	(void)option;
	(void)arg;
	(void)err;
	gc->options.all_owners = true;
	return 0;
}

static void tell_json(struct json_object *items, const struct uc_gc_item *item)
{
	static const char *const kinds[] = {
		[UC_GC_DEVICE] = "device", [UC_GC_RECORD] = "record", [UC_GC_PROCESS] = "process"};
	static const char *const actions[] = {[UC_GC_REMOVE] = "remove",
					      [UC_GC_REMOVED] = "removed",
					      [UC_GC_KEPT] = "kept",
					      [UC_GC_FAILED] = "failed"};
	struct json_object *doc = json_object_new_object();

	json_object_object_add(doc, "kind", json_object_new_string(kinds[item->kind]));
	json_object_object_add(doc, "what", json_object_new_string(item->what));
	json_object_object_add(doc, "why", json_object_new_string(item->why));
	json_object_object_add(doc, "action", json_object_new_string(actions[item->action]));
	json_object_array_add(items, doc);
}

static void tell(void *ctx, const struct uc_gc_item *item)
{
	static const char *const actions[] = {[UC_GC_REMOVE] = "would be removed",
					      [UC_GC_REMOVED] = "removed",
					      [UC_GC_KEPT] = "kept",
					      [UC_GC_FAILED] = "not removed"};
	struct gc *gc = ctx;

	gc->outcome.changed |= item->action == UC_GC_REMOVE || item->action == UC_GC_REMOVED;
	if (gc->outcome.json)
		tell_json(gc->items, item);
	else
		printf("%s: %s: %s\n", item->what, actions[item->action], item->why);
}

static int gc_run(const struct uc_host *host, int argc, const char **argv, struct uc_error *err)
{
	struct uc_host mine = *host;
	struct gc gc = {
		.options = {.tell = tell, .ctx = &gc},
		.outcome = {.command = &gc_command},
		.items = json_object_new_array(),
	};
	const struct option_parser parser = {
		.command = &gc_command,
		.take = take_option,
		.ctx = &gc,
		.outcome = &gc.outcome,
	};
	int ret = options_parse(&parser, argc, argv, err);

	mine.dry_run = gc.outcome.dry_run;
	if (ret == 0)
		ret = uc_gc(&mine, &gc.options, err);
	outcome_add(&gc.outcome, "items", gc.items);
	return outcome_end(&gc.outcome, ret, err);
}

const struct command gc_command = {
	.name = "gc",
	.summary = "remove what a crash has left",
	.synopsis = "[OPTION...]",
	.options = gc_options,
	.run = gc_run,
};
