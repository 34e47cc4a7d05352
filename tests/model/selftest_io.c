/* SPDX-License-Identifier: MIT */
/* The data plane: per-tag commands, data on every path, errors, planned and generated requests. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "selftest_env.h"

static void fetch_rules(void **state)
{
	struct ublksrv_io_cmd cmd = {.tag = SERVER_DEPTH, .addr = 4096};
	struct server s;

	(void)state;
	env_device(&s, 0);
	s.depth = 2; /* fetches less than there is */
	assert_int_equal(server_open(&s), 0);
	assert_int_equal(server_command(&s, UBLK_U_IO_FETCH_REQ, cmd), -EINVAL);
	cmd = (struct ublksrv_io_cmd){.q_id = 1, .addr = 4096};
	assert_int_equal(server_command(&s, UBLK_U_IO_FETCH_REQ, cmd), -EINVAL);
	cmd.q_id = 0;
	cmd.addr = 0;
	assert_int_equal(server_command(&s, UBLK_U_IO_FETCH_REQ, cmd), -EINVAL);
	assert_int_equal(server_command(&s, UBLK_U_IO_COMMIT_AND_FETCH_REQ, cmd), -EINVAL);
	assert_int_equal(server_command(&s, UBLK_U_IO_REGISTER_IO_BUF, cmd), -EOPNOTSUPP);
	server_fetch_all(&s);
	assert_int_equal(s.host.transport->ring_submit(&s.ring, 0), 2);
	cmd.addr = 4096;
	assert_int_equal(server_command(&s, UBLK_U_IO_FETCH_REQ, cmd), -EINVAL);
	assert_int_equal(server_command(&s, UBLK_U_IO_COMMIT_AND_FETCH_REQ, cmd), -EBUSY);
	server_close(&s);
	/* Closed before it was ready: the next server begins anew. */
	s.depth = SERVER_DEPTH;
	assert_int_equal(server_open(&s), 0);
	server_fetch_all(&s);
	assert_int_equal(s.host.transport->ring_submit(&s.ring, 0), SERVER_DEPTH);
	assert_int_equal(server_command(&s, UBLK_U_IO_FETCH_REQ, cmd), -EBUSY);
	assert_int_equal(call_id(UBLK_U_CMD_STOP_DEV, s.id, 0), 0);
	assert_int_equal(call_id(UBLK_U_CMD_START_DEV, s.id, (uint64_t)getpid()), -EBUSY);
	assert_int_equal(server_run(&s), 0);
	assert_int_equal(s.aborted, SERVER_DEPTH);
	assert_int_equal(server_command(&s, UBLK_U_IO_FETCH_REQ, cmd), -ENODEV);
	server_close(&s);
}

static void fetch_addresses(void **state)
{
	struct ublksrv_io_cmd cmd = {.addr = 4096};
	struct server s;

	(void)state;
	env_device(&s, UBLK_F_USER_COPY);
	assert_int_equal(server_open(&s), 0);
	assert_int_equal(server_command(&s, UBLK_U_IO_FETCH_REQ, cmd), -EINVAL);
	server_close(&s);
	env_device(&s, UBLK_F_NEED_GET_DATA);
	assert_int_equal(server_open(&s), 0);
	cmd.addr = 0;
	model_fail(MODEL_OP_RING_SUBMIT, EINTR, 1, 1);
	s.host.transport->ring_submit(&s.ring, 0);
	assert_int_equal(server_command(&s, UBLK_U_IO_FETCH_REQ, cmd), -EINTR);
	/* Not lost: the next submission takes it, and nothing comes back. */
	assert_int_equal(s.host.transport->ring_submit(&s.ring, 0), 1);
	assert_int_equal(io_uring_cq_ready(&s.ring), 0);
	server_close(&s);
}

static void *commit_elsewhere(void *arg)
{
	struct server other = *(struct server *)arg;
	static int result;

	result = other.host.transport->ring_init(&other.ring, 4, &other.fd, 1, 0);
	if (result == 0) {
		result = server_command(&other, UBLK_U_IO_COMMIT_AND_FETCH_REQ,
					(struct ublksrv_io_cmd){.addr = 4096});
		other.host.transport->ring_exit(&other.ring);
	}
	return &result;
}

/* A tag is the business of the thread that fetched it. */
static void commit_from_another_thread(void **state)
{
	struct server s;
	void *result;

	(void)state;
	env_device(&s, 0);
	assert_int_equal(server_open(&s), 0);
	server_fetch_all(&s);
	assert_int_equal(s.host.transport->ring_submit(&s.ring, 0), SERVER_DEPTH);
	assert_int_equal(pthread_create(&s.thread, NULL, commit_elsewhere, &s), 0);
	assert_int_equal(pthread_join(s.thread, &result), 0);
	assert_int_equal(*(int *)result, -EINVAL);
	server_close(&s);
}

static void fill(uint8_t *data, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(i * 31 + seed + (i >> 9));
}

