/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "deadline.h"
#include "unit.h"

static struct {
	unsigned ticks;
	unsigned ends;
	char what[192];
	uint64_t done;
} seen;

static void see(const struct uc_progress *p)
{
	if (!p) {
		seen.ends++;
		return;
	}
	seen.ticks++;
	snprintf(seen.what, sizeof(seen.what), "%s", p->what);
	seen.done = p->done;
}

static int start(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof(seen));
	uc_progress_to(see);
	return 0;
}

static void inner(void)
{
	uc_auto_progress struct uc_progress progress;

	uc_progress_begin(&progress, 0, "the %s one", "inner");
	progress.done = 7;
	uc_progress_tick();
	assert_string_equal(seen.what, "the inner one");
	assert_int_equal(seen.done, 7);
}

static void test_innermost(void **state)
{
	struct uc_progress progress;

	(void)state;
	uc_progress_tick();
	assert_int_equal(seen.ticks, 0);
	uc_progress_begin(&progress, 0, "the outer one");
	inner();
	assert_int_equal(seen.ends, 1);
	uc_progress_tick();
	assert_string_equal(seen.what, "the outer one");
	uc_progress_end(&progress);
	uc_progress_tick();
	assert_int_equal(seen.ticks, 2);
}

static void test_nobody(void **state)
{
	struct uc_progress progress;

	(void)state;
	uc_progress_to(NULL);
	uc_progress_begin(&progress, 0, "nothing");
	uc_progress_tick();
	assert_int_equal(uc_progress_poll(NULL, 0, 250), 0);
	uc_progress_end(&progress);
	assert_int_equal(seen.ticks + seen.ends, 0);
}

/* It takes as long as poll() would, and ticks meanwhile. */
static void test_poll_time(void **state)
{
	struct uc_progress progress;
	uint64_t begun;

	(void)state;
	uc_progress_begin(&progress, 0, "a wait");
	begun = uc_now();
	assert_int_equal(uc_progress_poll(NULL, 0, 450), 0);
	assert_true(uc_now() - begun >= UINT64_C(450000000));
	assert_true(seen.ticks >= 4);
	assert_int_equal(uc_progress_poll(NULL, 0, 0), 0);
	uc_progress_end(&progress);
}

static void test_poll_event(void **state)
{
	struct uc_progress progress;
	struct pollfd fd = {.events = POLLIN};
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	fd.fd = fds[0];
	uc_progress_begin(&progress, 0, "a wait");
	assert_int_equal(uc_progress_poll(&fd, 1, 10), 0);
	assert_int_equal(write(fds[1], "", 1), 1);
	assert_int_equal(uc_progress_poll(&fd, 1, 10000), 1);
	assert_int_equal(fd.revents, POLLIN);
	assert_int_equal(uc_progress_poll(&fd, 1, -1), 1);
	uc_progress_end(&progress);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_innermost, start),
		cmocka_unit_test_setup(test_nobody, start),
		cmocka_unit_test_setup(test_poll_time, start),
		cmocka_unit_test_setup(test_poll_event, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
