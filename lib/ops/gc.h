/* SPDX-License-Identifier: MIT */
#ifndef UC_GC_H
#define UC_GC_H

#include <stdbool.h>

#include "error.h"
#include "host.h"

/* What a crash may leave. */
enum uc_gc_kind {
	UC_GC_DEVICE,  /* without a handler */
	UC_GC_RECORD,  /* a file of the runtime directory, without its device */
	UC_GC_PROCESS, /* a handler or keeper, without its device */
};

enum uc_gc_action {
	UC_GC_REMOVE, /* it is to go: nothing was done yet */
	UC_GC_REMOVED,
	UC_GC_KEPT,
	UC_GC_FAILED,
};

struct uc_gc_item {
	enum uc_gc_kind kind;
	enum uc_gc_action action;
	bool recoverable; /* kept: `recover` gives it a handler */
	char what[128];   /* /dev/ublkb3, a path, process 123 (ublkctl) */
	char why[256];
};

struct uc_gc_options {
	bool all_owners; /* devices of other programs, too */
	/* Called for each thing found, with what was done about it. */
	void (*tell)(void *ctx, const struct uc_gc_item *item);
	void *ctx;
};

/*
 * Looks for all that, and removes it unless host->dry_run. What is alive, what can be recovered and
 * what is in the making is left alone. While it looks no device is made: `add` waits. The last
 * failure to remove something is in *err.
 */
int uc_gc(const struct uc_host *host, const struct uc_gc_options *options, struct uc_error *err);

#endif
