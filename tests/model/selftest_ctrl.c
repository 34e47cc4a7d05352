/* SPDX-License-Identifier: MIT */
/* Control commands: negotiation, states, errno rules, planned failures. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deadline.h"
#include "selftest_env.h"

static void add_negotiates(void **state)
{
	struct ublksrv_ctrl_dev_info info = env_wish(1ULL << 40 | UBLK_F_NEED_GET_DATA |
						     UBLK_F_USER_COPY | UBLK_F_UNPRIVILEGED_DEV);

	(void)state;
	info.nr_hw_queues = 100;
	info.max_io_buf_bytes = 65536 + 511;
	info.state = UBLK_S_DEV_LIVE;
	assert_int_equal(add(&info), 0);
	assert_int_equal(info.dev_id, 0);
	assert_int_equal(info.nr_hw_queues, 4);
	assert_int_equal(info.max_io_buf_bytes, 65536);
	assert_int_equal(info.state, UBLK_S_DEV_DEAD);
	assert_int_equal(info.ublksrv_pid, -1);
	assert_int_equal(info.io_desc_size, 24);
	assert_int_equal(info.flags, UBLK_F_USER_COPY | UBLK_F_CMD_IOCTL_ENCODE |
					     UBLK_F_URING_CMD_COMP_IN_TASK | UBLK_F_PER_IO_DAEMON |
					     UBLK_F_BUF_REG_OFF_DAEMON | UBLK_F_SAFE_STOP_DEV);
	assert_true(exists("dev/ublkc0"));
	assert_true(exists("sys/class/ublk-char/ublkc0"));
	assert_int_equal(call_id(UBLK_U_CMD_DEL_DEV, 0, 0), 0);
	assert_false(exists("dev/ublkc0"));
	assert_false(exists("sys/class/ublk-char/ublkc0"));
	assert_int_equal(model_devices(), 0);
}

static void add_6_12(void **state)
{
	struct ublksrv_ctrl_dev_info info =
		env_wish(UBLK_F_SUPPORT_ZERO_COPY | UBLK_F_NEED_GET_DATA |
			 UBLK_F_USER_RECOVERY_FAIL_IO | UBLK_F_QUIESCE);

	(void)state;
	assert_int_equal(add(&info), 0);
	assert_int_equal(info.flags, UBLK_F_NEED_GET_DATA | UBLK_F_CMD_IOCTL_ENCODE |
					     UBLK_F_URING_CMD_COMP_IN_TASK);
	assert_int_equal(call_id(UBLK_U_CMD_TRY_STOP_DEV, 0, 0), -EOPNOTSUPP);
	assert_int_equal(call_id(UBLK_U_CMD_UPDATE_SIZE, 0, 8), -EOPNOTSUPP);
	assert_int_equal(call_id(UBLK_U_CMD_QUIESCE_DEV, 0, 10), -EOPNOTSUPP);
	assert_int_equal(call_id(UBLK_U_CMD_DEL_DEV, 0, 0), 0);
}

static void expect_add(uint16_t depth, uint16_t queues, uint64_t flags, int expected)
{
	struct ublksrv_ctrl_dev_info info = env_wish(flags);

	info.queue_depth = depth;
	info.nr_hw_queues = queues;
	assert_int_equal(add(&info), expected);
}

static void add_refuses(void **state)
{
	struct ublksrv_ctrl_dev_info info = env_wish(0);
	struct ublksrv_ctrl_cmd cmd = {
		.dev_id = UINT32_MAX,
		.len = sizeof(info),
		.addr = (uint64_t)(uintptr_t)&info,
	};

	(void)state;
	expect_add(0, 1, 0, -EINVAL);
	expect_add(4097, 1, 0, -EINVAL);
	expect_add(1, 0, 0, -EINVAL);
	expect_add(1, 4097, 0, -EINVAL);
	expect_add(1, 1, UBLK_F_USER_RECOVERY_REISSUE, -EINVAL);
	expect_add(1, 1, UBLK_F_QUIESCE, -EINVAL);
	expect_add(1, 1, UBLK_F_INTEGRITY, -EINVAL);
	expect_add(1, 1, UBLK_F_IO_DESC_SIZE, -EINVAL);
	expect_add(1, 1, UBLK_F_ZONED, -EINVAL);
	assert_int_equal(call(UBLK_U_CMD_ADD_DEV, &cmd), -EINVAL); /* queue_id 0 */
	cmd.queue_id = UINT16_MAX;
	cmd.dev_id = 5;
	assert_int_equal(call(UBLK_U_CMD_ADD_DEV, &cmd), -EINVAL); /* two ids */
	info.dev_id = 1U << 20;
	assert_int_equal(add(&info), -EINVAL);
	info.dev_id = 7;
	assert_int_equal(add(&info), 0);
	assert_int_equal(add(&info), -EEXIST);
	info.dev_id = UINT32_MAX;
	assert_int_equal(add(&info), 0);
	assert_int_equal(info.dev_id, 0);
	assert_int_equal(model_devices(), 2);
	assert_int_equal(model_calls(UBLK_U_CMD_ADD_DEV), 15);
}

