/* SPDX-License-Identifier: MIT */
#ifndef CMD_AGAIN_H
#define CMD_AGAIN_H

#include "lifecycle.h"
#include "serve.h"

/* A device that has no server gets one: in the background, or in this process, which serves then.
 */
struct again {
	/* What is said anew, and zero otherwise; the target is that of the record but for
	 * serve->type. */
	const struct serve *serve;
	uc_ready *ready; /* in the foreground */
	void *ctx;
};

/* One that has lost its server. */
int again_recover(const struct uc_host *host, const struct again *again, const struct uc_ref *ref,
		  struct uc_error *err);

/* One that was stopped. */
int again_start(const struct uc_host *host, const struct again *again, const struct uc_ref *ref,
		struct uc_error *err);

#endif
