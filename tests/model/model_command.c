/* SPDX-License-Identifier: MIT */
/* What each control command does. With the lock, but for waits. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "deadline.h"
#include "model_priv.h"

#define POLL_MS 5

static void *payload(const struct model_call *c)
{
	return (void *)(uintptr_t)c->cmd.addr;
}

int model_call_wait(struct model_call *c, bool (*done)(const struct model_dev *), uint64_t deadline)
{
	for (;;) {
		model_settle();
		if (c->dev->gen != c->gen)
			return -ENODEV;
		if (done(c->dev))
			return 0;
		if (!uc_left_ms(deadline) || model_gone())
			return -ETIMEDOUT;
		model_pause(deadline, POLL_MS);
	}
}

bool model_not_dying(const struct model_dev *dev)
{
	return !dev->dying;
}

static bool ready_or_stopping(const struct model_dev *dev)
{
	return model_dev_ready(dev) || dev->stopping;
}

static bool is_deleted(const struct model_dev *dev)
{
	return dev->deleted;
}

static bool never(const struct model_dev *dev)
{
	(void)dev;
	return false;
}

static bool each_queue_idle(const struct model_dev *dev)
{
	for (unsigned q = 0; q < dev->info.nr_hw_queues; q++) {
		unsigned t = 0;

		while (t < dev->info.queue_depth &&
		       !(dev->queues[q].tags[t].flags & MODEL_TAG_ACTIVE))
			t++;
		if (t == dev->info.queue_depth)
			return false;
	}
	return true;
}

static int get_features(struct model_call *c)
{
	if (c->cmd.len != UBLK_FEATURES_LEN || !c->cmd.addr)
		return -EINVAL;
	const uint64_t named = model_state->cfg.features | model_state->cfg.ungranted;

	memcpy(payload(c), &named, UBLK_FEATURES_LEN);
	return 0;
}

static int add_dev(struct model_call *c)
{
	return model_add_dev(&c->cmd);
}

static int get_dev_info(struct model_call *c)
{
	struct ublksrv_ctrl_dev_info info = c->dev->info;
	char pid[16];

	if (c->cmd.len < sizeof(info) || !c->cmd.addr)
		return -EINVAL;
	snprintf(pid, sizeof(pid), "%d", info.ublksrv_pid);
	if (info.ublksrv_pid > 0 && faccessat(model_proc_fd(), pid, F_OK, 0) < 0)
		info.ublksrv_pid = -1;
	memcpy(payload(c), &info, sizeof(info));
	return 0;
}

static int set_params(struct model_call *c)
{
	return model_params_set(c->dev, c->cmd.addr, c->cmd.len);
}

static int get_params(struct model_call *c)
{
	return model_params_get(c->dev, c->cmd.addr, c->cmd.len);
}

/* What START_DEV and END_USER_RECOVERY wait for, and then ask of the caller's pid. */
static int await_server(struct model_call *c)
{
	int ret = model_call_wait(c, ready_or_stopping, c->deadline);

	if (ret < 0)
		return ret;
	return c->dev->tgid == (int32_t)c->cmd.data[0] ? 0 : -EINVAL;
}

static int start_dev(struct model_call *c)
{
	struct model_dev *dev = c->dev;
	int ret;

	if ((int32_t)c->cmd.data[0] <= 0 || !(dev->params.types & UBLK_PARAM_TYPE_BASIC))
		return -EINVAL;
	ret = await_server(c);
	if (ret < 0)
		return ret;
	if (model_dev_used(dev))
		return -EEXIST;
	if (dev->stopping)
		return -EBUSY;
	/* A process killed amid this may have left some. */
	model_node_remove_block(dev);
	ret = model_node_add_block(dev);
	if (ret < 0) {
		model_node_remove_block(dev);
		return ret;
	}
	dev->disk = true;
	dev->used = true;
	dev->info.state = UBLK_S_DEV_LIVE;
	dev->info.ublksrv_pid = dev->tgid;
	model_kick();
	return 0;
}

static int stop_dev(struct model_call *c)
{
	model_dev_stop(c->dev);
	return model_call_wait(c, model_not_dying, c->deadline);
}

static int try_stop_dev(struct model_call *c)
{
	if (!c->dev->disk)
		return -ENODEV;
	if (c->dev->openers > 0 || model_node_is_held(c->dev))
		return -EBUSY;
	c->dev->closed = true;
	return stop_dev(c);
}

static int remove_dev(struct model_call *c, bool (*done)(const struct model_dev *))
{
	int ret;

	if (!c->dev->deleting) {
		c->dev->deleting = true;
		model_dev_stop(c->dev);
	}
	ret = model_call_wait(c, done, c->deadline);
	/* Gone is what was wanted. */
	return ret == -ENODEV ? 0 : ret;
}

static int del_dev(struct model_call *c)
{
	return remove_dev(c, never);
}

static int del_dev_async(struct model_call *c)
{
	return remove_dev(c, is_deleted);
}

static int get_queue_affinity(struct model_call *c)
{
	const unsigned cpus = model_state->cfg.nr_cpu_ids;
	const unsigned queues = c->dev->info.nr_hw_queues;
	uint8_t *mask = payload(c);

	if ((unsigned)c->cmd.len * 8 < cpus || c->cmd.len % sizeof(long) || !mask ||
	    c->cmd.data[0] >= queues)
		return -EINVAL;
	memset(mask, 0, c->cmd.len);
	for (unsigned cpu = 0; cpu < cpus; cpu++)
		if (cpu * queues / cpus == c->cmd.data[0])
			mask[cpu / 8] = (uint8_t)(mask[cpu / 8] | 1U << cpu % 8);
	return 0;
}

