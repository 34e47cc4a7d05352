/* SPDX-License-Identifier: MIT */
#ifndef UC_HISTOGRAM_H
#define UC_HISTOGRAM_H

#include <stdint.h>

#include "count.h"

/*
 * How often something took how long. Each power of two is cut into 16 buckets of the same width, so
 * that the bounds of a bucket differ by 1/16 at most; what is shorter than a microsecond is told
 * apart by 64 ns, and what is longer than 274 s is in the last bucket.
 */
#define UC_HISTOGRAM_UNIT 6  /* bits of a time that are not kept: 64 ns */
#define UC_HISTOGRAM_SUB  4  /* bits of a time that are kept below its highest */
#define UC_HISTOGRAM_MAX  38 /* bits of the longest time that is told apart */
#define UC_HISTOGRAM_SIZE                                                                          \
	((UC_HISTOGRAM_MAX - UC_HISTOGRAM_UNIT - UC_HISTOGRAM_SUB + 1) << UC_HISTOGRAM_SUB)

struct uc_histogram {
	uint64_t sum; /* of the times, ns */
	uint64_t buckets[UC_HISTOGRAM_SIZE];
};

/* The bucket that this time belongs to. */
static inline unsigned uc_histogram_index(uint64_t ns)
{
	const uint64_t units = ns >> UC_HISTOGRAM_UNIT;
	const unsigned bits = 63U - (unsigned)__builtin_clzll(units | 1U);

	if (bits < UC_HISTOGRAM_SUB)
		return (unsigned)units;
	if (bits >= UC_HISTOGRAM_MAX - UC_HISTOGRAM_UNIT)
		return UC_HISTOGRAM_SIZE - 1;
	/* The highest bit is one too many, and counts for the power of two before. */
	return ((bits - UC_HISTOGRAM_SUB) << UC_HISTOGRAM_SUB) +
	       (unsigned)(units >> (bits - UC_HISTOGRAM_SUB));
}

/* So many more that took so long each; for its only writer. */
static inline void uc_histogram_count(struct uc_histogram *histogram, uint64_t ns, uint64_t count)
{
	uc_count(&histogram->buckets[uc_histogram_index(ns)], count);
	uc_count(&histogram->sum, ns * count);
}

/* The shortest time of that bucket, in ns; of the one after the last: where that would end. */
uint64_t uc_histogram_floor(unsigned index);

uint64_t uc_histogram_total(const struct uc_histogram *histogram);

/* How many took less than 2^bits ns, which is where a bucket begins; bits from 10 to 37. */
uint64_t uc_histogram_below(const struct uc_histogram *histogram, unsigned bits);

/*
 * The time that so many of a thousand did not exceed, in ns, by nearest rank. It is rounded down to
 * where its bucket begins: never too long, and too short by 1/16 or by 64 ns at most. 0 when
 * nothing was counted. 1000 is the longest one's.
 */
uint64_t uc_histogram_permille(const struct uc_histogram *histogram, unsigned permille);

#endif
