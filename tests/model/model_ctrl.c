/* SPDX-License-Identifier: MIT */
/* The control device: who may do what, and how a command is called. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deadline.h"
#include "model_priv.h"

struct conn {
	int fd;
};

static const struct model_command *find_command(uint32_t op)
{
	for (size_t i = 0; i < nr_model_commands; i++)
		if (_IOC_NR(op) == _IOC_NR(model_commands[i].op) &&
		    (!model_commands[i].needs || model_has(model_commands[i].needs)))
			return &model_commands[i];
	return NULL;
}

/* The path of ublkcN before the payload: must be there, must be right, and is taken off. */
static int take_path(struct model_call *c)
{
	char path[MODEL_PATH + 1] = "";
	const uint16_t len = c->cmd.dev_path_len;
	struct stat st;

	if (len == 0 || len > MODEL_PATH || c->cmd.len < len)
		return -EINVAL;
	memcpy(path, (const void *)(uintptr_t)c->cmd.addr, len);
	if (stat(path, &st) < 0)
		return -errno;
	if (st.st_ino != c->dev->ino || st.st_dev != c->dev->st_dev)
		return -EPERM;
	/* The file's permissions, as udev sets them. */
	if (!model_proc_is_admin() && c->dev->info.owner_uid != model_proc_uid())
		return -EACCES;
	c->cmd.len = (uint16_t)(c->cmd.len - len);
	c->cmd.addr += len;
	return 0;
}

static int check_permission(struct model_call *c, uint32_t op)
{
	const bool unprivileged = c->dev->info.flags & UBLK_F_UNPRIVILEGED_DEV;
	const struct model_command *k = find_command(op);

	if (!unprivileged && !model_proc_is_admin())
		return -EPERM;
	if (!unprivileged && _IOC_NR(op) != _IOC_NR(UBLK_U_CMD_GET_DEV_INFO2))
		return 0;
	if (!k || k->blocked_unprivileged)
		return -EINVAL;
	return take_path(c);
}

/* The checks in the driver's order: opcode's type, device, permission, opcode. */
static int run(struct model_call *c, uint32_t op)
{
	const struct model_command *k = find_command(op);
	int ret;

	if (_IOC_TYPE(op) != 'u')
		return -EOPNOTSUPP;
	if (k && k->no_device)
		return k->run(c);
	c->dev = model_dev_find(c->cmd.dev_id);
	if (!c->dev)
		return -ENODEV;
	c->gen = c->dev->gen;
	ret = check_permission(c, op);
	if (ret < 0)
		return ret;
	if (!k || (k->needs_device && !(c->dev->info.flags & k->needs)))
		return -EOPNOTSUPP;
	if (k->takes_mutex)
		ret = model_call_wait(c, model_not_dying, c->deadline);
	return ret < 0 ? ret : k->run(c);
}

int model_ctrl_call(void *arg, uint32_t op, const struct ublksrv_ctrl_cmd *cmd, unsigned timeout_ms)
{
	struct model_call c = {.cmd = *cmd, .deadline = uc_deadline(timeout_ms)};
	int fault;
	int ret = -ETIMEDOUT;

	(void)arg;
	model_lock();
	model_settle();
	fault = model_take_fault(op);
	if (fault == 0 || fault == MODEL_NEVER_DONE)
		ret = run(&c, op);
	else if (fault != MODEL_NEVER)
		ret = -fault;
	model_settle();
	model_unlock();
	if (fault == MODEL_NEVER || (fault == MODEL_NEVER_DONE && ret >= 0)) {
		model_sleep_until(c.deadline);
		ret = -ETIMEDOUT;
	}
	return ret;
}

int model_ctrl_open(const struct uc_host *host, void **ret_conn)
{
	struct conn *conn = calloc(1, sizeof(*conn));
	char path[MODEL_PATH];
	int ret;

	if (!conn)
		return -ENOMEM;
	snprintf(path, sizeof(path), "%s/ublk-control", host->dev_dir);
	conn->fd = open(path, O_RDWR | O_CLOEXEC);
	if (conn->fd < 0) {
		ret = -errno;
		free(conn);
		return ret;
	}
	model_open_dirs();
	model_lock();
	model_proc_enter();
	model_settle();
	ret = -model_take_fault(MODEL_OP_CTRL_OPEN);
	if (ret == 0)
		model_state->connections++;
	model_unlock();
	if (ret < 0) {
		close(conn->fd);
		free(conn);
		return ret;
	}
	*ret_conn = conn;
	return 0;
}

void model_ctrl_close(void *arg)
{
	struct conn *conn = arg;

	if (!conn)
		return;
	model_lock();
	model_state->connections--;
	model_unlock();
	close(conn->fd);
	free(conn);
}

unsigned model_connections(void)
{
	unsigned count;

	model_lock();
	count = model_state->connections;
	model_unlock();
	return count;
}
