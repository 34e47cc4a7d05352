/* SPDX-License-Identifier: MIT */
#ifndef UC_AFFINITY_H
#define UC_AFFINITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"

/* CPUs as a bit mask, bit N of word N / 64; wide enough for any x86 or arm kernel. */
#define UC_CPUS_MAX 8192
struct uc_cpus {
	uint64_t bits[UC_CPUS_MAX / 64];
};

/* A list as taskset and cpuset take it: "0-3,6". `what` names the option in the message. */
int uc_cpus_parse(const char *text, const char *what, struct uc_cpus *ret_cpus,
		  struct uc_error *err);

/* The same list as text; false if it does not fit. */
bool uc_cpus_format(const struct uc_cpus *cpus, char *buf, size_t size);
/* Room for any list: each second one of UC_CPUS_MAX, with a comma. */
#define UC_CPUS_TEXT (UC_CPUS_MAX / 2 * sizeof("8190"))

/* No CPU at all, which stands for "not said". */
bool uc_cpus_is_empty(const struct uc_cpus *cpus);

/*
 * Lets a thread run on those of the queue's CPUs that are in `allowed`, or on all of `allowed` if
 * none is. Empty `allowed`: on those that the thread may use already. UC_AFFINITY_SAME: that is so
 * already. A negative errno if the kernel lets it run on none of them. With `dry_run` this process
 * is moved instead, which then has to end soon.
 */
int uc_affinity_set(pid_t tid, const struct uc_cpus *queue, const struct uc_cpus *allowed,
		    bool dry_run);
#define UC_AFFINITY_SAME 1

#endif
