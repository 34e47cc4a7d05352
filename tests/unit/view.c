/* SPDX-License-Identifier: MIT */
/* When a mapped file may be addressed directly, and when not. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"
#include "view.h"

#define PAGE  4096U
#define PAGES 1024U
#define SIZE  (PAGES * PAGE)
#define DATA  8U /* pages of data at the file's beginning; the rest is a hole */

struct fixture {
	struct uc_view view;
	int fd;
};

static int make(void **state, const char *template)
{
	struct fixture *f = calloc(1, sizeof(*f));
	static char data[DATA * PAGE];
	char name[64];

	if (!f)
		return -1;
	*state = f;
	snprintf(name, sizeof(name), "%s", template);
	f->fd = mkstemp(name);
	if (f->fd < 0)
		return -1;
	unlink(name);
	memset(data, 'd', sizeof(data));
	if (ftruncate(f->fd, SIZE) < 0 ||
	    pwrite(f->fd, data, sizeof(data), 0) != (ssize_t)sizeof(data) || fsync(f->fd) < 0)
		return -1;
	return uc_view_open(&f->view, f->fd, SIZE, false);
}

static int make_in_memory(void **state)
{
	return make(state, "/dev/shm/ublkctl-view-XXXXXX");
}

static int make_on_disk(void **state)
{
	return make(state, "/var/tmp/ublkctl-view-XXXXXX");
}

static int destroy(void **state)
{
	struct fixture *f = *state;

	uc_view_close(&f->view);
	close(f->fd);
	free(f);
	return 0;
}

static blkcnt_t blocks(const struct fixture *f)
{
	struct stat st;

	assert_int_equal(fstat(f->fd, &st), 0);
	return st.st_blocks;
}

static void test_data_is_read(void **state)
{
	const struct fixture *f = *state;
	const char *p = uc_view_for_reading(&f->view, 512, (DATA * PAGE) - 512);

	assert_ptr_equal(p, f->view.map + 512);
	assert_int_equal(p[0], 'd');
}

/* By the file descriptor a hole costs nothing; through the mapping it would be filled. */
static void test_hole_is_not_read(void **state)
{
	const struct fixture *f = *state;
	const blkcnt_t before = blocks(f);

	assert_null(uc_view_for_reading(&f->view, DATA * PAGE, 512));
	assert_null(uc_view_for_reading(&f->view, (DATA - 1) * PAGE, 2 * PAGE));
	assert_null(uc_view_for_reading(&f->view, 512U * PAGE, 512U * PAGE));
	assert_int_equal(blocks(f), before);
}

static void test_what_is_written_can_be_read(void **state)
{
	const struct fixture *f = *state;
	/* Over the ends of words of the bitmap, which have 64 pages. */
	const uint64_t at = 60U * PAGE;
	const size_t len = 140U * PAGE;
	char *p = uc_view_for_writing(&f->view, at, len);

	assert_ptr_equal(p, f->view.map + at);
	assert_ptr_equal(uc_view_for_reading(&f->view, at, len), p);
	assert_null(uc_view_for_reading(&f->view, at - 512, 512));
	assert_null(uc_view_for_reading(&f->view, at + len, 512));
	uc_view_forget(&f->view, at + (PAGE * 10), PAGE);
	assert_null(uc_view_for_reading(&f->view, at, len));
	assert_ptr_equal(uc_view_for_reading(&f->view, at, PAGE * 10), p);
	assert_non_null(uc_view_for_reading(&f->view, at + (PAGE * 11), len - (PAGE * 11)));
}

/* A page that is gone shows as NULL, and does not kill. */
static void test_file_is_cut(void **state)
{
	struct fixture *f = *state;

	/* Since cmocka takes SIGBUS for itself before each test. */
	uc_view_close(&f->view);
	assert_int_equal(uc_view_open(&f->view, f->fd, SIZE, false), 0);
	assert_int_equal(ftruncate(f->fd, PAGE), 0);
	assert_null(uc_view_for_reading(&f->view, PAGE, PAGE));
	assert_null(uc_view_for_reading(&f->view, 0, 2 * PAGE));
	assert_null(uc_view_for_writing(&f->view, 4 * PAGE, PAGE));
	assert_non_null(uc_view_for_reading(&f->view, 0, PAGE));
	assert_int_equal(ftruncate(f->fd, SIZE), 0);
	assert_non_null(uc_view_for_writing(&f->view, 4 * PAGE, PAGE));
}

/* Only what is in memory now is read so, if it is enough to be worth asking, and nothing is written
 * so. */
static void test_disk(void **state)
{
	const struct fixture *f = *state;
	char data[8 * PAGE];

	assert_null(uc_view_for_writing(&f->view, 0, sizeof(data)));
	assert_int_equal(posix_fadvise(f->fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	assert_null(uc_view_for_reading(&f->view, 0, sizeof(data)));
	assert_int_equal(pread(f->fd, data, sizeof(data), 0), sizeof(data));
	assert_ptr_equal(uc_view_for_reading(&f->view, 0, sizeof(data)), f->view.map);
	assert_null(uc_view_for_reading(&f->view, 0, PAGE));
	assert_int_equal(ftruncate(f->fd, 0), 0);
	assert_null(uc_view_for_reading(&f->view, 0, sizeof(data)));
	uc_view_forget(&f->view, 0, SIZE);
}

static void test_no_mapping(void **state)
{
	struct uc_view view = {0};

	(void)state;
	assert_true(uc_view_open(&view, -1, SIZE, false) < 0);
	assert_null(view.map);
	uc_view_close(&view);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_data_is_read, make_in_memory, destroy),
		cmocka_unit_test_setup_teardown(test_hole_is_not_read, make_in_memory, destroy),
		cmocka_unit_test_setup_teardown(test_what_is_written_can_be_read, make_in_memory,
						destroy),
		cmocka_unit_test_setup_teardown(test_file_is_cut, make_in_memory, destroy),
		cmocka_unit_test_setup_teardown(test_disk, make_on_disk, destroy),
		cmocka_unit_test(test_no_mapping),
	};

	return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}
