/* SPDX-License-Identifier: MIT */
#ifndef UC_DOCTOR_H
#define UC_DOCTOR_H

#include <stdint.h>

#include "cause.h"
#include "error.h"
#include "host.h"

/* What a check found, the worst last. Devices can be made unless there is a problem. */
enum uc_verdict {
	UC_VERDICT_OK,
	UC_VERDICT_NOTE,    /* good to know */
	UC_VERDICT_WARNING, /* something is wrong, or will be */
	UC_VERDICT_PROBLEM,
};

struct uc_finding {
	const char *check; /* its name: one word */
	enum uc_verdict verdict;
	struct uc_cause cause; /* what it is, and what mends it */
};

struct uc_doctor {
	const struct uc_host *host;
	/* Called for each finding in the order of the checks, of which each has one or more. */
	void (*tell)(void *ctx, const struct uc_finding *finding);
	void *ctx;
};

/*
 * Looks at the machine, and changes nothing. Fails with the first problem; that is what `add` fails
 * with, too.
 */
int uc_doctor(const struct uc_doctor *doctor, struct uc_error *err);

#endif