static void unprivileged(void **state)
{
	struct ublksrv_ctrl_dev_info info = env_wish(0);

	(void)state;
	assert_int_equal(add(&info), -EPERM);
	info.flags = UBLK_F_UNPRIVILEGED_DEV | UBLK_F_USER_COPY;
	assert_int_equal(add(&info), -EINVAL);
	info.flags = UBLK_F_UNPRIVILEGED_DEV | UBLK_F_USER_RECOVERY;
	assert_int_equal(add(&info), 0);
	assert_false(info.flags & UBLK_F_USER_RECOVERY);
	info = env_wish(UBLK_F_UNPRIVILEGED_DEV);
	assert_int_equal(add(&info), -EACCES);
	/* Every other command wants the path. */
	assert_int_equal(get_info(0, &info), -EINVAL);
}

static void unknown(void **state)
{
	struct ublksrv_ctrl_dev_info info = env_wish(0);
	uint64_t features[2] = {0};
	struct ublksrv_ctrl_cmd cmd = {
		.dev_id = UINT32_MAX, .len = 16, .addr = (uint64_t)(uintptr_t)features};

	(void)state;
	assert_int_equal(call_id(UBLK_U_CMD_STOP_DEV, 3, 0), -ENODEV);
	assert_int_equal(add(&info), 0);
	assert_int_equal(call_id(_IOWR('u', 0x66, struct ublksrv_ctrl_cmd), 0, 0), -EOPNOTSUPP);
	assert_int_equal(call_id(_IOWR('x', 0x02, struct ublksrv_ctrl_cmd), 0, 0), -EOPNOTSUPP);
	assert_int_equal(call(UBLK_U_CMD_GET_FEATURES, &cmd), -EINVAL);
	cmd.len = 8;
	assert_int_equal(call(UBLK_U_CMD_GET_FEATURES, &cmd), 0);
	assert_int_equal(features[0], ((1ULL << 21) - 1) & ~MODEL_LACKS);
}

static void info2_wants_the_path(void **state)
{
	struct ublksrv_ctrl_dev_info info = env_wish(0);
	char buf[4096 + sizeof(info)];
	struct ublksrv_ctrl_cmd cmd = {.addr = (uint64_t)(uintptr_t)buf};

	(void)state;
	assert_int_equal(add(&info), 0);
	assert_int_equal(call(UBLK_U_CMD_GET_DEV_INFO2, &cmd), -EINVAL);
	cmd.dev_path_len = (uint16_t)(snprintf(buf, 4096, "%s/ublkc0", env_host.dev_dir) + 1);
	cmd.len = cmd.dev_path_len;
	assert_int_equal(call(UBLK_U_CMD_GET_DEV_INFO2, &cmd), -EINVAL);
	cmd.len = (uint16_t)(cmd.len + sizeof(info));
	assert_int_equal(call(UBLK_U_CMD_GET_DEV_INFO2, &cmd), 0);
	memcpy(&info, buf + cmd.dev_path_len, sizeof(info));
	assert_int_equal(info.queue_depth, SERVER_DEPTH);
	buf[cmd.dev_path_len - 2] = '1';
	assert_int_equal(call(UBLK_U_CMD_GET_DEV_INFO2, &cmd), -ENOENT);
	strcpy(buf, "/dev/null");
	assert_int_equal(call(UBLK_U_CMD_GET_DEV_INFO2, &cmd), -EPERM);
}

