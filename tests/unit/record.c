/* SPDX-License-Identifier: MIT */
#include "record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rundir.h"
#include "stats.h"
#include "unit.h"

static char dir[] = "/tmp/ublkctl-record-XXXXXX";
static struct uc_host host;
static struct uc_lock *lock; /* of device 7 */

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	chmod(dir, 0755);
	host.run_dir = dir;
	host.timeout_ms = 1000;
	return uc_lock_device(&host, 7, &lock, NULL);
}

static int remove_dir(void **state)
{
	char path[128];

	(void)state;
	uc_lock_release(lock);
	snprintf(path, sizeof(path), "%s/.lock", dir);
	unlink(path);
	return rmdir(dir);
}

static struct uc_record sample(void)
{
	struct uc_record record = {
		.id = 7,
		.cookie = UINT64_C(0xfedcba9876543211),
		.pid = 4711,
		.pid_start = 99,
		.threads = 3,
		.logical_bs = 4096,
		.read_only = true,
		.respawn = true,
		.recovering = true,
		.keeper = {.pid = 4712, .start = 100, .fd = 0},
	};

	assert_int_equal(uc_cpus_parse("0-3,64,8191", "cpus", &record.cpus, NULL), 0);
	strcpy(record.options, "{\"size\":\"1M\"}");
	strcpy(record.shared_memory, "/dev/shm/x");
	strcpy(record.target, "loop");
	strcpy(record.backing, "/a \"quoted\" path\nwith a newline");
	strcpy(record.path, "copy");
	return record;
}

static const struct ublksrv_ctrl_dev_info info = {
	.dev_id = 7,
	.ublksrv_flags = UINT64_C(0xfedcba9876543211),
};

static void write_text(const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/7.json", dir);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void test_round_trip(void **state)
{
	const struct uc_record record = sample();
	struct uc_record read = {0};
	struct uc_error err = {0};

	(void)state;
	assert_int_equal(uc_rundir_prepare(&host, &err), 0);
	assert_int_equal(uc_record_write(&host, lock, &record, &err), 0);
	assert_int_equal(uc_record_read(&host, &info, &read), 0);
	assert_int_equal(read.cookie, record.cookie);
	assert_int_equal(read.pid, record.pid);
	assert_int_equal(read.pid_start, record.pid_start);
	assert_string_equal(read.target, record.target);
	assert_string_equal(read.backing, record.backing);
	assert_string_equal(read.path, record.path);
	assert_int_equal(read.threads, 3);
	assert_int_equal(read.logical_bs, 4096);
	assert_int_equal(read.physical_bs, 0);
	assert_true(read.read_only && read.respawn && read.recovering);
	assert_memory_equal(&read.cpus, &record.cpus, sizeof(read.cpus));
	assert_string_equal(read.options, record.options);
	assert_string_equal(read.shared_memory, record.shared_memory);
	assert_int_equal(read.keeper.pid, 4712);
	assert_int_equal(read.keeper.start, 100);
	assert_int_equal(read.keeper.fd, 0);
	assert_int_equal(uc_record_remove(&host, lock, NULL), 0);
	assert_int_equal(uc_record_read(&host, &info, &read), -ENOENT);
}

static void test_other_device(void **state)
{
	const struct uc_record record = sample();
	struct ublksrv_ctrl_dev_info other = info;
	struct uc_record read = {0};
	struct uc_error err = {0};

	(void)state;
	other.ublksrv_flags++;
	assert_int_equal(uc_record_write(&host, lock, &record, &err), 0);
	assert_int_equal(uc_record_read(&host, &other, &read), -ESTALE);
	assert_int_equal(uc_record_remove(&host, lock, NULL), 0);
}

static void test_spoiled(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"7",
		"null",
		"{}",
		"{\"schema_version\":1}",
		"{\"schema_version\":2,\"id\":7,\"cookie\":\"1\",\"pid\":1,\"pid_start\":1,"
		"\"target\":\"x\",\"backing\":\"\",\"data_path\":\"\",\"data_path_asked\":false}",
		"{\"schema_version\":1,\"id\":\"7\",\"cookie\":\"1\",\"pid\":1,\"pid_start\":1,"
		"\"target\":\"x\",\"backing\":\"\",\"data_path\":\"\",\"data_path_asked\":false}",
		"{\"schema_version\":1,\"id\":7,\"cookie\":\"zz\",\"pid\":1,\"pid_start\":1,"
		"\"target\":\"x\",\"backing\":\"\",\"data_path\":\"\",\"data_path_asked\":false}",
	};
	struct uc_record read = {.pid = 42};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		write_text(texts[i]);
		if (uc_record_read(&host, &info, &read) != -EINVAL)
			fail_msg("'%s' was taken", texts[i]);
	}
	assert_int_equal(read.pid, 42);
	assert_int_equal(uc_record_remove(&host, lock, NULL), 0);
}

