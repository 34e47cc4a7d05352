/* SPDX-License-Identifier: MIT */
/* What the targets make of requests, through the whole engine, with the driver model as client. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "deadline.h"
#include "lifecycle.h"
#include "model.h"
#include "path.h"
#include "size.h"
#include "stats.h"
#include "targets.h"
#include "unit.h"

#define TIMEOUT_MS 5000
#define IMAGE_SIZE (1U << 20)
#define BLOCK      4096U
#define SECTORS    (BLOCK >> 9)

struct fixture {
	char root[64];
	char image[96];
	struct uc_host host;
	uint32_t id;
};

/* Finds the option by name and hands it over, as the command line does. */
static void set_option(const struct uc_target_type *type, void *config, const char *name,
		       const char *arg)
{
	const struct poptOption *option = type->options;
	struct uc_error err = {0};

	while (option->longName && strcmp(option->longName, name) != 0)
		option++;
	assert_non_null(option->longName);
	if (type->option(config, option->val, arg, &err) < 0)
		fail_msg("%s", err.text);
}

/* path: NULL for the one that would be chosen. */
static void add_on(struct fixture *f, const char *target, const char *option, const char *arg,
		   const char *path)
{
	const struct uc_target_type *type = uc_target_find(target);
	const struct uc_spec spec = {
		.id = UC_ID_ANY,
		.queues = 2,
		.threads = 1,
		.depth = 4,
		.max_io_size = 64 * 1024,
		.path = path ? uc_path_find(path) : NULL,
	};
	void *config = calloc(1, type->config_size);
	struct uc_target *opened = NULL;
	struct uc_locks locks = UC_LOCKS_NONE;
	struct uc_added added = {0};
	struct uc_error err = {0};

	assert_non_null(config);
	set_option(type, config, option, arg);
	if (type->open(config, &spec, &opened, &err) < 0 ||
	    uc_add(&f->host, &spec, opened, &locks, &added, &err) < 0)
		fail_msg("%s", err.text);
	opened->ops->close(opened);
	free(config);
	f->id = added.info.dev_id;
}

static void add(struct fixture *f, const char *target, const char *option, const char *arg)
{
	add_on(f, target, option, arg, NULL);
}

static int io(const struct fixture *f, uint32_t op_flags, uint64_t sector, uint32_t sectors,
	      void *data)
{
	return model_io(f->id, 0, op_flags, sector, sectors, data, TIMEOUT_MS);
}

static struct uc_thread_stats counters(const struct fixture *f)
{
	struct uc_stats *stats = NULL;
	struct uc_thread_stats queue;

	assert_int_equal(uc_stats_read(&f->host, f->id, &stats), 0);
	queue = stats->threads[0];
	free(stats);
	return queue;
}

static int set_up_in(void **state, const char *template)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	snprintf(f->root, sizeof(f->root), "%s", template);
	if (!mkdtemp(f->root) || model_create(f->root, NULL) < 0)
		return -1;
	snprintf(f->image, sizeof(f->image), "%s/image", f->root);
	uc_auto_close int fd = open(f->image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, IMAGE_SIZE) < 0)
		return -1;
	f->host = model_host(TIMEOUT_MS);
	*state = f;
	return 0;
}

static int set_up(void **state)
{
	return set_up_in(state, "/var/tmp/ublkctl-io-XXXXXX");
}

static int set_up_in_memory(void **state)
{
	return set_up_in(state, "/dev/shm/ublkctl-io-XXXXXX");
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	struct uc_error err = {0};
	const struct uc_ref ref = uc_device_ref(&f->host, f->id);
	int ret = uc_del(&f->host, &ref, false, &err);

	if (ret < 0)
		fprintf(stderr, "%s\n", err.text);
	if (model_devices() || model_rings() || model_requests())
		ret = -1;
	unlink(f->image);
	model_destroy();
	rmdir(f->root);
	free(f);
	return ret;
}

/* Every target that keeps data must do all this. */
static void check_data(const struct fixture *f)
{
	static unsigned char out[BLOCK * 8];
	static unsigned char in[BLOCK * 8];
	static const unsigned char zeroes[BLOCK];

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (unsigned char)(i * 31 + i / BLOCK + 1);
	assert_int_equal(io(f, UBLK_IO_OP_WRITE, 8, 8 * SECTORS, out), sizeof(out));
	assert_int_equal(io(f, UBLK_IO_OP_READ, 8, 8 * SECTORS, in), sizeof(in));
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(io(f, UBLK_IO_OP_DISCARD, 8 + SECTORS, SECTORS, NULL), 0);
	assert_int_equal(io(f, UBLK_IO_OP_WRITE_ZEROES, 8 + 3 * SECTORS, SECTORS, NULL), 0);
	assert_int_equal(
		io(f, UBLK_IO_OP_WRITE_ZEROES | UBLK_IO_F_NOUNMAP, 8 + 5 * SECTORS, SECTORS, NULL),
		0);
	assert_int_equal(io(f, UBLK_IO_OP_READ, 8, 8 * SECTORS, in), sizeof(in));
	for (unsigned i = 1; i <= 5; i += 2)
		memset(out + (size_t)i * BLOCK, 0, BLOCK);
	assert_memory_equal(in, out, sizeof(in));
	assert_memory_equal(in + BLOCK, zeroes, BLOCK);
}

