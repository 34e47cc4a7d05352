/* SPDX-License-Identifier: MIT */
/* `add` and `recover`, in a process of their own or in this one. */
#include <errno.h>
#include <sys/random.h>

#include "cleanup.h"
#include "handler.h"
#include "lock.h"
#include "manage.h"
#include "stop.h"

static int new_cookie(uint64_t *ret_cookie, struct uc_error *err)
{
	if (getrandom(ret_cookie, sizeof(*ret_cookie), 0) != sizeof(*ret_cookie))
		return uc_fail_errno(err, errno, "getrandom");
	/* 0 is what other programs' devices have. */
	*ret_cookie |= 1;
	return 0;
}

int uc_add(const struct uc_host *host, const struct uc_spec *spec, const struct uc_target *target,
	   int lock_fd, struct uc_added *ret_added, struct uc_error *err)
{
	struct uc_server_args args = {.host = host, .spec = spec, .target = target};
	int ret = new_cookie(&args.cookie, err);

	return ret < 0 ? ret : uc_handler_start(&args, lock_fd, ret_added, err);
}

int uc_recover(const struct uc_host *host, uint64_t cookie, const struct uc_spec *spec,
	       const struct uc_target *target, struct uc_added *ret_added, struct uc_error *err)
{
	const struct uc_server_args args = {
		.host = host, .spec = spec, .target = target, .cookie = cookie, .resume = true};
	uc_auto_close int lock_fd = -1;
	int ret = uc_lock_device(host, spec->id, &lock_fd, err);

	return ret < 0 ? ret : uc_handler_start(&args, lock_fd, ret_added, err);
}

int uc_start(const struct uc_host *host, const struct uc_device *device, const struct uc_spec *spec,
	     const struct uc_target *target, struct uc_added *ret_added, struct uc_error *err)
{
	const struct uc_server_args args = {.host = host,
					    .spec = spec,
					    .target = target,
					    .cookie = device->record.cookie,
					    .restart = true};
	uc_auto_close int lock_fd = -1;
	int ret = uc_lock_device(host, spec->id, &lock_fd, err);

	if (ret == 0)
		ret = uc_stop_await(host, device, err);
	return ret < 0 ? ret : uc_handler_start(&args, lock_fd, ret_added, err);
}

int uc_add_foreground(const struct uc_host *host, const struct uc_spec *spec,
		      const struct uc_target *target,
		      int (*ready)(void *ctx, const struct uc_added *added), void *ctx,
		      struct uc_error *err)
{
	struct uc_server_args args = {
		.host = host, .spec = spec, .target = target, .ready = ready, .ctx = ctx};
	int ret = new_cookie(&args.cookie, err);

	return ret < 0 ? ret : uc_server_run(&args, err);
}

int uc_recover_foreground(const struct uc_host *host, uint64_t cookie, const struct uc_spec *spec,
			  const struct uc_target *target,
			  int (*ready)(void *ctx, const struct uc_added *added), void *ctx,
			  struct uc_error *err)
{
	const struct uc_server_args args = {.host = host,
					    .spec = spec,
					    .target = target,
					    .cookie = cookie,
					    .resume = true,
					    .ready = ready,
					    .ctx = ctx};

	return uc_server_run(&args, err);
}

/* Only the way there has to be ours alone. */
struct start {
	int lock_fd;
	int (*ready)(void *ctx, const struct uc_added *added);
	void *ctx;
};

static int started(void *ctx, const struct uc_added *added)
{
	struct start *start = ctx;

	uc_cleanup_close(&start->lock_fd);
	start->lock_fd = -1;
	return start->ready(start->ctx, added);
}

int uc_start_foreground(const struct uc_host *host, const struct uc_device *device,
			const struct uc_spec *spec, const struct uc_target *target,
			int (*ready)(void *ctx, const struct uc_added *added), void *ctx,
			struct uc_error *err)
{
	struct start start = {.lock_fd = -1, .ready = ready, .ctx = ctx};
	const struct uc_server_args args = {.host = host,
					    .spec = spec,
					    .target = target,
					    .cookie = device->record.cookie,
					    .restart = true,
					    .ready = started,
					    .ctx = &start};
	int ret = uc_lock_device(host, spec->id, &start.lock_fd, err);

	if (ret == 0)
		ret = uc_stop_await(host, device, err);
	if (ret == 0)
		ret = uc_server_run(&args, err);
	uc_cleanup_close(&start.lock_fd);
	return ret;
}
