/* SPDX-License-Identifier: MIT */
#include "gc.h"

#include <errno.h>
#include <stdio.h>

#include "cleanup.h"
#include "cmd.h"
#include "table.h"

enum { OPT_DRY_RUN = 2, OPT_ALL_OWNERS, OPT_JSON };

struct gc {
	struct uc_gc_options options;
	struct json_object *items; /* NULL: lines */
};

static const struct poptOption gc_options[] = {
	{"dry-run", '\0', POPT_ARG_NONE, NULL, OPT_DRY_RUN, "only say what would be removed", NULL},
	{"all-owners", '\0', POPT_ARG_NONE, NULL, OPT_ALL_OWNERS,
	 "dead devices of other programs, too", NULL},
	{"json", 'J', POPT_ARG_NONE, NULL, OPT_JSON, "write JSON", NULL},
	POPT_TABLEEND,
};

static int take_option(void *ctx, int option, const char *arg, struct uc_error *err)
{
	struct gc *gc = ctx;

	(void)arg;
	(void)err;
	switch (option) {
	case OPT_DRY_RUN:
		gc->options.dry_run = true;
		return 0;
	case OPT_ALL_OWNERS:
		gc->options.all_owners = true;
		return 0;
	default:
		if (!gc->items)
			gc->items = json_object_new_array();
		return 0;
	}
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
	const struct gc *gc = ctx;

	if (gc->items)
		tell_json(gc->items, item);
	else
		printf("%s: %s: %s\n", item->what, actions[item->action], item->why);
}

static int gc_run(const struct uc_host *host, int argc, const char **argv, struct uc_error *err)
{
	struct gc gc = {.options = {.tell = tell, .ctx = &gc}};
	const struct option_parser parser = {
		.command = &gc_command,
		.take = take_option,
		.ctx = &gc,
	};
	uc_auto_json struct json_object *doc = document_new();
	int ret = options_parse(&parser, argc, argv, err);

	if (ret == 0)
		ret = uc_gc(host, &gc.options, err);
	if (!gc.items)
		return ret;
	json_object_object_add(doc, "items", gc.items);
	document_print(doc, true);
	return ret;
}

const struct command gc_command = {
	.name = "gc",
	.summary = "remove what a crash has left",
	.synopsis = "[OPTION...]",
	.options = gc_options,
	.run = gc_run,
};
