/* SPDX-License-Identifier: MIT */
/* What a histogram keeps of times, and how far it is from them. */
#include "histogram.h"

#include <stdlib.h>
#include <string.h>

#include "stats.h"
#include "unit.h"

#define SAMPLES 5000U
#define SEED    20240611U

/* The same numbers in each run. */
static uint64_t seed;

static uint64_t next_random(void)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return seed >> 16;
}

/* Of any length, from nothing to four minutes. */
static uint64_t any_time(void)
{
	return next_random() & ((UINT64_C(1) << (next_random() % (UC_HISTOGRAM_MAX + 1))) - 1);
}

/* What is promised of any time. */
static uint64_t greatest_error(uint64_t ns)
{
	return ns / 16 > 64 ? ns / 16 : 64;
}

static int start_anew(void **state)
{
	(void)state;
	seed = SEED;
	return 0;
}

static void test_buckets(void **state)
{
	(void)state;
	assert_int_equal(uc_histogram_floor(0), 0);
	for (unsigned i = 0; i < UC_HISTOGRAM_SIZE; i++) {
		const uint64_t begin = uc_histogram_floor(i);
		const uint64_t end = uc_histogram_floor(i + 1);

		assert_int_equal(uc_histogram_index(begin), i);
		assert_int_equal(uc_histogram_index(end - 1), i);
		assert_true(end - begin <= greatest_error(begin));
	}
	assert_int_equal(uc_histogram_floor(UC_HISTOGRAM_SIZE), UINT64_C(1) << UC_HISTOGRAM_MAX);
	assert_int_equal(uc_histogram_index(UINT64_C(1) << UC_HISTOGRAM_MAX),
			 UC_HISTOGRAM_SIZE - 1);
	assert_int_equal(uc_histogram_index(UINT64_MAX), UC_HISTOGRAM_SIZE - 1);
}

static void test_any_time_is_in_its_bucket(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 100000; n++) {
		const uint64_t ns = any_time();
		const unsigned i = uc_histogram_index(ns);

		if (ns < uc_histogram_floor(i) || ns >= uc_histogram_floor(i + 1))
			fail_msg("%llu ns are in bucket %u", (unsigned long long)ns, i);
	}
}

static int by_size(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a;
	const uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void check_percentiles(uint64_t *times, unsigned count)
{
	static const unsigned permilles[] = {1, 250, 500, 990, 999, 1000};
	struct uc_histogram h = {0};

	for (unsigned i = 0; i < count; i++)
		uc_histogram_count(&h, times[i], 1);
	qsort(times, count, sizeof(*times), by_size);
	assert_int_equal(uc_histogram_total(&h), count);
	for (size_t i = 0; i < sizeof(permilles) / sizeof(permilles[0]); i++) {
		const uint64_t rank = (count * permilles[i] + 999) / 1000;
		const uint64_t right = times[rank - 1];
		const uint64_t kept = uc_histogram_permille(&h, permilles[i]);

		if (kept > right || right - kept > greatest_error(right))
			fail_msg("%u permille of %u: %llu, not %llu", permilles[i], count,
				 (unsigned long long)kept, (unsigned long long)right);
	}
}

static void test_percentiles(void **state)
{
	static uint64_t times[SAMPLES];

	(void)state;
	for (unsigned count = 1; count <= SAMPLES; count = count * 3 / 2 + 1) {
		for (unsigned i = 0; i < count; i++)
			times[i] = any_time();
		check_percentiles(times, count);
		/* Two heaps, as of a cache and the disk behind it. */
		for (unsigned i = 0; i < count; i++)
			times[i] =
				(next_random() % 100 < 98 ? 20000 : 8000000) + next_random() % 5000;
		check_percentiles(times, count);
	}
}

static void test_empty_and_full(void **state)
{
	struct uc_histogram h = {0};

	(void)state;
	assert_int_equal(uc_histogram_permille(&h, 999), 0);
	/* Counts of a hundred years. */
	h.buckets[uc_histogram_index(4096)] = UINT64_C(1) << 52;
	h.buckets[uc_histogram_index(1 << 20)] = UINT64_C(1) << 52;
	assert_int_equal(uc_histogram_permille(&h, 500), 4096);
	assert_int_equal(uc_histogram_permille(&h, 501), 1 << 20);
	assert_int_equal(uc_histogram_permille(&h, 1000), 1 << 20);
}

static void test_below(void **state)
{
	struct uc_histogram h = {0};

	(void)state;
	uc_histogram_count(&h, 1023, 1);
	uc_histogram_count(&h, 1024, 1);
	uc_histogram_count(&h, UINT64_C(1) << 37, 1);
	assert_int_equal(uc_histogram_below(&h, 10), 1);
	assert_int_equal(uc_histogram_below(&h, 11), 2);
	assert_int_equal(uc_histogram_below(&h, 37), 2);
	assert_int_equal(h.sum, 1023 + 1024 + (UINT64_C(1) << 37));
}

/* Two threads' counters make a queue's; and without those of before, what was since. */
static void test_sums(void **state)
{
	struct uc_thread_stats sum = {.reads = 1, .in_flight = 5, .tid = 7};
	struct uc_thread_stats more = {.reads = 2, .shared = 3, .in_flight = 2, .tid = 8};
	struct uc_thread_stats before;
	struct uc_histogram both = {0};

	(void)state;
	for (unsigned i = 0; i < SAMPLES; i++) {
		const uint64_t ns = any_time();

		uc_histogram_count(&both, ns, 1);
		uc_histogram_count(&(i % 3 ? &sum : &more)->service[UC_CLASS_OTHER], ns, 1);
	}
	before = sum;
	uc_stats_add(&sum, &more);
	assert_memory_equal(&sum.service[UC_CLASS_OTHER], &both, sizeof(both));
	assert_int_equal(sum.reads, 3);
	assert_int_equal(sum.shared, 3);
	assert_int_equal(sum.in_flight, 7);
	assert_int_equal(sum.tid, 7);
	uc_stats_subtract(&sum, &before);
	assert_memory_equal(&sum.service, &more.service, sizeof(sum.service));
	assert_int_equal(sum.reads, 2);
	/* That is no matter of time. */
	assert_int_equal(sum.in_flight, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_buckets, start_anew),
		cmocka_unit_test_setup(test_any_time_is_in_its_bucket, start_anew),
		cmocka_unit_test_setup(test_percentiles, start_anew),
		cmocka_unit_test_setup(test_empty_and_full, start_anew),
		cmocka_unit_test_setup(test_below, start_anew),
		cmocka_unit_test_setup(test_sums, start_anew),
	};

	return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
