/* SPDX-License-Identifier: MIT */
#ifndef CMD_PRESENT_H
#define CMD_PRESENT_H

#include "device.h"
#include "serve.h"

/*
 * The device that `add` would make a second time: the one of that name, else, if `by_backing`, the
 * one with that backing. -ENODEV: there is none.
 */
int present_find(const struct uc_host *host, const struct serve *serve, bool by_backing,
		 struct uc_device *ret_device, struct uc_error *err);

/* Whether it is what was asked for; else UC_DIFFERS names the first difference. */
int present_compare(const struct serve *serve, const struct uc_device *d, struct uc_error *err);

/* And has a handler. */
int present_check(const struct uc_host *host, const struct serve *serve, const struct uc_device *d,
		  struct uc_error *err);

#endif
