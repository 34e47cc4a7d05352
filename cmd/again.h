/* SPDX-License-Identifier: MIT */
#ifndef CMD_AGAIN_H
#define CMD_AGAIN_H

#include "manage.h"
#include "serve.h"

/*
 * A device that has no handler gets one: in the background, or in this process, which then serves
 * it. ready(ctx, added) is called in the latter case only; see uc_add_foreground().
 */
typedef int again_ready(void *ctx, const struct uc_added *added);

/*
 * One that has lost its handler. *serve has what is said anew, and is zero otherwise; what is
 * behind the device is taken from its record unless serve->type is set.
 */
int again_recover(const struct uc_host *host, const struct serve *serve, const struct uc_device *d,
		  again_ready *ready, void *ctx, struct uc_error *err);

/* One that was stopped, as uc_start_find() has found it. */
int again_start(const struct uc_host *host, const struct uc_device *d, bool foreground,
		again_ready *ready, void *ctx, struct uc_error *err);

#endif
