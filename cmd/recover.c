/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "again.h"
#include "behind.h"
#include "cmd.h"
#include "inherited.h"
#include "lifecycle.h"
#include "recover.h"
#include "select.h"
#include "serve.h"

enum { OPT_ID = 2, OPT_ALL };

struct recover {
	struct serve serve; /* first: it is the context of both */
	struct selection selection;
	struct outcome outcome;
	bool all;
};

static const struct poptOption recover_options[] = {
	{"id", 'n', POPT_ARG_STRING, NULL, OPT_ID, "device id", "ID"},
	{"all", 'a', POPT_ARG_NONE, NULL, OPT_ALL, "all devices that have lost their handler",
	 NULL},
	{NULL, '\0', POPT_ARG_INCLUDE_TABLE, (void *)(uintptr_t)outcome_option_table, 0, NULL,
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

/* Whoever has started us in the foreground wants to hear it before the end. */
static int tell_ready(void *ctx, const struct uc_added *added)
{
	struct recover *r = ctx;

	(void)added;
	outcome_note(&r->outcome, OUTCOME_CHANGED, NULL);
	(void)outcome_end(&r->outcome, 0, NULL);
	(void)fflush(stdout);
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

/* What the device has had behind it is to be there again. */
static bool is_behind(const struct serve *serve, const struct uc_device *d)
{
	struct uc_identity identity;

	if (!serve->type)
		return true;
	if (!serve->backing)
		return false;
	identity = uc_identity_of_path(serve->backing);
	return uc_device_has_backing(d, serve->backing, &identity);
}

static int open_behind(void *ctx, const struct uc_host *host, const struct uc_device *d,
		       struct uc_spec *spec, struct uc_target **ret_target, struct uc_error *err)
{
	const struct serve *serve = ((const struct again *)ctx)->serve;
	auto_behind struct behind behind = {.fd = -1};
	int ret = serve_check(spec, err);
	void *config;

	if (ret == 0)
		ret = configure(serve, d, &behind, err);
	if (ret)
		return ret;
	config = behind.config ? behind.config : serve->config;
	ret = behind_take_kept(host, d, is_behind(serve, d), behind.type, config, err);
	if (ret == 0)
		ret = behind.type->open(config, spec, ret_target, err);
	inherited_close_named();
	return ret;
}

static int tell_again(void *ctx, const struct uc_added *added)
{
	const struct again *again = ctx;

	return again->ready(again->ctx, added);
}

int again_recover(const struct uc_host *host, const struct again *again, const struct uc_ref *ref,
		  struct uc_error *err)
{
	struct uc_spec spec = again->serve->spec;
	const struct uc_restore restore = {.spec = &spec,
					   .open = open_behind,
					   .ready = tell_again,
					   .ctx = (void *)(uintptr_t)again};
	struct uc_added added;

	if (!again->serve->type)
		spec.target_options = NULL;
	return uc_recover(host, ref, &restore, &added, err);
}

static int recover_one(void *ctx, const struct uc_ref *ref, struct uc_error *err)
{
	struct recover *r = ctx;
	const struct uc_host *host = r->selection.host;
	const struct again again = {.serve = &r->serve, .ready = tell_ready, .ctx = r};
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	struct uc_device device = {0};
	int ret = uc_ctrl_open(host, &ctrl, err);

	if (ret == 0 && r->all) {
		ret = uc_device_get(host, ctrl, ref->id, &device, err);
		if (ret == -ENODEV || (ret == 0 && is_left_out(r, &device)))
			return OUTCOME_ABSENT;
	}
	return ret < 0 ? ret : again_recover(host, &again, ref, err);
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
			  .operand = take_operand,
			  .outcome = &recover.outcome},
		.selection = {.host = host},
		.outcome = {.command = &recover_command, .verb = "recover", .done = "recovered"},
	};
	int ret;

	inherited_close(argc, argv);
	ret = serve_parse(&recover.serve, argc, argv, err);
	if (ret == 0)
		ret = check_one(&recover, err);
	if (ret == 0)
		ret = select_check(&recover.selection, recover.all, err);
	if (ret == 0)
		ret = select_each(&recover.selection, &recover.outcome, recover_one, &recover, err);
	select_free(&recover.selection);
	serve_free(&recover.serve);
	return outcome_end(&recover.outcome, ret, err);
}

static bool is_waiting(const struct uc_device *d)
{
	return d->info.state == UBLK_S_DEV_QUIESCED || d->info.state == UBLK_S_DEV_FAIL_IO;
}

const struct command recover_command = {
	.name = "recover",
	.summary = "give devices that have lost their handler a new one",
	.synopsis = "[OPTION...] [-t TARGET [TARGET-OPTION...]] ID|NAME|PATH...",
	.options = recover_options,
	.operands = OPERAND_DEVICES,
	.suits = is_waiting,
	.serves = true,
	.run = recover_run,
};
