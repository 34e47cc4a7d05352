/* SPDX-License-Identifier: MIT */
#include "affinity.h"

#include <ctype.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_BITS 64U

/* sched_setaffinity() takes any size; cpu_set_t's is too small for large machines. */
_Static_assert(sizeof(struct uc_cpus) % sizeof(cpu_set_t) == 0, "a mask of whole cpu_set_t");

static int bad_list(const char *text, const char *what, struct uc_error *err)
{
	return uc_fail(err, UC_USAGE, EINVAL, "%s: '%s' is not a list of CPUs such as 0-3,6", what,
		       text);
}

static bool parse_cpu(const char **text, unsigned long *ret_cpu)
{
	char *end;

	if (!isdigit((unsigned char)**text))
		return false;
	*ret_cpu = strtoul(*text, &end, 10);
	*text = end;
	return *ret_cpu < UC_CPUS_MAX;
}

int uc_cpus_parse(const char *text, const char *what, struct uc_cpus *ret_cpus,
		  struct uc_error *err)
{
	struct uc_cpus cpus = {0};
	const char *p = text;
	unsigned long first;
	unsigned long last;

	for (;;) {
		if (!parse_cpu(&p, &first))
			return bad_list(text, what, err);
		last = first;
		if (*p == '-') {
			p++;
			if (!parse_cpu(&p, &last) || last < first)
				return bad_list(text, what, err);
		}
		for (unsigned long cpu = first; cpu <= last; cpu++)
			cpus.bits[cpu / WORD_BITS] |= UINT64_C(1) << cpu % WORD_BITS;
		if (*p != ',')
			break;
		p++;
	}
	if (*p)
		return bad_list(text, what, err);
	*ret_cpus = cpus;
	return 0;
}

static bool has_cpu(const struct uc_cpus *cpus, unsigned cpu)
{
	return cpu < UC_CPUS_MAX && (cpus->bits[cpu / WORD_BITS] >> cpu % WORD_BITS & 1);
}

bool uc_cpus_format(const struct uc_cpus *cpus, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (unsigned first = 0; first < UC_CPUS_MAX && used < size; first++) {
		unsigned last = first;

		if (!has_cpu(cpus, first))
			continue;
		while (has_cpu(cpus, last + 1))
			last++;
		used += (size_t)snprintf(buf + used, size - used,
					 first == last ? "%s%u" : "%s%u-%u", used ? "," : "", first,
					 last);
		first = last;
	}
	return used < size;
}

bool uc_cpus_is_empty(const struct uc_cpus *cpus)
{
	static const struct uc_cpus none;

	return memcmp(cpus, &none, sizeof(none)) == 0;
}

static struct uc_cpus both(const struct uc_cpus *a, const struct uc_cpus *b)
{
	struct uc_cpus cpus;

	for (size_t i = 0; i < sizeof(cpus.bits) / sizeof(cpus.bits[0]); i++)
		cpus.bits[i] = a->bits[i] & b->bits[i];
	return cpus;
}

/* Fills as much of *ret_cpus as the kernel's mask has. */
static int get(pid_t tid, struct uc_cpus *ret_cpus)
{
	*ret_cpus = (struct uc_cpus){0};
	return sched_getaffinity(tid, sizeof(*ret_cpus), (cpu_set_t *)ret_cpus) < 0 ? -errno : 0;
}

int uc_affinity_set(pid_t tid, const struct uc_cpus *queue, const struct uc_cpus *allowed,
		    bool dry_run)
{
	/* What the kernel makes of it only the kernel can tell. */
	const pid_t moved = dry_run ? 0 : tid;
	struct uc_cpus before;
	struct uc_cpus after;
	struct uc_cpus wanted;
	int ret = get(tid, &before);

	if (ret < 0)
		return ret;
	wanted = both(uc_cpus_is_empty(allowed) ? &before : allowed, queue);
	if (uc_cpus_is_empty(&wanted) && !uc_cpus_is_empty(allowed))
		wanted = *allowed;
	if (sched_setaffinity(moved, sizeof(wanted), (const cpu_set_t *)&wanted) < 0)
		return -errno;
	ret = get(moved, &after);
	if (ret < 0)
		return ret;
	return memcmp(&before, &after, sizeof(before)) == 0 ? UC_AFFINITY_SAME : 0;
}
