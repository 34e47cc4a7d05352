/* SPDX-License-Identifier: MIT */
/* A new device, served by a process of its own or by this one. */
#include <errno.h>
#include <sys/random.h>

#include "ctrl.h"
#include "handler.h"
#include "lifecycle.h"

static int new_cookie(uint64_t *ret_cookie, struct uc_error *err)
{
	if (getrandom(ret_cookie, sizeof(*ret_cookie), 0) != sizeof(*ret_cookie))
		return uc_fail_errno(err, errno, "getrandom");
	/* 0 is what other programs' devices have. */
	*ret_cookie |= 1;
	return 0;
}

/* Who asks for an id waits until who had it has come to an end. */
static int begin(const struct uc_server_args *args, struct uc_error *err)
{
	struct uc_locks *locks = args->locks;
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	/* Without a driver nothing else matters. */
	int ret = uc_ctrl_open(args->host, &ctrl, err);

	if (ret == 0)
		ret = uc_lock_open(args->host, &locks->device, err);
	if (ret == 0 && args->spec->id != UC_ID_ANY)
		ret = uc_lock_bind(args->host, locks->device, args->spec->id, err);
	return ret;
}

int uc_add(const struct uc_host *host, const struct uc_spec *spec, const struct uc_target *target,
	   struct uc_locks *locks, struct uc_added *ret_added, struct uc_error *err)
{
	struct uc_server_args args = {.host = host, .spec = spec, .target = target, .locks = locks};
	int ret = new_cookie(&args.cookie, err);

	if (ret == 0)
		ret = begin(&args, err);
	if (ret == 0)
		ret = uc_handler_start(&args, ret_added, err);
	uc_locks_release(locks);
	return ret;
}

int uc_add_foreground(const struct uc_host *host, const struct uc_spec *spec,
		      const struct uc_target *target, struct uc_locks *locks, uc_ready *ready,
		      void *ctx, struct uc_error *err)
{
	struct uc_server_args args = {.host = host,
				      .spec = spec,
				      .target = target,
				      .locks = locks,
				      .ready = ready,
				      .ctx = ctx};
	int ret = new_cookie(&args.cookie, err);

	if (ret == 0)
		ret = begin(&args, err);
	if (ret == 0)
		ret = uc_server_run(&args, err);
	uc_locks_release(locks);
	return ret;
}