static void round_trip(uint64_t flags)
{
	static uint8_t out[256 * 1024], in[256 * 1024];
	const int len = sizeof(out);
	struct server s;

	env_live(&s, flags);
	assert_int_equal(s.flags & (UBLK_F_NEED_GET_DATA | UBLK_F_USER_COPY), flags);
	fill(out, sizeof(out), 7);
	/* Larger than one request can be: split. */
	assert_int_equal(model_io(s.id, 0, UBLK_IO_OP_WRITE, 8, sizeof(out) >> 9, out, TIMEOUT_MS),
			 len);
	assert_memory_equal(s.disk + 4096, out, sizeof(out));
	assert_int_equal(model_io(s.id, 0, UBLK_IO_OP_READ, 8, sizeof(in) >> 9, in, TIMEOUT_MS),
			 len);
	assert_memory_equal(in, out, sizeof(out));
	assert_int_equal(s.served, 8);
	assert_int_equal(model_io(s.id, 0, UBLK_IO_OP_FLUSH, 0, 0, NULL, TIMEOUT_MS), 0);
	assert_int_equal(model_io(s.id, 0, UBLK_IO_OP_DISCARD, 0, 8, NULL, TIMEOUT_MS), 0);
	assert_int_equal(s.served, 10);
	/* No FUA: a write and a flush. */
	assert_int_equal(model_io(s.id, 0, UBLK_IO_OP_WRITE | UBLK_IO_F_FUA, 0, 1, out, TIMEOUT_MS),
			 512);
	assert_int_equal(s.served, 12);
	env_end(&s);
}

static void copy(void **state)
{
	(void)state;
	round_trip(0);
}

static void get_data(void **state)
{
	(void)state;
	round_trip(UBLK_F_NEED_GET_DATA);
}

static void user_copy(void **state)
{
	(void)state;
	round_trip(UBLK_F_USER_COPY);
}

static void client_errors(void **state)
{
	static uint8_t data[8192];
	struct server s;

	(void)state;
	env_live(&s, 0);
	assert_int_equal(model_io(9, 0, UBLK_IO_OP_READ, 0, 1, data, TIMEOUT_MS), -ENXIO);
	assert_int_equal(model_io(s.id, 1, UBLK_IO_OP_READ, 0, 1, data, TIMEOUT_MS), -EINVAL);
	assert_int_equal(model_io(s.id, 0, UBLK_IO_OP_READ, SERVER_SECTORS, 1, data, TIMEOUT_MS),
			 -EIO);
	assert_int_equal(model_io(s.id, 0, UBLK_IO_OP_WRITE_ZEROES, 0, 1, NULL, TIMEOUT_MS),
			 -EOPNOTSUPP);
	s.fail = ENOSPC;
	assert_int_equal(model_io(s.id, 0, UBLK_IO_OP_WRITE, 0, 1, data, TIMEOUT_MS), -ENOSPC);
	s.fail = EPERM;
	assert_int_equal(model_io(s.id, 0, UBLK_IO_OP_WRITE, 0, 1, data, TIMEOUT_MS), -EIO);
	s.fail = 0;
	s.read_max = 0;
	assert_int_equal(model_io(s.id, 0, UBLK_IO_OP_READ, 0, 1, data, TIMEOUT_MS), -EIO);
	env_end(&s);
}

static void short_transfers(void **state)
{
	static uint8_t out[8192], in[8192];
	const bool requeue = *state != NULL;
	struct server s;

	env_live(&s, 0);
	fill(out, sizeof(out), 3);
	s.write_max = 1024;
	assert_int_equal(model_io(s.id, 0, UBLK_IO_OP_WRITE, 0, 16, out, TIMEOUT_MS), 8192);
	assert_int_equal(s.served, requeue ? 8 : 1);
	assert_int_equal(memcmp(s.disk, out, 8192) == 0, requeue);
	memcpy(s.disk, out, 8192);
	s.served = 0;
	s.read_max = 1024;
	assert_int_equal(model_io(s.id, 0, UBLK_IO_OP_READ, 0, 16, in, TIMEOUT_MS), 8192);
	assert_int_equal(s.served, 8);
	assert_memory_equal(in, out, 8192);
	env_end(&s);
}

static void short_transfers_6_12(void **state)
{
	void *requeue = &state;

	short_transfers(&requeue);
}

/* Without the driver's copy a short READ is taken for a whole one: old memory shows. */
static void short_user_copy_read_leaks(void **state)
{
	static uint8_t in[8192];
	struct server s;

	(void)state;
	env_live(&s, UBLK_F_USER_COPY);
	s.read_max = 512;
	assert_int_equal(model_io(s.id, 0, UBLK_IO_OP_READ, 0, 16, in, TIMEOUT_MS), 8192);
	assert_int_equal(in[0], 0);
	assert_int_equal(in[512], 0xa5);
	env_end(&s);
}

