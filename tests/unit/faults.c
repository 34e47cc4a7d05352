/* SPDX-License-Identifier: MIT */
/* Every control command of add and del fails in every way: the right code, and nothing left. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "lifecycle.h"
#include "model.h"
#include "targets.h"
#include "unit.h"

/* Only what never answers is waited for that long. */
#define SHORT_MS 300
#define LONG_MS  10000

static char root[] = "/tmp/ublkctl-faults-XXXXXX";
static struct uc_host host;
static const struct uc_target_type *type;

/* What each failure is to be called; the rows further down are the exceptions. */
static const struct {
	int errnum;
	enum uc_code code;
} meanings[] = {
	{EPERM, UC_PERMISSION},
	{EACCES, UC_PERMISSION},
	{ENOMEM, UC_FAILED},
	{EBUSY, UC_BUSY},
	{EINVAL, UC_FAILED},
	{ENODEV, UC_NO_DEVICE},
	{ENOSPC, UC_FAILED},
	{EOPNOTSUPP, UC_UNSUPPORTED},
	{EINTR, UC_OK},
	{MODEL_NEVER, UC_TIMEOUT},
	{MODEL_NEVER_DONE, UC_TIMEOUT},
};

static const struct {
	uint32_t op;
	int errnum;
	enum uc_code code;
} exceptions[] = {
	{UBLK_U_CMD_SET_PARAMS, EACCES, UC_FAILED}, /* means "already started" */
	{UBLK_U_CMD_TRY_STOP_DEV, ENODEV, UC_OK},   /* it has no disk any more: good */
	{UBLK_U_CMD_TRY_STOP_DEV, EBUSY, UC_OK},    /* who had it open has gone by then */
	/* Taken for the handler having been quicker; but then the node is still there. */
	{UBLK_U_CMD_DEL_DEV, ENODEV, UC_TIMEOUT},
};

static enum uc_code expected(uint32_t op, size_t i)
{
	for (size_t e = 0; e < sizeof(exceptions) / sizeof(exceptions[0]); e++)
		if (exceptions[e].op == op && exceptions[e].errnum == meanings[i].errnum)
			return exceptions[e].code;
	return meanings[i].code;
}

/* Plans the failure, and waits for it no longer than need be. */
static void plan(uint32_t op, size_t i)
{
	const int errnum = meanings[i].errnum;

	host.timeout_ms = expected(op, i) == UC_TIMEOUT ? SHORT_MS : LONG_MS;
	assert_int_equal(model_fail(op, errnum, 0, 1), 0);
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(root) || model_create(root, NULL) < 0)
		return -1;
	host = model_host(LONG_MS);
	type = uc_target_find("null");
	return type ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	model_destroy();
	return 0;
}

/* Of a directory; locks stay. */
static unsigned entries(const char *path)
{
	uc_auto_dir DIR *dir = opendir(path);
	const struct dirent *entry;
	unsigned count = 0;

	while (dir && (entry = readdir(dir)))
		count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
			 strncmp(entry->d_name, ".lock", 5) != 0;
	return count;
}

/* Handlers are children of the test here; what has ended is collected. */
static void reap_all(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static void assert_nothing_left(const char *what)
{
	/* A killed handler's rings go with it, which takes the model a moment. */
	for (int i = 0; i < 200 && (model_devices() || model_rings()); i++) {
		reap_all();
		model_run();
		usleep(10000);
	}
	if (model_devices() || model_rings() || entries(host.run_dir))
		fail_msg("%s: left: %u devices, %u rings, %u records", what, model_devices(),
			 model_rings(), entries(host.run_dir));
	reap_all();
}

static int add(struct uc_ref *ret_ref, struct uc_error *err)
{
	const struct uc_spec spec = {
		.id = UC_ID_ANY, .queues = 2, .threads = 1, .depth = 4, .max_io_size = 64 * 1024};
	void *config = calloc(1, type->config_size);
	struct uc_target *target = NULL;
	struct uc_locks locks = UC_LOCKS_NONE;
	struct uc_added added = {0};
	int ret;

	assert_non_null(config);
	assert_int_equal(type->open(config, &spec, &target, err), 0);
	ret = uc_add(&host, &spec, target, &locks, &added, err);
	target->ops->close(target);
	free(config);
	*ret_ref = (struct uc_ref){added.info.dev_id, true, added.info.ublksrv_flags};
	return ret;
}

static void check_outcome(uint32_t op, size_t i, int ret, const struct uc_error *err)
{
	const enum uc_code want = expected(op, i);

	if (want == UC_OK) {
		if (ret < 0)
			fail_msg("op %x, errno %d: %s", op, meanings[i].errnum, err->text);
		return;
	}
	if (ret >= 0)
		fail_msg("op %x, errno %d: no failure", op, meanings[i].errnum);
	if ((enum uc_code)err->code != want || strchr(err->text, '\n') || !err->text[0])
		fail_msg("op %x, errno %d: code %d, not %d: '%s'", op, meanings[i].errnum,
			 err->code, (int)want, err->text);
}

/* `op` fails during add. */
static void sweep_add(uint32_t op)
{
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
		struct uc_error err = {0};
		struct uc_ref ref;
		int ret;

		plan(op, i);
		ret = add(&ref, &err);
		model_fail_clear();
		host.timeout_ms = LONG_MS;
		check_outcome(op, i, ret, &err);
		if (ret >= 0 && uc_del(&host, &ref, false, &err) < 0)
			fail_msg("%s", err.text);
		assert_nothing_left("add");
	}
}