static void params_rules(void **state)
{
	struct ublksrv_ctrl_dev_info info = env_wish(0);
	struct ublk_params p = env_params();
	struct ublk_params got = {.len = sizeof(got)};
	const struct ublksrv_ctrl_cmd cmd = {.len = sizeof(got), .addr = (uint64_t)(uintptr_t)&got};

	(void)state;
	assert_int_equal(add(&info), 0);
	assert_int_equal(set_params(0, &p), 0);
	p.basic.physical_bs_shift = 8;
	assert_int_equal(set_params(0, &p), -EINVAL);
	/* That has wiped the good ones. */
	assert_int_equal(call(UBLK_U_CMD_GET_PARAMS, &cmd), 0);
	assert_int_equal(got.types, UBLK_PARAM_TYPE_DEVT);
	assert_int_equal(call_id(UBLK_U_CMD_START_DEV, 0, 1), -EINVAL);
	p = env_params();
	p.basic.max_sectors = (SERVER_BUF >> 9) + 1;
	assert_int_equal(set_params(0, &p), -EINVAL);
	p = env_params();
	p.discard.max_discard_segments = 2;
	assert_int_equal(set_params(0, &p), -EINVAL);
	p = env_params();
	p.types |= UBLK_PARAM_TYPE_DMA_ALIGN;
	p.dma.alignment = 4;
	assert_int_equal(set_params(0, &p), -EINVAL);
	p.dma.alignment = 511;
	assert_int_equal(set_params(0, &p), 0);
	got.len = sizeof(got);
	assert_int_equal(call(UBLK_U_CMD_GET_PARAMS, &cmd), 0);
	assert_int_equal(got.basic.dev_sectors, SERVER_SECTORS);
	assert_int_equal(got.devt.disk_major, 0);
}

static void start_waits_for_fetches(void **state)
{
	const uint64_t pid = (uint64_t)getpid();
	struct server s;
	const uint64_t begin = uc_now();

	(void)state;
	env_device(&s, 0);
	assert_int_equal(call_id(UBLK_U_CMD_START_DEV, s.id, 0), -EINVAL);
	assert_int_equal(call_timed(UBLK_U_CMD_START_DEV, s.id, pid, SHORT_MS), -ETIMEDOUT);
	assert_true(uc_now() - begin >= SHORT_MS * 1000000ULL);
	server_start(&s);
	assert_int_equal(call_id(UBLK_U_CMD_START_DEV, s.id, pid + 1), -EINVAL);
	assert_int_equal(call_id(UBLK_U_CMD_START_DEV, s.id, pid), 0);
	assert_int_equal(call_id(UBLK_U_CMD_START_DEV, s.id, pid), -EEXIST);
	assert_int_equal(state_of(s.id), UBLK_S_DEV_LIVE);
	assert_true(exists("dev/ublkb0"));
	assert_true(exists("sys/block/ublkb0/queue/logical_block_size"));
	assert_int_equal(set_params(s.id, &(struct ublk_params){.len = 8, .types = 1}), -EACCES);
	env_end(&s);
	assert_false(exists("sys/block/ublkb0"));
}

