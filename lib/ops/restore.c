/* SPDX-License-Identifier: MIT */
/* A server for a device that has none: it was lost, or the device was stopped. */
#include <errno.h>

#include "change.h"
#include "handler.h"
#include "lifecycle.h"
#include "recover.h"
#include "stop.h"

/* Opens what is behind the device, and has it served in the background or by this process. */
static int serve(struct uc_change *change, const struct uc_restore *restore, struct uc_spec *spec,
		 struct uc_server_args *args, struct uc_added *ret_added, struct uc_error *err)
{
	struct uc_target *target = NULL;
	int ret = restore->open(restore->ctx, change->host, &change->device, spec, &target, err);

	if (ret < 0 || !target)
		return ret;
	args->host = change->host;
	args->spec = spec;
	args->target = target;
	args->cookie = change->device.info.ublksrv_flags;
	args->locks = &change->locks;
	args->ready = restore->ready;
	args->ctx = restore->ctx;
	ret = spec->foreground && !change->host->dry_run ? uc_server_run(args, err)
							 : uc_handler_start(args, ret_added, err);
	target->ops->close(target);
	return ret;
}

int uc_recover(const struct uc_host *host, const struct uc_ref *ref,
	       const struct uc_restore *restore, struct uc_added *ret_added, struct uc_error *err)
{
	uc_auto_change struct uc_change change = UC_CHANGE_NONE;
	struct uc_server_args args = {.resume = true};
	struct uc_spec spec = *restore->spec;
	int ret = uc_change_begin(host, ref, &change, err);

	if (ret == 0 && change.device.only_recorded)
		return uc_recover_is_stopped(ref->id, err);
	/* Until then the old server holds on to its backing. */
	if (ret == 0)
		ret = uc_recover_await(host, change.ctrl, ref->id, &change.device.info, err);
	if (ret < 0)
		return ret;
	spec.dry_run = host->dry_run;
	uc_recover_spec(&change.device, &spec);
	return serve(&change, restore, &spec, &args, ret_added, err);
}

static int check_stopped(const struct uc_device *d, struct uc_error *err)
{
	const uint32_t id = d->info.dev_id;

	if (d->info.state == UBLK_S_DEV_LIVE)
		return uc_fail(err, UC_BUSY, EBUSY, "device %u is running already", id);
	if (uc_device_is_stopped(d))
		return 0;
	return uc_fail(err, UC_FAILED, EINVAL,
		       "device %u was not stopped, but has lost its handler; see 'ublkctl %s'", id,
		       d->info.state == UBLK_S_DEV_DEAD ? "del" : "recover");
}

/* As it was, and where the driver was to choose it chooses again. */
static void spec_of(const struct uc_device *d, const struct uc_restore *restore,
		    struct uc_spec *ret_spec)
{
	*ret_spec = (struct uc_spec){.foreground = restore->spec->foreground,
				     .dry_run = restore->spec->dry_run};
	uc_recover_spec(d, ret_spec);
	if (!ret_spec->path_asked)
		ret_spec->path = NULL;
}

int uc_start(const struct uc_host *host, const struct uc_ref *ref, const struct uc_restore *restore,
	     struct uc_added *ret_added, struct uc_error *err)
{
	uc_auto_change struct uc_change change = UC_CHANGE_NONE;
	struct uc_server_args args = {.restart = true};
	struct uc_spec spec;
	int ret = uc_change_begin(host, ref, &change, err);

	if (ret == 0)
		ret = check_stopped(&change.device, err);
	if (ret == 0 && !host->dry_run)
		ret = uc_stop_await(&change, err);
	/* Nobody else makes a device meanwhile, lest it gets this one's id. */
	if (ret == 0)
		ret = uc_lock_making(host, true, &change.locks.making_fd, err);
	if (ret < 0)
		return ret;
	spec_of(&change.device, restore, &spec);
	spec.dry_run = host->dry_run;
	return serve(&change, restore, &spec, &args, ret_added, err);
}
