/* SPDX-License-Identifier: MIT */
#ifndef UC_AWAIT_H
#define UC_AWAIT_H

#include "error.h"
#include "host.h"

/* What a device may be waited for to become. */
enum uc_await_state {
	UC_AWAIT_LIVE, /* state LIVE, and its node reads; the device need not be there yet */
	UC_AWAIT_DEAD,
	UC_AWAIT_QUIESCED,
	UC_AWAIT_FAIL_IO,
	UC_AWAIT_REMOVED, /* there is no such device, or not any more */
};

/* As `list` writes states, and "removed"; in either case, and with - or _. UC_USAGE for others. */
int uc_await_parse(const char *text, enum uc_await_state *ret_state, struct uc_error *err);

/*
 * Waits, at most timeout_ms, until the device that `text` names (see uc_device_parse()) is in that
 * state. UC_TIMEOUT, saying in which it is instead; UC_NO_DEVICE when there is none that could
 * come to be in it.
 */
int uc_await(const struct uc_host *host, const char *text, enum uc_await_state state,
	     unsigned timeout_ms, struct uc_error *err);

#endif
