/* SPDX-License-Identifier: MIT */
#include "selftest_env.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct uc_host env_host;
void *env_conn;

static int setup(const struct model_config *cfg)
{
	const char *tmp = getenv("TMPDIR");
	char root[256];

	snprintf(root, sizeof(root), "%s/model-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(root) || model_create(root, cfg) < 0)
		return -1;
	env_host = model_host(TIMEOUT_MS);
	return env_host.transport->ctrl_open(&env_host, &env_conn);
}

int env_setup(void **state)
{
	(void)state;
	return setup(NULL);
}

int env_setup_6_12(void **state)
{
	const struct model_config cfg = model_config_6_12();

	(void)state;
	return setup(&cfg);
}

int env_setup_unprivileged(void **state)
{
	struct model_config cfg = model_config_newest();

	(void)state;
	cfg.unprivileged = true;
	cfg.ublks_max = 1;
	return setup(&cfg);
}

int env_teardown(void **state)
{
	bool leaks;

	(void)state;
	env_host.transport->ctrl_close(env_conn);
	leaks = model_connections() || model_rings() || model_requests();
	/* In any case, so that servers of a failed test end. */
	model_destroy();
	return leaks ? -1 : 0;
}

int call(uint32_t op, const struct ublksrv_ctrl_cmd *cmd)
{
	return env_host.transport->ctrl_call(env_conn, op, cmd, TIMEOUT_MS);
}

int call_timed(uint32_t op, uint32_t id, uint64_t data, unsigned timeout_ms)
{
	const struct ublksrv_ctrl_cmd cmd = {.dev_id = id, .queue_id = UINT16_MAX, .data = {data}};

	return env_host.transport->ctrl_call(env_conn, op, &cmd, timeout_ms);
}

int call_id(uint32_t op, uint32_t id, uint64_t data)
{
	return call_timed(op, id, data, TIMEOUT_MS);
}

struct ublksrv_ctrl_dev_info env_wish(uint64_t flags)
{
	return (struct ublksrv_ctrl_dev_info){
		.nr_hw_queues = 1,
		.queue_depth = SERVER_DEPTH,
		.max_io_buf_bytes = SERVER_BUF,
		.dev_id = UINT32_MAX,
		.flags = flags,
	};
}

int add(struct ublksrv_ctrl_dev_info *info)
{
	const struct ublksrv_ctrl_cmd cmd = {
		.dev_id = info->dev_id,
		.queue_id = UINT16_MAX,
		.len = sizeof(*info),
		.addr = (uint64_t)(uintptr_t)info,
	};

	return call(UBLK_U_CMD_ADD_DEV, &cmd);
}

struct ublk_params env_params(void)
{
	return (struct ublk_params){
		.len = sizeof(struct ublk_params),
		.types = UBLK_PARAM_TYPE_BASIC | UBLK_PARAM_TYPE_DISCARD,
		.basic =
			{
				.attrs = UBLK_ATTR_VOLATILE_CACHE,
				.logical_bs_shift = 9,
				.physical_bs_shift = 12,
				.io_min_shift = 9,
				.max_sectors = SERVER_BUF >> 9,
				.dev_sectors = SERVER_SECTORS,
			},
		.discard =
			{
				.discard_granularity = 512,
				.max_discard_sectors = SERVER_SECTORS,
				.max_discard_segments = 1,
			},
	};
}

int set_params(uint32_t id, const struct ublk_params *params)
{
	const struct ublksrv_ctrl_cmd cmd = {
		.dev_id = id,
		.queue_id = UINT16_MAX,
		.len = sizeof(*params),
		.addr = (uint64_t)(uintptr_t)params,
	};

	return call(UBLK_U_CMD_SET_PARAMS, &cmd);
}

int get_info(uint32_t id, struct ublksrv_ctrl_dev_info *ret_info)
{
	const struct ublksrv_ctrl_cmd cmd = {
		.dev_id = id,
		.queue_id = UINT16_MAX,
		.len = sizeof(*ret_info),
		.addr = (uint64_t)(uintptr_t)ret_info,
	};

	return call(UBLK_U_CMD_GET_DEV_INFO, &cmd);
}

int state_of(uint32_t id)
{
	struct ublksrv_ctrl_dev_info info;
	const int ret = get_info(id, &info);

	return ret < 0 ? ret : info.state;
}

bool exists(const char *fmt, ...)
{
	char path[4096];
	size_t used = (size_t)snprintf(path, sizeof(path), "%s/../", env_host.dev_dir);
	va_list args;

	va_start(args, fmt);
	vsnprintf(path + used, sizeof(path) - used, fmt, args);
	va_end(args);
	return access(path, F_OK) == 0;
}

void env_device(struct server *s, uint64_t flags)
{
	struct ublksrv_ctrl_dev_info info = env_wish(flags);
	const struct ublk_params params = env_params();

	assert_int_equal(add(&info), 0);
	assert_int_equal(set_params(info.dev_id, &params), 0);
	*s = (struct server){
		.host = env_host,
		.id = info.dev_id,
		.depth = info.queue_depth,
		.flags = info.flags,
		.read_max = -1,
		.write_max = -1,
		.touch = true,
		.disk = mmap(NULL, SERVER_SECTORS << 9, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0),
	};
	assert_ptr_not_equal(s->disk, MAP_FAILED);
}

void env_live(struct server *s, uint64_t flags)
{
	env_device(s, flags);
	server_start(s);
	assert_int_equal(call_id(UBLK_U_CMD_START_DEV, s->id, (uint64_t)getpid()), 0);
}

void env_end(struct server *s)
{
	assert_int_equal(call_id(UBLK_U_CMD_STOP_DEV, s->id, 0), 0);
	server_join(s);
	assert_int_equal(call_id(UBLK_U_CMD_DEL_DEV, s->id, 0), 0);
	munmap(s->disk, SERVER_SECTORS << 9);
}
