/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "behind.h"
#include "cmd.h"
#include "inherited.h"
#include "lifecycle.h"
#include "recover.h"
#include "select.h"
#include "serve.h"

enum { OPT_ID = 2, OPT_ALL };

struct upgrade {
	struct selection selection;
	struct outcome outcome;
	bool all;
};

static const struct poptOption upgrade_options[] = {
	{"id", 'n', POPT_ARG_STRING, NULL, OPT_ID, "device id", "ID"},
	{"all", 'a', POPT_ARG_NONE, NULL, OPT_ALL, "all devices that ublkctl serves", NULL},
	{NULL, '\0', POPT_ARG_INCLUDE_TABLE, (void *)(uintptr_t)outcome_option_table, 0, NULL,
	 NULL},
	POPT_TABLEEND,
};

static int take_operand(void *ctx, const char *text, struct uc_error *err)
{
	struct upgrade *upgrade = ctx;

	return select_text(&upgrade->selection, text, err);
}

static int take_option(void *ctx, int option, const char *arg, struct uc_error *err)
{
	struct upgrade *upgrade = ctx;

	if (option == OPT_ID)
		return take_operand(ctx, arg, err);
	upgrade->all = true;
	return 0;
}

/* What the old server has open; no path is trusted to lead to the same. */
static int open_same(void *ctx, const struct uc_host *host, const struct uc_device *d,
		     struct uc_spec *spec, struct uc_target **ret_target, struct uc_error *err)
{
	auto_behind struct behind b = {.fd = -1};
	int ret = behind_find(d, &b, err);

	(void)ctx;
	(void)host;
	if (ret == 0)
		ret = behind_take_file(d, &b, err);
	if (ret < 0)
		return ret;
	if (b.fd >= 0 && b.type->adopt) {
		b.type->adopt(b.config, b.fd);
		b.fd = -1;
	}
	return b.type->open(b.config, spec, ret_target, err);
}

/* With --all only those count that we serve. */
static bool is_left_out(const struct upgrade *u, const struct uc_device *d)
{
	return u->all && (d->record_state != UC_RECORD_OK || d->info.state != UBLK_S_DEV_LIVE ||
			  !uc_recover_is_served(u->selection.host, &d->info));
}

static int upgrade_one(void *ctx, const struct uc_ref *ref, struct uc_error *err)
{
	static const struct uc_spec as_it_was;
	static const struct uc_restore same = {.spec = &as_it_was, .open = open_same};
	const struct upgrade *u = ctx;
	const struct uc_host *host = u->selection.host;
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	struct uc_device device = {0};
	struct uc_added added;
	int ret = uc_ctrl_open(host, &ctrl, err);

	if (ret == 0)
		ret = uc_device_get(host, ctrl, ref->id, &device, err);
	if (u->all && (ret == -ENODEV || (ret == 0 && is_left_out(u, &device))))
		return OUTCOME_ABSENT;
	return ret < 0 ? ret : uc_upgrade(host, ref, &same, &added, err);
}

static int upgrade_run(const struct uc_host *host, int argc, const char **argv,
		       struct uc_error *err)
{
	struct upgrade upgrade = {
		.selection = {.host = host},
		.outcome = {.command = &upgrade_command, .verb = "upgrade", .done = "upgraded"}};
	const struct option_parser parser = {
		.command = &upgrade_command,
		.take = take_option,
		.operand = take_operand,
		.ctx = &upgrade,
		.outcome = &upgrade.outcome,
	};
	int ret;

	inherited_close(argc, argv);
	ret = options_parse(&parser, argc, argv, err);
	if (ret == 0)
		ret = select_check(&upgrade.selection, upgrade.all, err);
	if (ret == 0)
		ret = select_each(&upgrade.selection, &upgrade.outcome, upgrade_one, &upgrade, err);
	select_free(&upgrade.selection);
	return outcome_end(&upgrade.outcome, ret, err);
}

const struct command upgrade_command = {
	.name = "upgrade",
	.summary = "replace handlers by this program, without an I/O error",
	.synopsis = "[OPTION...] ID|NAME|PATH...",
	.options = upgrade_options,
	.operands = OPERAND_DEVICES,
	.run = upgrade_run,
};
