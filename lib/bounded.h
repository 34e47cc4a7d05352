/* SPDX-License-Identifier: MIT */
#ifndef UC_BOUNDED_H
#define UC_BOUNDED_H

#include <stddef.h>
#include <sys/types.h>

#include "error.h"

/*
 * Runs work(ctx, ret, err) in a child process and waits for it at most timeout_ms. A driver
 * command that hangs in the kernel cannot be left behind by the process that issued it, not even
 * by dying; this way it holds only the child, which has no file of ours open, so no lock either.
 * If we are killed it comes to its end all the same: half a QUIESCE_DEV would be worse. `ret`
 * (ret_len bytes, at most 2048) is what the child left there; it is not written on failure.
 * -ETIMEDOUT with UC_TIMEOUT, saying that `what` has not ended; the child is told to die as soon as
 * the kernel lets it. -EPIPE: it has died, and nobody knows how far it came.
 */
int uc_bounded(int (*work)(void *ctx, void *ret, struct uc_error *err), void *ctx, void *ret,
	       size_t ret_len, unsigned timeout_ms, const char *what, struct uc_error *err);

/*
 * Such a child that waits until it is asked: to be made before its parent has what it must not
 * have, since fork() copies mappings, too, and they keep a file open. uc_standby_start() makes it;
 * uc_standby_ask() gives it *ctx as that is by then, and waits for its answer as uc_bounded() does;
 * uc_standby_end() ends one that has not been asked. It dies with its parent.
 */
struct uc_standby {
	int (*work)(void *ctx, void *ret, struct uc_error *err);
	void *ctx;
	size_t ctx_len; /* bytes; whatever *ctx points to was there when the child was made */
	pid_t pid;
	int fd; /* -1: there is no child */
};

int uc_standby_start(struct uc_standby *standby, struct uc_error *err);
int uc_standby_ask(struct uc_standby *standby, unsigned timeout_ms, const char *what,
		   struct uc_error *err);
void uc_standby_end(struct uc_standby *standby);

#endif