static void planned_ring_failures(void **state)
{
	static uint8_t data[512];
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	struct server s;

	(void)state;
	env_device(&s, 0);
	model_fail(MODEL_OP_RING_INIT, ENOMEM, 0, 1);
	assert_int_equal(server_open(&s), -ENOMEM);
	assert_int_equal(model_rings(), 0);
	model_fail(UBLK_U_IO_FETCH_REQ, EIO, 2, 1);
	assert_int_equal(server_open(&s), 0);
	server_fetch_all(&s);
	assert_int_equal(s.host.transport->ring_submit(&s.ring, 1), SERVER_DEPTH);
	assert_int_equal(io_uring_peek_cqe(&s.ring, &cqe), 0);
	assert_int_equal(cqe->user_data, 2);
	assert_int_equal(cqe->res, -EIO);
	io_uring_cqe_seen(&s.ring, cqe);
	model_fail(MODEL_OP_SQE(IORING_OP_READ), EIO, 0, 1);
	sqe = io_uring_get_sqe(&s.ring);
	io_uring_prep_read(sqe, 0, data, sizeof(data), 0);
	sqe->flags = IOSQE_FIXED_FILE;
	assert_int_equal(s.host.transport->ring_submit(&s.ring, 1), 1);
	assert_int_equal(io_uring_peek_cqe(&s.ring, &cqe), 0);
	assert_int_equal(cqe->res, -EIO);
	io_uring_cqe_seen(&s.ring, cqe);
	server_close(&s);
	assert_int_equal(call_id(UBLK_U_CMD_DEL_DEV, s.id, 0), 0);
}

static int next_result(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int res;

	assert_int_equal(io_uring_peek_cqe(ring, &cqe), 0);
	res = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return res;
}

/* Plain I/O on fixed files, on a ring that serves no device. */
static void plain_io(void **state)
{
	char path[] = "/tmp/model-file-XXXXXX";
	char in[8] = "";
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int fds[2] = {-1, mkstemp(path)};

	(void)state;
	unlink(path);
	assert_int_equal(env_host.transport->ring_init(&ring, 8, fds, 2, 0), 0);
	close(fds[1]);
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_write(sqe, 1, "abcdefgh", 8, 4);
	sqe->rw_flags = RWF_DSYNC;
	sqe->flags = IOSQE_FIXED_FILE | IOSQE_IO_LINK;
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_fsync(sqe, 1, IORING_FSYNC_DATASYNC);
	sqe->flags = IOSQE_FIXED_FILE;
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_read(sqe, 1, in, 8, 8); /* 4 there are: the link breaks */
	sqe->flags = IOSQE_FIXED_FILE | IOSQE_IO_LINK;
	io_uring_prep_nop(io_uring_get_sqe(&ring));
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_fallocate(sqe, 1, 0, 0, 8192);
	sqe->flags = IOSQE_FIXED_FILE;
	io_uring_prep_read(io_uring_get_sqe(&ring), -1, in, 8, 0);
	assert_int_equal(io_uring_sq_space_left(&ring), 2);
	assert_int_equal(env_host.transport->ring_submit(&ring, 6), 6);
	assert_int_equal(io_uring_sq_space_left(&ring), 8);
	assert_int_equal(next_result(&ring), 8);
	assert_int_equal(next_result(&ring), 0);
	assert_int_equal(next_result(&ring), 4);
	assert_memory_equal(in, "efgh", 4);
	assert_int_equal(next_result(&ring), -ECANCELED);
	assert_int_equal(next_result(&ring), 0);
	assert_int_equal(next_result(&ring), -EBADF);
	env_host.transport->ring_exit(&ring);
}

static void generated(uint64_t flags, uint32_t op)
{
	struct server s;

	env_device(&s, flags);
	s.touch = false;
	model_feed(1000, op, 8);
	server_start(&s);
	assert_int_equal(call_id(UBLK_U_CMD_START_DEV, s.id, (uint64_t)getpid()), 0);
	server_join(&s);
	model_feed(0, 0, 0);
	assert_int_equal(s.served, 1000);
	assert_int_equal(s.aborted, SERVER_DEPTH);
	assert_int_equal(state_of(s.id), UBLK_S_DEV_DEAD);
	assert_int_equal(call_id(UBLK_U_CMD_DEL_DEV, s.id, 0), 0);
}

static void feed(void **state)
{
	(void)state;
	generated(0, UBLK_IO_OP_READ);
	generated(UBLK_F_NEED_GET_DATA, UBLK_IO_OP_WRITE);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, env_setup, env_teardown)

const struct CMUnitTest io_tests[] = {
	TEST(fetch_rules),
	TEST(fetch_addresses),
	TEST(commit_from_another_thread),
	TEST(copy),
	TEST(get_data),
	TEST(user_copy),
	TEST(client_errors),
	TEST(short_transfers),
	cmocka_unit_test_setup_teardown(short_transfers_6_12, env_setup_6_12, env_teardown),
	TEST(short_user_copy_read_leaks),
	TEST(planned_ring_failures),
	TEST(plain_io),
	TEST(feed),
};
const size_t nr_io_tests = sizeof(io_tests) / sizeof(io_tests[0]);
