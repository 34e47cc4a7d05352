/* SPDX-License-Identifier: MIT */
#ifndef CMD_SELECT_H
#define CMD_SELECT_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "cmd.h"
#include "device.h"

/* Devices that the user named, in that order, each once. */
struct selection {
	const struct uc_host *host;
	uint32_t *ids; /* to be freed */
	size_t count;
};

/* Adds the device that `text` names: an id, or a path to its node. */
int select_text(struct selection *selection, const char *text, struct uc_error *err);
/* Adds all devices there are. */
int select_all(struct selection *selection, struct uc_error *err);

/* Either some are named, or `all` is asked for; then all there are are added. */
int select_check(struct selection *selection, bool all, struct uc_error *err);

/* Adds the devices whose backing is that file or block device, under whatever name. */
int select_file(struct selection *selection, const char *path, struct uc_error *err);

/*
 * Does it to all of them, whatever becomes of one; see failures.h. Each has the host's timeout for
 * itself, by selection->host.
 */
int select_each(struct selection *selection, const struct command *command,
		int (*one)(void *ctx, uint32_t id, struct uc_error *err), void *ctx,
		struct uc_error *err);

static inline void cleanup_selection(struct selection *selection)
{
	free(selection->ids);
}
#define auto_selection __attribute__((cleanup(cleanup_selection)))

#endif