/* `op` fails during del: then the device is gone, or a second del removes it. */
static void sweep_del(uint32_t op)
{
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
		struct uc_error err = {0};
		struct uc_error again = {0};
		struct uc_ref ref;
		int ret;

		if (add(&ref, &err) < 0)
			fail_msg("%s", err.text);
		plan(op, i);
		ret = uc_del(&host, &ref, false, &err);
		model_fail_clear();
		host.timeout_ms = LONG_MS;
		check_outcome(op, i, ret, &err);
		if (uc_del(&host, &ref, false, &again) < 0 && again.code != UC_NO_DEVICE)
			fail_msg("op %x, errno %d: the second del: %s", op, meanings[i].errnum,
				 again.text);
		assert_nothing_left("del");
	}
}

static void test_add_dev(void **state)
{
	(void)state;
	sweep_add(UBLK_U_CMD_ADD_DEV);
}

static void test_set_params(void **state)
{
	(void)state;
	sweep_add(UBLK_U_CMD_SET_PARAMS);
}

static void test_affinity(void **state)
{
	(void)state;
	sweep_add(UBLK_U_CMD_GET_QUEUE_AFFINITY);
}

static void test_start(void **state)
{
	(void)state;
	sweep_add(UBLK_U_CMD_START_DEV);
}

static void test_try_stop(void **state)
{
	(void)state;
	sweep_del(UBLK_U_CMD_TRY_STOP_DEV);
}

static void test_del(void **state)
{
	(void)state;
	sweep_del(UBLK_U_CMD_DEL_DEV);
}

/* The way back fails as well: the parent does it again. */
static void test_undo(void **state)
{
	static const uint32_t undo[] = {UBLK_U_CMD_STOP_DEV, UBLK_U_CMD_DEL_DEV};

	(void)state;
	for (size_t u = 0; u < sizeof(undo) / sizeof(undo[0]); u++) {
		for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
			struct uc_error err = {0};
			struct uc_ref ref;

			model_fail(UBLK_U_CMD_START_DEV, EINVAL, 0, 1);
			plan(undo[u], i);
			/* A server that cannot be stopped is waited for. */
			host.timeout_ms = 2 * SHORT_MS;
			assert_true(add(&ref, &err) < 0);
			model_fail_clear();
			assert_nothing_left("undo");
		}
	}
}

/* The data side: a ring that cannot be made, a FETCH that is refused, in any place. */
static void test_queues(void **state)
{
	(void)state;
	for (uint32_t skip = 0; skip < 8; skip++) {
		struct uc_error err = {0};
		struct uc_ref ref;

		model_fail(UBLK_U_IO_FETCH_REQ, EINVAL, skip, 1);
		assert_true(add(&ref, &err) < 0);
		assert_non_null(strstr(err.text, "FETCH"));
		model_fail_clear();
		assert_nothing_left("fetch");
	}
	for (uint32_t skip = 0; skip < 2; skip++) {
		struct uc_error err = {0};
		struct uc_ref ref;

		model_fail(MODEL_OP_RING_INIT, ENOMEM, skip, 1);
		assert_true(add(&ref, &err) < 0);
		model_fail_clear();
		assert_nothing_left("ring");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add_dev),  cmocka_unit_test(test_set_params),
		cmocka_unit_test(test_affinity), cmocka_unit_test(test_start),
		cmocka_unit_test(test_try_stop), cmocka_unit_test(test_del),
		cmocka_unit_test(test_undo),     cmocka_unit_test(test_queues),
	};

	return cmocka_run_group_tests_name("faults", tests, set_up, tear_down);
}