static void test_loop(void **state)
{
	struct fixture *f = *state;

	add(f, "loop", "file", f->image);
	check_data(f);
}

static void test_loop_user_copy(void **state)
{
	struct fixture *f = *state;

	add_on(f, "loop", "file", f->image, "user-copy");
	check_data(f);
}

static void test_loop_copy(void **state)
{
	struct fixture *f = *state;

	add_on(f, "loop", "file", f->image, "copy");
	check_data(f);
	/* All of it by read and write, and nothing through the mapped file. */
	assert_true(model_calls(MODEL_OP_SQE(IORING_OP_WRITE)) > 0);
	assert_true(model_calls(MODEL_OP_SQE(IORING_OP_READ)) > 0);
}

/* In a memory file system nothing is read or written but what was a hole when it was read. */
static void test_loop_map(void **state)
{
	static unsigned char data[BLOCK];
	static const unsigned char zeroes[BLOCK];
	struct fixture *f = *state;

	add_on(f, "loop", "file", f->image, "map");
	assert_int_equal(io(f, UBLK_IO_OP_READ, 0, SECTORS, data), BLOCK);
	assert_memory_equal(data, zeroes, BLOCK);
	assert_int_equal(model_calls(MODEL_OP_SQE(IORING_OP_READ)), 1);
	memset(data, 0x33, sizeof(data));
	assert_int_equal(io(f, UBLK_IO_OP_WRITE, 0, SECTORS, data), BLOCK);
	memset(data, 0, sizeof(data));
	assert_int_equal(io(f, UBLK_IO_OP_READ, 0, SECTORS, data), BLOCK);
	assert_int_equal(data[0], 0x33);
	assert_int_equal(model_calls(MODEL_OP_SQE(IORING_OP_READ)), 1);
	assert_int_equal(model_calls(MODEL_OP_SQE(IORING_OP_WRITE)), 0);
	check_data(f);
}

static void test_ramdisk_user_copy(void **state)
{
	struct fixture *f = *state;

	add_on(f, "ramdisk", "size", "1M", "user-copy");
	check_data(f);
}

static void test_ramdisk(void **state)
{
	struct fixture *f = *state;

	add(f, "ramdisk", "size", "1M");
	check_data(f);
}

static void check_null(struct fixture *f)
{
	static unsigned char data[BLOCK];
	static const unsigned char zeroes[BLOCK];

	memset(data, 0x55, sizeof(data));
	assert_int_equal(io(f, UBLK_IO_OP_WRITE, 0, SECTORS, data), BLOCK);
	assert_int_equal(io(f, UBLK_IO_OP_READ, 0, SECTORS, data), BLOCK);
	assert_memory_equal(data, zeroes, BLOCK);
}

static void test_null(void **state)
{
	struct fixture *f = *state;

	add(f, "null", "size", "1M");
	check_null(f);
}

static void test_null_direct(void **state)
{
	struct fixture *f = *state;

	add_on(f, "null", "size", "1M", "direct");
	check_null(f);
}

/* The example of HACKING.md; path: NULL for the one that would be chosen. */
static void check_numbers(struct fixture *f, const char *path)
{
	static uint64_t words[BLOCK / sizeof(uint64_t)];

	add_on(f, "number", "size", "1M", path);
	assert_int_equal(io(f, UBLK_IO_OP_READ, 40, SECTORS, words), BLOCK);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		assert_int_equal(words[i], 40 + i / 64);
	assert_int_equal(io(f, UBLK_IO_OP_WRITE, 40, SECTORS, words), BLOCK);
	assert_int_equal(io(f, UBLK_IO_OP_WRITE, 48, SECTORS, words), -EIO);
	assert_int_equal(counters(f).errors, 1);
}

static void test_number(void **state)
{
	check_numbers(*state, NULL);
}

static void test_number_copy(void **state)
{
	check_numbers(*state, "copy");
}

static void test_number_user_copy(void **state)
{
	check_numbers(*state, "user-copy");
}

/* FLUSH and FUA reach the file: as FSYNC and RWF_DSYNC operations on the ring, counted there. */
static void test_flush(void **state)
{
	static unsigned char data[BLOCK];
	struct fixture *f = *state;

	add(f, "loop", "file", f->image);
	const unsigned before = model_calls(MODEL_OP_SQE(IORING_OP_FSYNC));

	assert_int_equal(io(f, UBLK_IO_OP_FLUSH, 0, 0, NULL), 0);
	assert_int_equal(model_calls(MODEL_OP_SQE(IORING_OP_FSYNC)), before + 1);
	assert_int_equal(io(f, UBLK_IO_OP_WRITE | UBLK_IO_F_FUA, 0, SECTORS, data), BLOCK);
	assert_int_equal(counters(f).flushes, 1);
	assert_int_equal(counters(f).fua, 1);
}

