/* SPDX-License-Identifier: MIT */
#ifndef UC_RECOVERY_H
#define UC_RECOVERY_H

#include <stdbool.h>
#include <stdint.h>

/* What becomes of a device, and of requests, when its handler dies. */
enum uc_recovery {
	UC_RECOVERY_NONE,  /* the device goes, too */
	UC_RECOVERY_QUEUE, /* what the handler had fails, what comes then waits for the next one */
	UC_RECOVERY_REISSUE, /* all of it waits, and may reach the target a second time */
	UC_RECOVERY_FAIL,    /* what the handler had and what comes then fails */
};

/* none, queue, reissue, fail */
const char *uc_recovery_name(enum uc_recovery mode);
/* False if there is none of that name. */
bool uc_recovery_find(const char *name, enum uc_recovery *ret_mode);

/* The UBLK_F_* that ask for it, and back. */
uint64_t uc_recovery_flags(enum uc_recovery mode);
enum uc_recovery uc_recovery_of(uint64_t flags);

#endif
