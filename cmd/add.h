/* SPDX-License-Identifier: MIT */
#ifndef CMD_ADD_H
#define CMD_ADD_H

#include "lifecycle.h"
#include "outcome.h"
#include "serve.h"

/* What `add` is asked for, by its command line or by a line of /etc/ublktab. */
struct add {
	struct serve serve; /* first: it is the context of both */
	struct outcome outcome;
	bool if_absent;
	char *name;
	struct uc_locks locks; /* names_fd, if nobody else may be in the way */
	bool unheard;          /* the path could not be printed */
};

/* As if nothing was said. To be freed with add_free(). */
void add_init(struct add *add);
void add_free(struct add *add);

/* Told when the device is usable: ctx is the struct add. Negative: nobody is left to hear of it. */
typedef int add_tell(void *ctx, const struct uc_added *added);

/* Makes the device, and with spec.foreground serves it; nothing is locked afterwards. */
int add_make(const struct uc_host *host, struct add *add, add_tell *tell, struct uc_error *err);

#endif
