/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "again.h"
#include "behind.h"
#include "cmd.h"
#include "manage.h"
#include "recover.h"
#include "select.h"
#include "serve.h"

enum { OPT_ID = 2, OPT_ALL };

struct start {
	struct selection selection;
	bool all;
};

static const struct poptOption start_options[] = {
	{"id", 'n', POPT_ARG_STRING, NULL, OPT_ID, "device id", "ID"},
	{"all", 'a', POPT_ARG_NONE, NULL, OPT_ALL, "all devices that were stopped", NULL},
	POPT_TABLEEND,
};

static int take_operand(void *ctx, const char *text, struct uc_error *err)
{
	struct start *start = ctx;

	return select_text(&start->selection, text, err);
}

static int take_option(void *ctx, int option, const char *arg, struct uc_error *err)
{
	struct start *start = ctx;

	if (option == OPT_ID)
		return take_operand(ctx, arg, err);
	start->all = true;
	return 0;
}

/* As it was, and where the driver was to choose it chooses again. */
static struct uc_spec spec_of(const struct uc_device *d, bool foreground)
{
	struct uc_spec spec = {.foreground = foreground};

	uc_recover_spec(d, &spec);
	if (!spec.path_asked)
		spec.path = NULL;
	return spec;
}

int again_start(const struct uc_host *host, const struct uc_device *d, bool foreground,
		again_ready *ready, void *ctx, struct uc_error *err)
{
	auto_behind struct behind behind = {.fd = -1};
	const struct uc_spec spec = spec_of(d, foreground);
	struct uc_target *target = NULL;
	struct uc_added added;
	int ret = behind_find(d, &behind, err);

	/* Memory that nobody kept was given up with stop --force. */
	if (ret == 0 && d->record.keeper.pid)
		ret = behind_take_kept(d, behind.type, behind.config, err);
	if (ret == 0)
		ret = behind_open(behind.type, behind.config, &spec, &target, err);
	if (ret < 0 || !target)
		return ret;
	ret = foreground ? uc_start_foreground(host, d, &spec, target, ready, ctx, err)
			 : uc_start(host, d, &spec, target, &added, err);
	target->ops->close(target);
	return ret;
}

static int start_one(void *ctx, uint32_t id, struct uc_error *err)
{
	const struct start *start = ctx;
	const struct uc_host *host = start->selection.host;
	struct uc_device device = {0};
	int ret = uc_start_find(host, id, &device, err);

	/* With --all only those count that were stopped. */
	if (ret < 0 && start->all &&
	    (err->code == UC_BUSY || err->code == UC_NO_DEVICE || err->errnum == EINVAL))
		return 0;
	return ret < 0 ? ret : again_start(host, &device, false, NULL, NULL, err);
}

static int start_run(const struct uc_host *host, int argc, const char **argv, struct uc_error *err)
{
	struct start start = {.selection = {.host = host}};
	const struct option_parser parser = {
		.command = &start_command,
		.take = take_option,
		.operand = take_operand,
		.ctx = &start,
	};
	int ret = close_inherited(err);

	if (ret == 0)
		ret = options_parse(&parser, argc, argv, err);
	if (ret == 0)
		ret = select_check(&start.selection, start.all, err);
	if (ret == 0)
		ret = select_each(&start.selection, &start_command, start_one, &start, err);
	free(start.selection.ids);
	return ret;
}

const struct command start_command = {
	.name = "start",
	.summary = "bring stopped devices back",
	.synopsis = "[OPTION...] ID|NAME|PATH...",
	.options = start_options,
	.operands = OPERAND_DEVICES,
	.run = start_run,
};
