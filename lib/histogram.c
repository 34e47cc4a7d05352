/* SPDX-License-Identifier: MIT */
#include "histogram.h"

uint64_t uc_histogram_floor(unsigned index)
{
	const unsigned sub = 1U << UC_HISTOGRAM_SUB;
	const unsigned power = index >> UC_HISTOGRAM_SUB;
	const uint64_t in_power = index & (sub - 1);

	if (power == 0)
		return in_power << UC_HISTOGRAM_UNIT;
	return (sub + in_power) << (power - 1 + UC_HISTOGRAM_UNIT);
}

static uint64_t total_until(const struct uc_histogram *histogram, unsigned end)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < end; i++)
		total += histogram->buckets[i];
	return total;
}

uint64_t uc_histogram_total(const struct uc_histogram *histogram)
{
	return total_until(histogram, UC_HISTOGRAM_SIZE);
}

uint64_t uc_histogram_below(const struct uc_histogram *histogram, unsigned bits)
{
	return total_until(histogram, uc_histogram_index(UINT64_C(1) << bits));
}

uint64_t uc_histogram_permille(const struct uc_histogram *histogram, unsigned permille)
{
	const uint64_t total = uc_histogram_total(histogram);
	/* Rounded up, and in two parts so that nothing overflows. */
	const uint64_t rank = total / 1000 * permille + (total % 1000 * permille + 999) / 1000;
	uint64_t seen = 0;
	unsigned i = 0;

	if (total == 0)
		return 0;
	while ((seen += histogram->buckets[i]) < rank)
		i++;
	return uc_histogram_floor(i);
}
