/* SPDX-License-Identifier: MIT */
/* What a command forgets to check in a dry run does not reach the driver. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cleanup.h"
#include "ctrl.h"
#include "lock.h"
#include "model.h"
#include "record.h"
#include "unit.h"

static char root[] = "/tmp/ublkctl-dryrun-XXXXXX";
static struct uc_host host;
static struct uc_ctrl *ctrl;

static int start(void **state)
{
	const struct model_config cfg = model_config_newest();

	(void)state;
	if (!mkdtemp(root) || model_create(root, &cfg) < 0)
		return -1;
	host = model_host(1000);
	host.dry_run = true;
	return uc_ctrl_open(&host, &ctrl, NULL);
}

static int end(void **state)
{
	(void)state;
	uc_ctrl_close(ctrl);
	model_detach();
	return 0;
}

static void test_changes(void **state)
{
	struct ublksrv_ctrl_dev_info info = {.dev_id = 0, .nr_hw_queues = 1, .queue_depth = 1};
	const struct ublk_params params = {0};
	const struct ublk_shmem_buf_reg reg = {0};
	uc_auto_lock struct uc_lock *lock = NULL;
	struct uc_error err = {0};
	uint16_t index;

	(void)state;
	assert_int_equal(uc_ctrl_add_dev(ctrl, &info, &err), -EROFS);
	assert_string_equal(err.text, "ADD_DEV is not for a dry run");
	assert_int_equal(uc_lock_device(&host, 0, &lock, NULL), 0);
	assert_int_equal(uc_ctrl_set_params(ctrl, lock, &params, NULL), -EROFS);
	assert_int_equal(uc_ctrl_start_dev(ctrl, lock, 1, NULL), -EROFS);
	assert_int_equal(uc_ctrl_stop_dev(ctrl, lock, NULL), -EROFS);
	assert_int_equal(uc_ctrl_try_stop_dev(ctrl, lock, NULL), -EROFS);
	assert_int_equal(uc_ctrl_del_dev(ctrl, lock, NULL), -EROFS);
	assert_int_equal(uc_ctrl_del_dev_async(ctrl, lock, NULL), -EROFS);
	assert_int_equal(uc_ctrl_start_user_recovery(ctrl, lock, NULL), -EROFS);
	assert_int_equal(uc_ctrl_end_user_recovery(ctrl, lock, 1, NULL), -EROFS);
	assert_int_equal(uc_ctrl_update_size(ctrl, lock, 8, NULL), -EROFS);
	assert_int_equal(uc_ctrl_quiesce_dev(ctrl, lock, 1, NULL), -EROFS);
	assert_int_equal(uc_ctrl_reg_buf(ctrl, lock, &reg, &index, NULL), -EROFS);
	assert_int_equal(uc_ctrl_unreg_buf(ctrl, lock, 0, NULL), -EROFS);
}

static void test_questions(void **state)
{
	struct ublksrv_ctrl_dev_info info;
	struct ublk_params params;
	struct uc_cpus cpus;
	uint64_t features;

	(void)state;
	assert_int_equal(uc_ctrl_get_features(ctrl, &features, NULL), 0);
	assert_int_equal(uc_ctrl_get_dev_info(ctrl, 0, &info, NULL), -ENODEV);
	assert_int_equal(uc_ctrl_get_params(ctrl, 0, &params, NULL), -ENODEV);
	assert_int_equal(uc_ctrl_get_queue_affinity(ctrl, 0, 0, &cpus, NULL), -ENODEV);
	assert_int_equal(uc_ctrl_check_add(ctrl, 0, NULL), 0);
}

/* A lock that nobody has ever taken leaves no file. */
static void test_lock(void **state)
{
	uc_auto_lock struct uc_lock *lock = NULL;
	char path[128];

	(void)state;
	assert_int_equal(uc_lock_device(&host, 0, &lock, NULL), 0);
	assert_int_equal(uc_lock_id(lock), 0);
	snprintf(path, sizeof(path), "%s/.lock", host.run_dir);
	assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_questions),
		cmocka_unit_test(test_lock),
	};

	return cmocka_run_group_tests(tests, start, end);
}
