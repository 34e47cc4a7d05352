/* SPDX-License-Identifier: MIT */
#include "size.h"

#include <string.h>

#include "unit.h"

static const struct {
	const char *text;
	uint64_t bytes;
} good[] = {
	{"0", 0},
	{"1", 1},
	{"512B", 512},
	{"1K", 1024},
	{"1k", 1024},
	{"1KiB", 1024},
	{"1KB", 1000},
	{"1kb", 1000},
	{"3M", UINT64_C(3) << 20},
	{"3MB", 3000000},
	{"2G", UINT64_C(2) << 30},
	{"1T", UINT64_C(1) << 40},
	{"1TB", UINT64_C(1000000000000)},
	{"1P", UINT64_C(1) << 50},
	{"7E", UINT64_C(7) << 60},
	{"9223372036854775807", INT64_MAX},
};

static const char *const bad[] = {
	"",
	"K",
	"-1",
	"+1",
	" 1",
	"1 ",
	"1.5G",
	"1X",
	"1KK",
	"1KiBB",
	"0x10",
	"1Kib ",
	"1e3",
	"8E",
	"9223372036854775808",
	"18446744073709551616",
	"99999999999999999999999",
	"1Ki",
};

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct uc_error err = {0};
		uint64_t bytes = 0;

		if (uc_size_parse(good[i].text, "--size", &bytes, &err) != 0)
			fail_msg("%s: %s", good[i].text, err.text);
		assert_int_equal(bytes, good[i].bytes);
	}
}

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct uc_error err = {0};
		uint64_t bytes = 42;

		if (uc_size_parse(bad[i], "--size", &bytes, &err) >= 0)
			fail_msg("'%s' was taken", bad[i]);
		assert_int_equal(err.code, UC_USAGE);
		assert_non_null(strstr(err.text, "--size"));
		assert_int_equal(bytes, 42); /* not written on failure */
	}
}

static void test_number(void **state)
{
	struct uc_error err = {0};
	uint64_t number = 0;

	(void)state;
	assert_int_equal(uc_number_parse("4096", "--depth", 1, 4096, &number, &err), 0);
	assert_int_equal(number, 4096);
	assert_true(uc_number_parse("0", "--depth", 1, 4096, &number, &err) < 0);
	assert_true(uc_number_parse("4097", "--depth", 1, 4096, &number, &err) < 0);
	assert_true(uc_number_parse("12x", "--depth", 1, 4096, &number, &err) < 0);
	assert_true(uc_number_parse("", "--depth", 1, 4096, &number, &err) < 0);
	assert_int_equal(err.code, UC_USAGE);
	assert_int_equal(number, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_number),
	};

	return cmocka_run_group_tests_name("size", tests, NULL, NULL);
}
