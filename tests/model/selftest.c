/* SPDX-License-Identifier: MIT */
/* The model's own rules: what tests of ublkctl rely on when they use it in place of a kernel. */
#include "selftest_env.h"

int main(void)
{
	int failed = 0;

	failed += _cmocka_run_group_tests("control", ctrl_tests, nr_ctrl_tests, NULL, NULL);
	failed += _cmocka_run_group_tests("io", io_tests, nr_io_tests, NULL, NULL);
	failed += _cmocka_run_group_tests("processes", process_tests, nr_process_tests, NULL, NULL);
	return failed != 0;
}
