/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "behind.h"
#include "cmd.h"
#include "manage.h"
#include "recover.h"
#include "select.h"
#include "serve.h"

enum { OPT_ID = 2, OPT_ALL };

struct upgrade {
	struct selection selection;
	bool all;
};

static const struct poptOption upgrade_options[] = {
	{"id", 'n', POPT_ARG_STRING, NULL, OPT_ID, "device id", "ID"},
	{"all", 'a', POPT_ARG_NONE, NULL, OPT_ALL, "all devices that ublkctl serves", NULL},
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

/* All that can fail for the target's sake fails while the old handler still serves. */
static int open_behind(const struct uc_device *d, struct behind *b, const struct uc_spec *spec,
		       struct uc_target **ret_target, struct uc_error *err)
{
	int ret = behind_take_file(d, b, err);

	if (ret < 0)
		return ret;
	if (b->fd >= 0 && b->type->adopt) {
		b->type->adopt(b->config, b->fd);
		b->fd = -1;
	}
	return b->type->open(b->config, spec, ret_target, err);
}

static int upgrade_device(const struct uc_host *host, const struct uc_device *d,
			  struct uc_error *err)
{
	auto_behind struct behind behind = {.fd = -1};
	struct uc_spec spec = {0};
	struct uc_target *target = NULL;
	struct uc_added added;
	int ret = behind_find(d, &behind, err);

	if (ret == 0)
		ret = uc_upgrade_check(host, d, err);
	if (ret < 0)
		return ret;
	uc_recover_spec(d, &spec);
	ret = open_behind(d, &behind, &spec, &target, err);
	return ret < 0 ? ret : uc_upgrade(host, d, &spec, target, &added, err);
}

/* With --all only those count that we serve. */
static bool is_left_out(const struct upgrade *u, const struct uc_device *d)
{
	return u->all && (d->record_state != UC_RECORD_OK || d->info.state != UBLK_S_DEV_LIVE ||
			  !uc_recover_is_served(u->selection.host, &d->info));
}

static int upgrade_one(void *ctx, uint32_t id, struct uc_error *err)
{
	const struct upgrade *u = ctx;
	const struct uc_host *host = u->selection.host;
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	struct uc_device device = {0};
	int ret = uc_ctrl_open(host, &ctrl, err);

	if (ret == 0)
		ret = uc_device_get(host, ctrl, id, &device, err);
	if (u->all && (ret == -ENODEV || (ret == 0 && is_left_out(u, &device))))
		return 0;
	return ret < 0 ? ret : upgrade_device(host, &device, err);
}

static int upgrade_run(const struct uc_host *host, int argc, const char **argv,
		       struct uc_error *err)
{
	struct upgrade upgrade = {.selection = {.host = host}};
	const struct option_parser parser = {
		.command = &upgrade_command,
		.take = take_option,
		.operand = take_operand,
		.ctx = &upgrade,
	};
	int ret = close_inherited(err);

	if (ret == 0)
		ret = options_parse(&parser, argc, argv, err);
	if (ret == 0)
		ret = select_check(&upgrade.selection, upgrade.all, err);
	if (ret == 0)
		ret = select_each(&upgrade.selection, &upgrade_command, upgrade_one, &upgrade, err);
	free(upgrade.selection.ids);
	return ret;
}

const struct command upgrade_command = {
	.name = "upgrade",
	.summary = "replace handlers by this program, without an I/O error",
	.synopsis = "[OPTION...] ID|NAME|PATH...",
	.options = upgrade_options,
	.operands = OPERAND_DEVICES,
	.run = upgrade_run,
};
