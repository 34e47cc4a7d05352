/* SPDX-License-Identifier: MIT */
#ifndef CMD_SELECT_H
#define CMD_SELECT_H

#include <stddef.h>
#include <stdint.h>

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

static inline void cleanup_selection(struct selection *selection)
{
	free(selection->ids);
}
#define auto_selection __attribute__((cleanup(cleanup_selection)))

#endif
