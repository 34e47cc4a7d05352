/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd.h"
#include "keeper.h"
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

/* What is behind the device, as the record has it. */
static int configure(const struct uc_device *d, const struct uc_target_type **ret_type,
		     void **ret_config, struct uc_error *err)
{
	const struct uc_target_type *type;

	if (d->record_state != UC_RECORD_OK)
		return uc_fail(err, UC_USAGE, EINVAL,
			       "there is no record of device %u: say what is behind it, with -t "
			       "TARGET and its options",
			       d->info.dev_id);
	type = uc_target_find(d->record.target);
	if (!type)
		return uc_fail(err, UC_FAILED, EINVAL,
			       "the record of device %u names target '%s', which there is not",
			       d->info.dev_id, d->record.target);
	*ret_type = type;
	*ret_config = calloc(1, type->config_size);
	if (!*ret_config)
		return uc_fail_errno(err, ENOMEM, "options");
	return uc_target_restore(type, *ret_config, d->record.backing, d->record.options, err);
}

static int nobody_to_tell(void *ctx, const struct uc_added *added)
{
	(void)ctx;
	(void)added;
	return 0;
}

static int serve(const struct uc_host *host, const struct uc_device *d, const struct uc_spec *spec,
		 const struct uc_target_type *type, const void *config, struct uc_error *err)
{
	struct uc_target *target = NULL;
	struct uc_added added;
	int ret = type->open(config, spec, &target, err);

	if (ret < 0)
		return ret;
	ret = spec->foreground ? uc_recover_foreground(host, d->info.ublksrv_flags, spec, target,
						       nobody_to_tell, NULL, err)
			       : uc_recover(host, d->info.ublksrv_flags, spec, target, &added, err);
	target->ops->close(target);
	return ret;
}

/* The old keeper gives up what the new handler needs. */
static int take_kept(const struct uc_device *d, const struct uc_target_type *type, void *config,
		     struct uc_error *err)
{
	static const struct uc_record none;
	const struct uc_record *record = d->record_state == UC_RECORD_OK ? &d->record : &none;
	int fd = -1;
	int ret = uc_keeper_take(record, type->adopt != NULL, &fd, err);

	if (ret == 0 && type->adopt)
		type->adopt(config, fd);
	return ret;
}

static int recover_device(const struct recover *r, const struct uc_device *d, struct uc_error *err)
{
	const struct uc_target_type *type = r->serve.type;
	struct uc_spec spec = r->serve.spec;
	void *config = r->serve.config;
	int ret = 0;

	if (!type)
		spec.target_options = NULL;
	uc_recover_spec(d, &spec);
	ret = serve_check(&spec, err);
	if (ret == 0 && !type)
		ret = configure(d, &type, &config, err);
	if (ret == 0 && type)
		ret = take_kept(d, type, config, err);
	if (ret == 0 && type)
		ret = serve(r->selection.host, d, &spec, type, config, err);
	if (config != r->serve.config)
		free(config);
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
	return ret < 0 ? ret : recover_device(r, &device, err);
}

static int check_devices(const struct recover *r, struct uc_error *err)
{
	const size_t count = r->selection.count;

	if (r->all && count)
		return uc_fail(err, UC_USAGE, EINVAL, "--all and named devices exclude each other");
	if (!r->all && !count)
		return uc_fail(err, UC_USAGE, EINVAL, "no device: give an id, a path, or --all");
	if ((r->all || count > 1) && (r->serve.type || r->serve.spec.foreground))
		return uc_fail(err, UC_USAGE, EINVAL,
			       "--target and --foreground are for one device");
	return 0;
}

static int recover_run(const struct uc_host *host, int argc, const char **argv,
		       struct uc_error *err)
{
	struct recover recover = {
		.serve = {.command = &recover_command,
			  .options = recover_options,
			  .take = take_option,
			  .operand = take_operand},
		.selection = {.host = host},
	};
	int ret = close_inherited(err);

	if (ret == 0)
		ret = serve_parse(&recover.serve, argc, argv, err);
	if (ret == 0)
		ret = check_devices(&recover, err);
	if (ret == 0 && recover.all)
		ret = select_all(&recover.selection, err);
	if (ret == 0)
		ret = select_each(&recover.selection, &recover_command, recover_one, &recover, err);
	free(recover.selection.ids);
	serve_free(&recover.serve);
	return ret;
}

const struct command recover_command = {
	.name = "recover",
	.summary = "give devices that have lost their handler a new one",
	.synopsis = "[OPTION...] [-t TARGET [TARGET-OPTION...]] ID|PATH...",
	.run = recover_run,
};
