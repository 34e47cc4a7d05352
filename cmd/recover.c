/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "again.h"
#include "behind.h"
#include "cmd.h"
#include "manage.h"
#include "recover.h"
#include "select.h"
#include "serve.h"

enum { OPT_ID = 2, OPT_ALL };

struct recover {
	struct serve serve; /* first: it is the context of both */
	struct selection selection;
	bool all;
};

static const struct poptOption recover_options[] = {
	{"id", 'n', POPT_ARG_STRING, NULL, OPT_ID, "device id", "ID"},
	{"all", 'a', POPT_ARG_NONE, NULL, OPT_ALL, "all devices that have lost their handler",
	 NULL},
	POPT_TABLEEND,
};

static int take_operand(void *ctx, const char *text, struct uc_error *err)
{
	struct recover *recover = ctx;

	return select_text(&recover->selection, text, err);
}

static int take_option(void *ctx, int option, const char *arg, struct uc_error *err)
{
	struct recover *recover = ctx;

	if (option == OPT_ID)
		return take_operand(ctx, arg, err);
	recover->all = true;
	return 0;
}

/* With --all only those count that wait for a handler. */
static bool is_left_out(const struct recover *r, const struct uc_device *d)
{
	if (!r->all)
		return false;
	return !(d->info.flags & UBLK_F_USER_RECOVERY) || d->info.state == UBLK_S_DEV_DEAD ||
	       uc_recover_is_served(r->selection.host, &d->info);
}

static int nobody_to_tell(void *ctx, const struct uc_added *added)
{
	(void)ctx;
	(void)added;
	return 0;
}

/* What is to be behind the device: as was said, or as the record has it. */
static int configure(const struct serve *serve, const struct uc_device *d,
		     struct behind *ret_behind, struct uc_error *err)
{
	if (serve->type) {
		*ret_behind = (struct behind){.type = serve->type, .fd = -1};
		return 0;
	}
	if (d->record_state == UC_RECORD_OK)
		return behind_find(d, ret_behind, err);
	(void)uc_fail(err, UC_USAGE, EINVAL,
		      "there is no record of device %u: say what is behind it, with -t TARGET and "
		      "its options",
		      d->info.dev_id);
	return -EINVAL;
}

int again_recover(const struct uc_host *host, const struct serve *serve, const struct uc_device *d,
		  again_ready *ready, void *ctx, struct uc_error *err)
{
	const uint64_t cookie = d->info.ublksrv_flags;
	auto_behind struct behind behind = {.fd = -1};
	struct uc_spec spec = serve->spec;
	struct uc_target *target = NULL;
	struct uc_added added;
	void *config;
	int ret;

	if (!serve->type)
		spec.target_options = NULL;
	uc_recover_spec(d, &spec);
	ret = serve_check(&spec, err);
	if (ret == 0)
		ret = configure(serve, d, &behind, err);
	if (ret)
		return ret;
	config = behind.config ? behind.config : serve->config;
	ret = behind_take_kept(d, behind.type, config, err);
	if (ret == 0)
		ret = behind_open(behind.type, config, &spec, &target, err);
	if (ret < 0 || !target)
		return ret;
	ret = spec.foreground ? uc_recover_foreground(host, cookie, &spec, target, ready, ctx, err)
			      : uc_recover(host, cookie, &spec, target, &added, err);
	target->ops->close(target);
	return ret;
}

static int recover_one(void *ctx, uint32_t id, struct uc_error *err)
{
	const struct recover *r = ctx;
	const struct uc_host *host = r->selection.host;
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	struct uc_device device = {0};
	int ret = uc_ctrl_open(host, &ctrl, err);

	if (ret == 0)
		ret = uc_device_get(host, ctrl, id, &device, err);
	if (r->all && (ret == -ENODEV || (ret == 0 && is_left_out(r, &device))))
		return 0;
	/* Until then the old handler holds on to its backing. */
	if (ret == 0)
		ret = uc_recover_await(host, ctrl, id, &device.info, err);
	return ret < 0 ? ret : again_recover(host, &r->serve, &device, nobody_to_tell, NULL, err);
}

static int check_one(const struct recover *r, struct uc_error *err)
{
	if ((r->all || r->selection.count > 1) && (r->serve.type || r->serve.spec.foreground))
		return uc_fail(err, UC_USAGE, EINVAL,
			       "--target and --foreground are for one device");
	return 0;
}

static int recover_run(const struct uc_host *host, int argc, const char **argv,
		       struct uc_error *err)
{
	struct recover recover = {
		.serve = {.command = &recover_command,
			  .take = take_option,
			  .operand = take_operand},
		.selection = {.host = host},
	};
	int ret = close_inherited(err);

	if (ret == 0)
		ret = serve_parse(&recover.serve, argc, argv, err);
	if (ret == 0)
		ret = check_one(&recover, err);
	if (ret == 0)
		ret = select_check(&recover.selection, recover.all, err);
	if (ret == 0)
		ret = select_each(&recover.selection, &recover_command, recover_one, &recover, err);
	free(recover.selection.ids);
	serve_free(&recover.serve);
	return ret;
}

const struct command recover_command = {
	.name = "recover",
	.summary = "give devices that have lost their handler a new one",
	.synopsis = "[OPTION...] [-t TARGET [TARGET-OPTION...]] ID|NAME|PATH...",
	.options = recover_options,
	.operands = OPERAND_DEVICES,
	.serves = true,
	.run = recover_run,
};
