/* SPDX-License-Identifier: MIT */
/* Several processes: death of servers, recovery, stress. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deadline.h"
#include "selftest_env.h"

/* A server in a process of its own; returns its pid. */
static pid_t fork_server(struct server *s)
{
	const pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	if (server_open(s) < 0)
		_exit(1);
	server_fetch_all(s);
	server_run(s);
	server_close(s);
	_exit(0);
}

static void end_child(pid_t pid, int sig)
{
	if (sig)
		kill(pid, sig);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void await_with_server(const struct server *s, unsigned count)
{
	const uint64_t deadline = uc_deadline(TIMEOUT_MS);

	while (model_with_server(s->id) != count && uc_left_ms(deadline))
		uc_sleep_ms(1);
	assert_int_equal(model_with_server(s->id), count);
}

static void start(struct server *s, pid_t pid)
{
	assert_int_equal(call_id(UBLK_U_CMD_START_DEV, s->id, (uint64_t)pid), 0);
}

static void killed_server(void **state)
{
	static uint8_t data[512];
	struct ublksrv_ctrl_dev_info info;
	struct server s;
	pid_t pid;
	int handle;

	(void)state;
	env_device(&s, 0);
	pid = fork_server(&s);
	start(&s, pid);
	assert_int_equal(get_info(s.id, &info), 0);
	assert_int_equal(info.ublksrv_pid, pid);
	assert_int_equal(model_io(s.id, 0, UBLK_IO_OP_WRITE, 3, 1, data, TIMEOUT_MS), 512);
	assert_int_equal(model_freeze(s.id, true), 0);
	handle = model_io_submit(s.id, 0, UBLK_IO_OP_READ, 0, 1, NULL, TIMEOUT_MS);
	assert_int_equal(call_timed(UBLK_U_CMD_STOP_DEV, s.id, 0, SHORT_MS), -ETIMEDOUT);
	assert_int_equal(call_timed(UBLK_U_CMD_GET_PARAMS, s.id, 0, SHORT_MS), -ETIMEDOUT);
	assert_int_equal(state_of(s.id), UBLK_S_DEV_LIVE);
	/* A zombie is as good as gone. */
	kill(pid, SIGKILL);
	assert_int_equal(model_io_wait(handle, data, TIMEOUT_MS), -EIO);
	assert_int_equal(state_of(s.id), UBLK_S_DEV_DEAD);
	assert_false(exists("dev/ublkb0"));
	assert_int_equal(get_info(s.id, &info), 0);
	assert_int_equal(info.ublksrv_pid, -1);
	assert_int_equal(model_io(s.id, 0, UBLK_IO_OP_READ, 0, 1, data, TIMEOUT_MS), -ENXIO);
	assert_int_equal(call_id(UBLK_U_CMD_START_USER_RECOVERY, s.id, 0), -EINVAL);
	end_child(pid, 0);
	assert_int_equal(call_id(UBLK_U_CMD_DEL_DEV, s.id, 0), 0);
}

static void held_requests(void **state)
{
	static uint8_t data[512];
	int handles[SERVER_DEPTH];
	struct server s;
	pid_t pid;

	(void)state;
	env_device(&s, 0);
	s.hold = true;
	pid = fork_server(&s);
	start(&s, pid);
	for (unsigned i = 0; i < SERVER_DEPTH; i++) {
		handles[i] = model_io_submit(s.id, 0, UBLK_IO_OP_READ, i, 1, NULL, TIMEOUT_MS);
		assert_true(handles[i] >= 0);
	}
	await_with_server(&s, SERVER_DEPTH);
	assert_int_equal(model_io(s.id, 0, UBLK_IO_OP_READ, 0, 1, data, SHORT_MS), -ETIMEDOUT);
	assert_int_equal(model_io_wait(handles[0], data, SHORT_MS), -ETIMEDOUT);
	assert_int_equal(model_requests(), SERVER_DEPTH);
	assert_int_equal(call_timed(UBLK_U_CMD_STOP_DEV, s.id, 0, SHORT_MS), -ETIMEDOUT);
	end_child(pid, SIGKILL);
	assert_int_equal(call_id(UBLK_U_CMD_STOP_DEV, s.id, 0), 0);
	for (unsigned i = 1; i < SERVER_DEPTH; i++)
		assert_int_equal(model_io_wait(handles[i], data, TIMEOUT_MS), -EIO);
	assert_int_equal(model_requests(), 0);
}

/* What becomes of a held and of a new request when the server dies, by recovery mode. */
static void recovery(uint64_t flags, int held, int later, int dead_state)
{
	static uint8_t data[512];
	struct server s;
	pid_t pid;
	int handles[2];

	env_device(&s, UBLK_F_USER_RECOVERY | flags);
	s.hold = true;
	pid = fork_server(&s);
	start(&s, pid);
	assert_int_equal(call_id(UBLK_U_CMD_START_USER_RECOVERY, s.id, 0), -EBUSY);
	handles[0] = model_io_submit(s.id, 0, UBLK_IO_OP_WRITE, 5, 1, data, TIMEOUT_MS);
	await_with_server(&s, 1);
	end_child(pid, SIGKILL);
	assert_int_equal(state_of(s.id), dead_state);
	assert_true(exists("dev/ublkb%u", s.id));
	handles[1] = model_io_submit(s.id, 0, UBLK_IO_OP_READ, 5, 1, NULL, TIMEOUT_MS);
	assert_int_equal(handles[1] < 0 ? handles[1] : 0, later < 0 ? later : 0);
	assert_int_equal(call_id(UBLK_U_CMD_START_USER_RECOVERY, s.id, 0), 0);
	s.hold = false;
	pid = fork_server(&s);
	assert_int_equal(call_id(UBLK_U_CMD_END_USER_RECOVERY, s.id, 1), -EINVAL);
	assert_int_equal(call_id(UBLK_U_CMD_END_USER_RECOVERY, s.id, (uint64_t)pid), 0);
	assert_int_equal(state_of(s.id), UBLK_S_DEV_LIVE);
	assert_int_equal(model_io_wait(handles[0], data, TIMEOUT_MS), held);
	if (later > 0)
		assert_int_equal(model_io_wait(handles[1], data, TIMEOUT_MS), later);
	assert_int_equal(model_io(s.id, 0, UBLK_IO_OP_READ, 5, 1, data, TIMEOUT_MS), 512);
	assert_int_equal(call_id(UBLK_U_CMD_DEL_DEV, s.id, 0), 0);
	end_child(pid, 0);
}

static void recovery_modes(void **state)
{
	(void)state;
	recovery(0, -EIO, 512, UBLK_S_DEV_QUIESCED);
	recovery(UBLK_F_USER_RECOVERY_REISSUE, 512, 512, UBLK_S_DEV_QUIESCED);
	recovery(UBLK_F_USER_RECOVERY_FAIL_IO, -EIO, -EREMOTEIO, UBLK_S_DEV_FAIL_IO);
}

static void stop_without_server(void **state)
{
	static uint8_t data[512];
	struct server s;
	int handle;
	pid_t pid;

	(void)state;
	env_device(&s, UBLK_F_USER_RECOVERY);
	pid = fork_server(&s);
	start(&s, pid);
	end_child(pid, SIGKILL);
	handle = model_io_submit(s.id, 0, UBLK_IO_OP_READ, 0, 1, NULL, TIMEOUT_MS);
	assert_int_equal(call_id(UBLK_U_CMD_DEL_DEV, s.id, 0), 0);
	assert_int_equal(model_io_wait(handle, data, TIMEOUT_MS), -EIO);
	assert_int_equal(model_devices(), 0);
}

static void quiesce(void **state)
{
	static uint8_t data[512];
	struct server s;
	int handle;
	pid_t pid;

	(void)state;
	env_device(&s, UBLK_F_USER_RECOVERY | UBLK_F_QUIESCE);
	assert_int_equal(call_id(UBLK_U_CMD_QUIESCE_DEV, s.id, 1), -ENODEV);
	pid = fork_server(&s);
	start(&s, pid);
	assert_int_equal(call_id(UBLK_U_CMD_QUIESCE_DEV, s.id, 1000), 0);
	end_child(pid, 0); /* leaves by itself: every tag was aborted */
	assert_int_equal(state_of(s.id), UBLK_S_DEV_QUIESCED);
	handle = model_io_submit(s.id, 0, UBLK_IO_OP_READ, 0, 1, NULL, TIMEOUT_MS);
	assert_int_equal(call_id(UBLK_U_CMD_START_USER_RECOVERY, s.id, 0), 0);
	pid = fork_server(&s);
	assert_int_equal(call_id(UBLK_U_CMD_END_USER_RECOVERY, s.id, (uint64_t)pid), 0);
	assert_int_equal(model_io_wait(handle, data, TIMEOUT_MS), 512);
	assert_int_equal(call_id(UBLK_U_CMD_DEL_DEV, s.id, 0), 0);
	end_child(pid, 0);

	/* Everything with the server: nobody to tell. */
	env_device(&s, UBLK_F_USER_RECOVERY | UBLK_F_QUIESCE);
	s.hold = true;
	pid = fork_server(&s);
	start(&s, pid);
	for (unsigned i = 0; i < SERVER_DEPTH; i++)
		assert_int_equal(model_io(s.id, 0, UBLK_IO_OP_READ, i, 1, data, 20), -ETIMEDOUT);
	await_with_server(&s, SERVER_DEPTH);
	assert_int_equal(call_id(UBLK_U_CMD_QUIESCE_DEV, s.id, SHORT_MS), -EBUSY);
	end_child(pid, SIGKILL);
	assert_int_equal(call_id(UBLK_U_CMD_DEL_DEV, s.id, 0), 0);
}

static void one_server_at_a_time(void **state)
{
	struct server s, second;
	pid_t pid;

	(void)state;
	env_device(&s, 0);
	pid = fork_server(&s);
	start(&s, pid);
	second = s;
	assert_int_equal(server_open(&second), -EBUSY);
	assert_int_equal(call_id(UBLK_U_CMD_DEL_DEV, s.id, 0), 0);
	end_child(pid, 0);
}

/*
 * A handler that has left its mounts behind sees no /proc and no root by name. It must neither
 * take the others for dead nor fail to do a kernel's work: this one removes the device.
 */
static void without_mounts(void **state)
{
	struct server s;
	pid_t pid, lost;
	int status;

	(void)state;
	env_device(&s, 0);
	pid = fork_server(&s);
	start(&s, pid);
	lost = fork();
	if (lost == 0) {
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    umount2("/", MNT_DETACH) < 0)
			_exit(77);
		model_run();
		if (state_of(s.id) != UBLK_S_DEV_LIVE)
			_exit(1);
		_exit(call_id(UBLK_U_CMD_DEL_DEV, s.id, 0) < 0 ? 2 : 0);
	}
	assert_int_equal(waitpid(lost, &status, 0), lost);
	if (WEXITSTATUS(status) == 77)
		assert_int_equal(call_id(UBLK_U_CMD_DEL_DEV, s.id, 0), 0);
	else
		assert_int_equal(status, 0);
	assert_false(exists("dev/ublkb%u", s.id));
	assert_false(exists("sys/block/ublkb%u", s.id));
	end_child(pid, 0);
	if (WEXITSTATUS(status) == 77)
		skip(); /* needs CAP_SYS_ADMIN */
}