static void stop_and_openers(void **state)
{
	struct server s;

	(void)state;
	env_live(&s, 0);
	model_set_openers(s.id, 1);
	assert_int_equal(call_id(UBLK_U_CMD_TRY_STOP_DEV, s.id, 0), -EBUSY);
	assert_int_equal(state_of(s.id), UBLK_S_DEV_LIVE);
	assert_int_equal(call_id(UBLK_U_CMD_STOP_DEV, s.id, 0), 0);
	assert_false(exists("dev/ublkb0"));
	assert_int_equal(state_of(s.id), UBLK_S_DEV_DEAD);
	server_join(&s);
	assert_int_equal(s.aborted, s.depth);
	assert_int_equal(call_id(UBLK_U_CMD_TRY_STOP_DEV, s.id, 0), -ENODEV);
	/* The id is not free while the old disk is still open. */
	assert_int_equal(call_timed(UBLK_U_CMD_DEL_DEV, s.id, 0, SHORT_MS), -ETIMEDOUT);
	assert_false(exists("dev/ublkc0"));
	assert_int_equal(model_devices(), 1);
	model_set_openers(s.id, 0);
	assert_int_equal(model_devices(), 0);
	assert_int_equal(call_id(UBLK_U_CMD_DEL_DEV, s.id, 0), -ENODEV);
}

static void delete_waits_for_the_server(void **state)
{
	struct server s;

	(void)state;
	env_device(&s, 0);
	/* A mere open file holds it. */
	assert_int_equal(server_open(&s), 0);
	assert_int_equal(call_timed(UBLK_U_CMD_DEL_DEV, s.id, 0, SHORT_MS), -ETIMEDOUT);
	s.host.transport->ring_exit(&s.ring);
	assert_int_equal(call_timed(UBLK_U_CMD_DEL_DEV, s.id, 0, SHORT_MS), -ETIMEDOUT);
	assert_int_equal(s.host.transport->ring_init(&s.ring, 4, &s.fd, 1, 0), 0);
	server_close(&s);
	assert_int_equal(model_devices(), 0);

	env_device(&s, 0);
	assert_int_equal(server_open(&s), 0);
	assert_int_equal(call_id(UBLK_U_CMD_DEL_DEV_ASYNC, s.id, 0), 0);
	assert_int_equal(model_devices(), 1);
	server_close(&s);
	assert_int_equal(model_devices(), 0);
}

static void affinity_and_buffers(void **state)
{
	struct ublksrv_ctrl_dev_info info = env_wish(UBLK_F_SHMEM_ZC);
	const struct ublk_shmem_buf_reg reg = {.addr = 4096, .len = 8192};
	uint64_t cpus = 0;
	struct ublksrv_ctrl_cmd cmd = {.len = 8, .addr = (uint64_t)(uintptr_t)&cpus, .data = {1}};

	(void)state;
	info.nr_hw_queues = 2;
	assert_int_equal(add(&info), 0);
	assert_int_equal(call(UBLK_U_CMD_GET_QUEUE_AFFINITY, &cmd), 0);
	assert_int_equal(cpus, 0xc);
	cmd.data[0] = 2;
	assert_int_equal(call(UBLK_U_CMD_GET_QUEUE_AFFINITY, &cmd), -EINVAL);
	cmd.len = sizeof(reg);
	cmd.addr = (uint64_t)(uintptr_t)&reg;
	assert_int_equal(call(UBLK_U_CMD_REG_BUF, &cmd), 0);
	assert_int_equal(call(UBLK_U_CMD_REG_BUF, &cmd), 1);
	assert_int_equal(call_id(UBLK_U_CMD_UNREG_BUF, 0, 0), 0);
	assert_int_equal(call_id(UBLK_U_CMD_UNREG_BUF, 0, 0), -ENOENT);
}

static void update_size(void **state)
{
	char byte;
	struct server s;

	(void)state;
	env_device(&s, 0);
	assert_int_equal(call_id(UBLK_U_CMD_UPDATE_SIZE, s.id, 16), -ENODEV);
	server_start(&s);
	assert_int_equal(call_id(UBLK_U_CMD_START_DEV, s.id, (uint64_t)getpid()), 0);
	assert_int_equal(call_id(UBLK_U_CMD_UPDATE_SIZE, s.id, 16), 0);
	assert_int_equal(model_io(s.id, 0, UBLK_IO_OP_READ, 16, 1, &byte, TIMEOUT_MS), -EIO);
	env_end(&s);
}