static void test_errors(void **state)
{
	static unsigned char data[BLOCK];
	struct fixture *f = *state;

	add(f, "loop", "file", f->image);
	assert_int_equal(model_fail(MODEL_OP_SQE(IORING_OP_WRITE), ENOSPC, 0, 1), 0);
	assert_int_equal(io(f, UBLK_IO_OP_WRITE, 0, SECTORS, data), -ENOSPC);
	assert_int_equal(model_fail(MODEL_OP_SQE(IORING_OP_FSYNC), EIO, 0, 1), 0);
	assert_int_equal(io(f, UBLK_IO_OP_FLUSH, 0, 0, NULL), -EIO);
	/* What is over in a moment is tried again. */
	assert_int_equal(model_fail(MODEL_OP_SQE(IORING_OP_READ), EAGAIN, 0, 3), 0);
	assert_int_equal(model_fail(MODEL_OP_SQE(IORING_OP_FALLOCATE), EINTR, 0, 2), 0);
	assert_int_equal(io(f, UBLK_IO_OP_READ, 0, SECTORS, data), BLOCK);
	assert_int_equal(io(f, UBLK_IO_OP_DISCARD, 0, SECTORS, NULL), 0);
	/* And the device lives on. */
	assert_int_equal(io(f, UBLK_IO_OP_WRITE, 0, SECTORS, data), BLOCK);
	assert_int_equal(counters(f).errors, 2);
	assert_int_equal(counters(f).in_flight, 0);
}

/* Behind the new end of a truncated file there is an error, and never old buffer contents. */
static void test_truncated(void **state)
{
	static unsigned char data[4 * BLOCK];
	struct fixture *f = *state;

	add(f, "loop", "file", f->image);
	memset(data, 0x77, sizeof(data));
	assert_int_equal(io(f, UBLK_IO_OP_WRITE, 0, 4 * SECTORS, data), sizeof(data));
	assert_int_equal(truncate(f->image, BLOCK), 0);
	assert_int_equal(io(f, UBLK_IO_OP_READ, 2 * SECTORS, SECTORS, data), -EIO);
	assert_int_equal(io(f, UBLK_IO_OP_READ, 0, 4 * SECTORS, data), -EIO);
	assert_int_equal(io(f, UBLK_IO_OP_READ, 0, SECTORS, data), BLOCK);
}

/* What the client waits for, as it sees it itself. */
static uint64_t timed_io(const struct fixture *f, uint32_t op_flags, void *data)
{
	const uint64_t begun = uc_now();

	assert_true(io(f, op_flags, 0, SECTORS, data) >= 0);
	return uc_now() - begun;
}

/* Every answer has its service time, which is not longer than the client's. */
static void service_times(struct fixture *f)
{
	static const uint32_t ops[UC_CLASSES] = {UBLK_IO_OP_READ, UBLK_IO_OP_WRITE,
						 UBLK_IO_OP_DISCARD};
	static unsigned char data[BLOCK];
	struct uc_thread_stats now;

	for (unsigned class = 0; class < UC_CLASSES; class ++) {
		uint64_t longest = 0;
		uint64_t sum = 0;

		for (unsigned i = 0; i < 20; i++) {
			const uint64_t time = timed_io(f, ops[class], data);

			longest = time > longest ? time : longest;
			sum += time;
		}
		now = counters(f);
		assert_int_equal(uc_histogram_total(&now.service[class]), 20);
		assert_true(uc_histogram_permille(&now.service[class], 1000) <= longest);
		assert_in_range(now.service[class].sum, 1, sum);
	}
}

static void test_service_loop(void **state)
{
	add(*state, "loop", "file", ((struct fixture *)*state)->image);
	service_times(*state);
}

static void test_service_ramdisk(void **state)
{
	add(*state, "ramdisk", "size", "1M");
	service_times(*state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_loop, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_loop, set_up_in_memory, tear_down),
		cmocka_unit_test_setup_teardown(test_loop_copy, set_up_in_memory, tear_down),
		cmocka_unit_test_setup_teardown(test_loop_map, set_up_in_memory, tear_down),
		cmocka_unit_test_setup_teardown(test_loop_user_copy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_loop_user_copy, set_up_in_memory, tear_down),
		cmocka_unit_test_setup_teardown(test_ramdisk, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ramdisk_user_copy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_null, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_null_direct, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_number, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_number_copy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_number_user_copy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_flush, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_service_loop, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_service_ramdisk, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_errors, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_truncated, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_truncated, set_up_in_memory, tear_down),
	};

	return cmocka_run_group_tests_name("io", tests, NULL, NULL);
}