static int start_user_recovery(struct model_call *c)
{
	const uint16_t state = c->dev->info.state;

	if (!model_dev_recoverable(c->dev))
		return -EINVAL;
	if (model_dev_held(c->dev) || (state != UBLK_S_DEV_QUIESCED && state != UBLK_S_DEV_FAIL_IO))
		return -EBUSY;
	return 0;
}

static int end_user_recovery(struct model_call *c)
{
	struct model_dev *dev = c->dev;
	int ret = await_server(c);

	if (ret < 0)
		return ret;
	if (!model_dev_recoverable(dev))
		return -EINVAL;
	if (dev->info.state != UBLK_S_DEV_QUIESCED && dev->info.state != UBLK_S_DEV_FAIL_IO)
		return -EBUSY;
	dev->info.ublksrv_pid = dev->tgid;
	dev->info.state = UBLK_S_DEV_LIVE;
	model_kick();
	return 0;
}

static int update_size(struct model_call *c)
{
	if (!c->dev->disk)
		return -ENODEV;
	c->dev->params.basic.dev_sectors = c->cmd.data[0];
	return model_node_resize(c->dev);
}

static int quiesce_dev(struct model_call *c)
{
	const uint64_t ms = c->cmd.data[0];
	const uint64_t own = ms && ms < UINT32_MAX ? uc_deadline((unsigned)ms) : UINT64_MAX;
	int ret;

	if (!(c->dev->info.flags & UBLK_F_QUIESCE))
		return -EOPNOTSUPP;
	if (!c->dev->disk)
		return -ENODEV;
	if (c->dev->info.state == UBLK_S_DEV_LIVE) {
		c->dev->canceling = true;
		ret = model_call_wait(c, each_queue_idle, own < c->deadline ? own : c->deadline);
		if (ret < 0)
			return ret == -ETIMEDOUT && own < c->deadline ? -EBUSY : ret;
	}
	model_dev_cancel(c->dev);
	return 0;
}

static int reg_buf(struct model_call *c)
{
	struct ublk_shmem_buf_reg reg = {0};
	size_t len = c->cmd.len < sizeof(reg) ? c->cmd.len : sizeof(reg);
	int index;

	memcpy(&reg, payload(c), len);
	if ((reg.flags & ~UBLK_SHMEM_BUF_READ_ONLY) || reg.reserved || !reg.len ||
	    reg.len > 1ULL << 32 || reg.len % MODEL_PAGE || reg.addr % MODEL_PAGE)
		return -EINVAL;
	if (c->dev->bufs == UINT64_MAX)
		return -ENOSPC;
	index = __builtin_ctzll(~c->dev->bufs);
	c->dev->bufs |= 1ULL << index;
	return index;
}

static int unreg_buf(struct model_call *c)
{
	const int32_t index = (int32_t)c->cmd.data[0];

	if (index < 0 || index > UINT16_MAX)
		return -EINVAL;
	if (index >= 64 || !(c->dev->bufs & 1ULL << index))
		return -ENOENT;
	c->dev->bufs &= ~(1ULL << index);
	return 0;
}

const struct model_command model_commands[] = {
	{.op = UBLK_U_CMD_GET_FEATURES, .no_device = true, .run = get_features},
	{.op = UBLK_U_CMD_ADD_DEV, .no_device = true, .run = add_dev},
	{.op = UBLK_U_CMD_GET_DEV_INFO, .run = get_dev_info},
	{.op = UBLK_U_CMD_GET_DEV_INFO2, .run = get_dev_info},
	{.op = UBLK_U_CMD_GET_QUEUE_AFFINITY, .run = get_queue_affinity},
	{.op = UBLK_U_CMD_SET_PARAMS, .takes_mutex = true, .run = set_params},
	{.op = UBLK_U_CMD_GET_PARAMS, .takes_mutex = true, .run = get_params},
	{.op = UBLK_U_CMD_START_DEV, .run = start_dev},
	{.op = UBLK_U_CMD_STOP_DEV, .takes_mutex = true, .run = stop_dev},
	{.op = UBLK_U_CMD_TRY_STOP_DEV,
	 .needs = UBLK_F_SAFE_STOP_DEV,
	 .takes_mutex = true,
	 .run = try_stop_dev},
	{.op = UBLK_U_CMD_DEL_DEV, .run = del_dev},
	{.op = UBLK_U_CMD_DEL_DEV_ASYNC, .blocked_unprivileged = true, .run = del_dev_async},
	{.op = UBLK_U_CMD_START_USER_RECOVERY, .takes_mutex = true, .run = start_user_recovery},
	{.op = UBLK_U_CMD_END_USER_RECOVERY, .run = end_user_recovery},
	{.op = UBLK_U_CMD_UPDATE_SIZE,
	 .needs = UBLK_F_UPDATE_SIZE,
	 .takes_mutex = true,
	 .run = update_size},
	{.op = UBLK_U_CMD_QUIESCE_DEV,
	 .needs = UBLK_F_QUIESCE,
	 .takes_mutex = true,
	 .run = quiesce_dev},
	{.op = UBLK_U_CMD_REG_BUF,
	 .needs = UBLK_F_SHMEM_ZC,
	 .takes_mutex = true,
	 .needs_device = true,
	 .run = reg_buf},
	{.op = UBLK_U_CMD_UNREG_BUF,
	 .needs = UBLK_F_SHMEM_ZC,
	 .takes_mutex = true,
	 .needs_device = true,
	 .run = unreg_buf},
};
const size_t nr_model_commands = sizeof(model_commands) / sizeof(model_commands[0]);
