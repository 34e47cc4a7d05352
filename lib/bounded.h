/* SPDX-License-Identifier: MIT */
#ifndef UC_BOUNDED_H
#define UC_BOUNDED_H

#include <stddef.h>

#include "error.h"

/*
 * Runs work(ctx, ret, err) in a child process and waits for it at most timeout_ms. A driver
 * command that hangs in the kernel cannot be left behind by the process that issued it, not even
 * by dying; this way it holds only the child, which has no file of ours open, so no lock either,
 * nor a server's device: what maps that is not for children (MADV_DONTFORK). It dies with us, but
 * for what it has in the kernel, unless work() says otherwise. `ret` (ret_len bytes, at most
 * 2048) is what the child left there; it is not written on failure. -ETIMEDOUT with UC_TIMEOUT,
 * saying that `what` has not ended; the child is told to die as soon as the kernel lets it. -EPIPE:
 * it has died, and nobody knows how far it came.
 */
int uc_bounded(int (*work)(void *ctx, void *ret, struct uc_error *err), void *ctx, void *ret,
	       size_t ret_len, unsigned timeout_ms, const char *what, struct uc_error *err);

#endif