static void test_directory_of_others(void **state)
{
	struct uc_error err = {0};

	(void)state;
	chmod(dir, 0777);
	assert_true(uc_rundir_prepare(&host, &err) < 0);
	assert_non_null(strstr(err.text, dir));
	chmod(dir, 0755);
	assert_int_equal(uc_rundir_prepare(&host, &err), 0);
}

static void test_stats(void **state)
{
	struct uc_stats *mine = NULL;
	struct uc_stats *copy = NULL;
	struct uc_error err = {0};
	char path[128];

	(void)state;
	assert_int_equal(uc_stats_create(&host, 7, 3, false, &mine, &err), 0);
	uc_count(&mine->threads[2].reads, 5);
	assert_int_equal(uc_stats_read(&host, 7, &copy), 0);
	assert_int_equal(copy->nr_threads, 3);
	assert_int_equal(copy->threads[2].reads, 5);
	free(copy);
	snprintf(path, sizeof(path), "%s/7.stats", dir);
	assert_int_equal(truncate(path, 100), 0);
	assert_int_equal(uc_stats_read(&host, 7, &copy), -EINVAL);
	assert_int_equal(truncate(path, 3), 0);
	assert_int_equal(uc_stats_read(&host, 7, &copy), -EINVAL);
	uc_stats_unmap(mine);
	uc_stats_remove(&host, 7);
	assert_int_equal(uc_stats_read(&host, 7, &copy), -ENOENT);
}

/* A handler goes on where the one before has ended, whatever that has left. */
static void test_stats_go_on(void **state)
{
	struct uc_stats *old = NULL;
	struct uc_stats *new = NULL;
	struct uc_stats *copy = NULL;
	struct uc_error err = {0};
	char path[128];
	uint64_t life;

	(void)state;
	assert_int_equal(uc_stats_create(&host, 7, 2, false, &old, &err), 0);
	old->threads[1].writes = 5;
	old->threads[1].in_flight = 3;
	old->threads[1].qid = 1;
	uc_histogram_count(&old->threads[1].service[UC_CLASS_WRITE], 1 << 20, 1);
	life = old->life;
	assert_int_not_equal(life, 0);
	uc_stats_unmap(old);
	/* In the file that is there, for which a full file system has room. */
	setrlimit(RLIMIT_FSIZE, &(struct rlimit){0, RLIM_INFINITY});
	assert_int_equal(uc_stats_create(&host, 7, 2, true, &new, &err), 0);
	setrlimit(RLIMIT_FSIZE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
	assert_int_equal(new->life, life);
	assert_int_equal(uc_stats_read(&host, 7, &copy), 0);
	assert_int_equal(copy->threads[1].writes, 5);
	assert_int_equal(copy->threads[1].in_flight, 0);
	/* Else its queue would have counted down to none until it has begun. */
	assert_int_equal(copy->threads[1].qid, 1);
	assert_int_equal(uc_histogram_permille(&copy->threads[1].service[UC_CLASS_WRITE], 500),
			 1 << 20);
	free(copy);
	uc_stats_unmap(new);
	/* A device that is started again, and one of another shape: from the beginning. */
	assert_int_equal(uc_stats_create(&host, 7, 2, false, &new, &err), 0);
	assert_int_equal(new->threads[1].writes, 0);
	assert_int_not_equal(new->life, life);
	uc_stats_unmap(new);
	snprintf(path, sizeof(path), "%s/.7.stats.new", dir);
	assert_int_equal(symlink("7.stats", path), 0);
	assert_int_equal(uc_stats_create(&host, 7, 3, true, &new, &err), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(new->threads[1].writes, 0);
	uc_stats_unmap(new);
	uc_stats_remove(&host, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_other_device),
		cmocka_unit_test(test_spoiled),     cmocka_unit_test(test_stats),
		cmocka_unit_test(test_stats_go_on), cmocka_unit_test(test_directory_of_others),
	};

	return cmocka_run_group_tests_name("record", tests, make_dir, remove_dir);
}