/* A model that is gone must not leave servers behind. */
static void servers_end_with_the_model(void **state)
{
	struct server s;
	pid_t pid;

	(void)state;
	env_device(&s, 0);
	pid = fork_server(&s);
	start(&s, pid);
	env_host.transport->ctrl_close(env_conn);
	model_destroy();
	end_child(pid, 0);
	env_setup(NULL);
}

/* Writes and checks a region of its own, over and over. */
static void client(uint32_t id, unsigned who)
{
	static uint8_t out[4096], in[4096];

	for (unsigned round = 0; round < 150; round++) {
		const uint64_t sector = who * 64 + round % 8 * 8;

		memset(out, (int)(who * 50 + round), sizeof(out));
		if (model_io(id, 0, UBLK_IO_OP_WRITE, sector, 8, out, TIMEOUT_MS) != 4096 ||
		    model_io(id, 0, UBLK_IO_OP_READ, sector, 8, in, TIMEOUT_MS) != 4096 ||
		    memcmp(in, out, sizeof(in)) != 0)
			_exit(1);
	}
	_exit(0);
}

/* Adds, serves, starts and deletes a device until killed, most likely amid something. */
static void life_cycles(void)
{
	for (;;) {
		struct ublksrv_ctrl_dev_info info = env_wish(0);
		const struct ublk_params params = env_params();

		if (add(&info) < 0 || set_params(info.dev_id, &params) < 0 ||
		    call_id(UBLK_U_CMD_DEL_DEV, info.dev_id, 0) < 0)
			_exit(1);
	}
}

static void stress(void **state)
{
	struct server s;
	pid_t pids[4];
	pid_t server;

	(void)state;
	env_device(&s, 0);
	server = fork_server(&s);
	start(&s, server);
	for (unsigned i = 0; i < 4; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			client(s.id, i);
	}
	for (unsigned round = 0; round < 15; round++) {
		const pid_t pid = fork();

		if (pid == 0)
			life_cycles();
		uc_sleep_ms(10 + round);
		assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
		end_child(pid, SIGKILL);
	}
	for (unsigned i = 0; i < 4; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(call_id(UBLK_U_CMD_DEL_DEV, s.id, 0), 0);
	end_child(server, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, env_setup, env_teardown)

const struct CMUnitTest process_tests[] = {
	TEST(killed_server),  TEST(held_requests),
	TEST(recovery_modes), TEST(stop_without_server),
	TEST(quiesce),        TEST(one_server_at_a_time),
	TEST(without_mounts), TEST(servers_end_with_the_model),
	TEST(stress),
};
const size_t nr_process_tests = sizeof(process_tests) / sizeof(process_tests[0]);