static void planned_failures(void **state)
{
	struct ublksrv_ctrl_dev_info info = env_wish(0);
	void *conn;

	(void)state;
	model_fail(UBLK_U_CMD_ADD_DEV, ENOMEM, 1, 2);
	assert_int_equal(add(&info), 0);
	info.dev_id = UINT32_MAX;
	assert_int_equal(add(&info), -ENOMEM);
	assert_int_equal(add(&info), -ENOMEM);
	assert_int_equal(model_devices(), 1);
	assert_int_equal(add(&info), 0);
	model_fail(UBLK_U_CMD_STOP_DEV, MODEL_NEVER, 0, MODEL_ALWAYS);
	assert_int_equal(call_timed(UBLK_U_CMD_STOP_DEV, 0, 0, SHORT_MS), -ETIMEDOUT);
	assert_int_equal(call_timed(UBLK_U_CMD_STOP_DEV, 0, 0, SHORT_MS), -ETIMEDOUT);
	model_fail_clear();
	assert_int_equal(call_id(UBLK_U_CMD_STOP_DEV, 0, 0), 0);
	model_fail(UBLK_U_CMD_DEL_DEV, MODEL_NEVER_DONE, 0, 1);
	assert_int_equal(call_timed(UBLK_U_CMD_DEL_DEV, 0, 0, SHORT_MS), -ETIMEDOUT);
	assert_int_equal(model_devices(), 1);
	model_fail(MODEL_OP_CTRL_OPEN, EACCES, 0, 1);
	assert_int_equal(env_host.transport->ctrl_open(&env_host, &conn), -EACCES);
	assert_int_equal(model_calls(UBLK_U_CMD_STOP_DEV), 3);
}

static void failures_from_the_environment(void **state)
{
	struct ublksrv_ctrl_dev_info info = env_wish(0);

	(void)state;
	setenv("UBLKCTL_MODEL_FAULT", "ADD_DEV:EACCES:0:1;STOP_DEV:never;DEL_DEV:5:1", 1);
	assert_int_equal(model_fault_from_env(), 0);
	assert_int_equal(add(&info), -EACCES);
	assert_int_equal(add(&info), 0);
	assert_int_equal(call_timed(UBLK_U_CMD_STOP_DEV, 0, 0, SHORT_MS), -ETIMEDOUT);
	assert_int_equal(call_id(UBLK_U_CMD_DEL_DEV, 0, 0), 0);
	assert_int_equal(call_id(UBLK_U_CMD_DEL_DEV, 0, 0), -EIO);
	setenv("UBLKCTL_MODEL_FAULT", "ADD_DEV", 1);
	assert_int_equal(model_fault_from_env(), -EINVAL);
	setenv("UBLKCTL_MODEL_FAULT", "ADD_DEV:EWHAT", 1);
	assert_int_equal(model_fault_from_env(), -EINVAL);
	setenv("UBLKCTL_MODEL_FAULT", "NO_DEV:EIO", 1);
	assert_int_equal(model_fault_from_env(), -EINVAL);
	unsetenv("UBLKCTL_MODEL_FAULT");
	assert_int_equal(model_fault_from_env(), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, env_setup, env_teardown)

const struct CMUnitTest ctrl_tests[] = {
	TEST(add_negotiates),
	cmocka_unit_test_setup_teardown(add_6_12, env_setup_6_12, env_teardown),
	TEST(add_refuses),
	cmocka_unit_test_setup_teardown(unprivileged, env_setup_unprivileged, env_teardown),
	TEST(unknown),
	TEST(info2_wants_the_path),
	TEST(params_rules),
	TEST(start_waits_for_fetches),
	TEST(stop_and_openers),
	TEST(delete_waits_for_the_server),
	TEST(affinity_and_buffers),
	TEST(update_size),
	TEST(planned_failures),
	TEST(failures_from_the_environment),
};
const size_t nr_ctrl_tests = sizeof(ctrl_tests) / sizeof(ctrl_tests[0]);
