/* SPDX-License-Identifier: MIT */
#include "ctrl.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cause.h"
#include "cleanup.h"
#include "deadline.h"
#include "device.h"

/* Longer than any path that the driver accepts for GET_DEV_INFO2 (PATH_MAX is refused). */
#define PATH_ROOM 256

/* How long one client waits for nodes in all, and how often it looks. */
#define NODE_MS      500U
#define NODE_LOOK_MS 10U

/*
 * What a command reads or writes. It lives as long as the client and never on a stack: a command
 * that ran out of time may still write here when the kernel gets to it.
 */
union payload {
	struct ublksrv_ctrl_dev_info info;
	struct ublk_params params;
	struct uc_cpus cpus;
	struct ublk_shmem_buf_reg reg;
	uint64_t features;
};

struct uc_ctrl {
	const struct uc_host *host;
	void *conn;
	bool stuck;              /* a command never answered: nothing of this may be freed */
	uint32_t known_id;       /* the device last heard of ... */
	bool known_unprivileged; /* ... and whose it is */
	unsigned patience_ms;    /* that is left for nodes which are to come, or about to go */
	/* Of ublkcN: it ends where the payload begins. */
	_Alignas(union payload) char path[PATH_ROOM];
	union payload payload;
};
_Static_assert(offsetof(struct uc_ctrl, payload) == offsetof(struct uc_ctrl, path) + PATH_ROOM,
	       "the driver wants the path and the payload in one piece");

/* One row per command: its name in messages, and what its special answers mean. */
struct command {
	uint32_t op;
	bool asks; /* and changes nothing */
	const char *name;
	struct {
		int errnum;
		enum uc_code code;
		const char *text;
	} meaning[5];
};

static const struct command get_features = {
	.op = UBLK_U_CMD_GET_FEATURES,
	.asks = true,
	.name = "GET_FEATURES",
	.meaning = {{EOPNOTSUPP, UC_UNSUPPORTED,
		     "the driver is older than Linux 6.5; update the kernel"}},
};
static const struct command add_dev = {
	.op = UBLK_U_CMD_ADD_DEV,
	.name = "ADD_DEV",
	.meaning = {{EEXIST, UC_DIFFERS, "the id is taken; choose another or leave out -n"},
		    {EINVAL, UC_FAILED,
		     "the driver refused this mix of queues, depth and features"},
		    {ENOSPC, UC_FAILED, "no device id is free; delete unused devices"}},
};
static const struct command get_dev_info = {
	.op = UBLK_U_CMD_GET_DEV_INFO, .asks = true, .name = "GET_DEV_INFO"};
static const struct command get_dev_info2 = {
	.op = UBLK_U_CMD_GET_DEV_INFO2,
	.asks = true,
	.name = "GET_DEV_INFO2",
	.meaning = {{ENOENT, UC_FAILED, "its ublkcN is not in this /dev"}},
};
static const struct command set_params = {
	.op = UBLK_U_CMD_SET_PARAMS,
	.name = "SET_PARAMS",
	.meaning = {{EACCES, UC_FAILED, "the device is already started"},
		    {EINVAL, UC_FAILED, "the driver refused the block sizes or limits"}},
};
static const struct command get_params = {
	.op = UBLK_U_CMD_GET_PARAMS, .asks = true, .name = "GET_PARAMS"};
static const struct command start_dev = {
	.op = UBLK_U_CMD_START_DEV,
	.name = "START_DEV",
	.meaning = {{EEXIST, UC_FAILED, "the device is already started"}},
};
static const struct command stop_dev = {.op = UBLK_U_CMD_STOP_DEV, .name = "STOP_DEV"};
static const struct command try_stop_dev = {
	.op = UBLK_U_CMD_TRY_STOP_DEV,
	.name = "TRY_STOP_DEV",
	.meaning = {{EBUSY, UC_BUSY, "the block device is open; close it, or use --force"}},
};
static const struct command del_dev = {.op = UBLK_U_CMD_DEL_DEV, .name = "DEL_DEV"};
static const struct command del_dev_async = {.op = UBLK_U_CMD_DEL_DEV_ASYNC,
					     .name = "DEL_DEV_ASYNC"};
static const struct command get_queue_affinity = {
	.op = UBLK_U_CMD_GET_QUEUE_AFFINITY, .asks = true, .name = "GET_QUEUE_AFFINITY"};
static const struct command start_user_recovery = {
	.op = UBLK_U_CMD_START_USER_RECOVERY,
	.name = "START_USER_RECOVERY",
	.meaning = {{EBUSY, UC_BUSY, "the old server's files are not released yet"}},
};
static const struct command end_user_recovery = {.op = UBLK_U_CMD_END_USER_RECOVERY,
						 .name = "END_USER_RECOVERY"};
static const struct command update_size = {.op = UBLK_U_CMD_UPDATE_SIZE, .name = "UPDATE_SIZE"};
static const struct command quiesce_dev = {.op = UBLK_U_CMD_QUIESCE_DEV, .name = "QUIESCE_DEV"};
static const struct command reg_buf = {.op = UBLK_U_CMD_REG_BUF, .name = "REG_BUF"};
static const struct command unreg_buf = {.op = UBLK_U_CMD_UNREG_BUF, .name = "UNREG_BUF"};

static size_t count_devices(const struct uc_host *host)
{
	/* Those of other users, too. */
	const struct uc_host whole = {.sys_dir = host->sys_dir, .dev_dir = host->dev_dir};
	uc_auto_free uint32_t *ids = NULL;
	size_t count = 0;

	(void)uc_device_ids(&whole, &ids, &count, NULL);
	return count;
}

/* What is not about the command, but about the machine. */
static int explain_refusal(const struct command *k, const struct uc_host *host, const char *device,
			   int errnum, struct uc_error *err)
{
	struct uc_cause cause;
	char what[64];

	snprintf(what, sizeof(what), "%s%s", k->name, device);
	if (k->op != UBLK_U_CMD_ADD_DEV || errnum != EACCES ||
	    !uc_cause_ublks_max(host, count_devices(host), &cause))
		uc_cause_refused(host, errnum, what, &cause);
	return uc_fail_cause(err, &cause);
}

static int explain_stuck(const struct uc_ctrl *ctrl, const struct command *k, const char *device,
			 struct uc_error *err)
{
	const struct uc_host *host = ctrl->host;
	const char *where =
		host->transport->ctrl_where ? host->transport->ctrl_where(ctrl->conn) : "";

	return uc_fail(err, UC_TIMEOUT, ETIMEDOUT,
		       "the driver did not answer %s%s within %u ms%s%s; see dmesg, then try again "
		       "with a longer --timeout",
		       k->name, device, host->timeout_ms, *where ? ", it is " : "", where);
}

static int explain(const struct uc_ctrl *ctrl, const struct command *k, uint32_t id, int errnum,
		   struct uc_error *err)
{
	const struct uc_host *host = ctrl->host;
	char device[32] = "";

	if (id != UC_ID_ANY)
		snprintf(device, sizeof(device), " for device %u", id);
	if (errnum == ETIMEDOUT)
		return explain_stuck(ctrl, k, device, err);
	for (size_t i = 0; i < sizeof(k->meaning) / sizeof(k->meaning[0]); i++)
		if (k->meaning[i].errnum == errnum)
			return uc_fail(err, k->meaning[i].code, errnum, "%s%s: %s (%s)", k->name,
				       device, k->meaning[i].text, uc_errno_text(errnum));
	if (errnum == ENODEV && id != UC_ID_ANY)
		return uc_fail(err, UC_NO_DEVICE, errnum,
			       "device %u does not exist; 'ublkctl list' shows those that do", id);
	/* By the owner of ublkcN: see ublk_ctrl_uring_cmd_permission(). */
	if (host->unprivileged && id != UC_ID_ANY && (errnum == EACCES || errnum == EPERM))
		return uc_fail(
			err, UC_PERMISSION, errnum,
			"device %u belongs to another user; run as that user, or as root (%s)", id,
			uc_errno_text(errnum));
	if (errnum == EOPNOTSUPP)
		return uc_fail(err, UC_UNSUPPORTED, errnum,
			       "this kernel's driver does not have %s; a newer kernel may",
			       k->name);
	if (errnum == EPERM || errnum == EACCES || errnum == EBUSY)
		return explain_refusal(k, host, device, errnum, err);
	return uc_fail_errno(err, errnum, "the driver refused %s%s", k->name, device);
}

/* Issues one command. Returns the driver's non-negative result or a negative errno. */
static int call(struct uc_ctrl *ctrl, const struct command *k, const struct ublksrv_ctrl_cmd *cmd,
		struct uc_error *err)
{
	const uint64_t deadline = uc_host_deadline(ctrl->host);
	int res = -ETIMEDOUT;
	unsigned left;

	/* Whoever comes here has missed a check; better nothing is done than something. */
	if (ctrl->host->dry_run && !k->asks)
		return uc_fail(err, UC_FAILED, EROFS, "%s is not for a dry run", k->name);
	while (!ctrl->stuck && (left = uc_left_ms(deadline)) > 0) {
		res = ctrl->host->transport->ctrl_call(ctrl->conn, k->op, cmd, left);
		if (res != -EINTR)
			break;
		/* A signal met the command; it had no effect and is worth another try. */
		res = -ETIMEDOUT;
		uc_sleep_ms(1);
	}
	if (res == -ETIMEDOUT)
		ctrl->stuck = true;
	return res >= 0 ? res : explain(ctrl, k, cmd->dev_id, -res, err);
}

/* A command without a path: queue_id is all ones unless it is about one queue. */
static struct ublksrv_ctrl_cmd bare_command(struct uc_ctrl *ctrl, uint32_t id, size_t len)
{
	return (struct ublksrv_ctrl_cmd){
		.dev_id = id,
		.queue_id = UINT16_MAX,
		.len = (uint16_t)len,
		.addr = len ? (uint64_t)(uintptr_t)&ctrl->payload : 0,
	};
}

/* Puts the path of ublkcN before the payload: permission is checked against that file. */
static int add_path(struct uc_ctrl *ctrl, struct ublksrv_ctrl_cmd *cmd)
{
	char path[PATH_ROOM];
	const int len =
		snprintf(path, sizeof(path), "%s/ublkc%u", ctrl->host->dev_dir, cmd->dev_id);
	const size_t size = (size_t)len + 1;
	char *start = ctrl->path + PATH_ROOM - size;

	if (len < 0 || size > PATH_ROOM)
		return -ENAMETOOLONG;
	memcpy(start, path, size);
	cmd->addr = (uint64_t)(uintptr_t)start;
	cmd->dev_path_len = (uint16_t)size;
	cmd->len = (uint16_t)(cmd->len + size);
	return 0;
}

static void know(struct uc_ctrl *ctrl, const struct ublksrv_ctrl_dev_info *info)
{
	ctrl->known_id = info->dev_id;
	ctrl->known_unprivileged = info->flags & UBLK_F_UNPRIVILEGED_DEV;
}

/* The newer form also works for devices of unprivileged owners, so it is asked first. */
static int get_info2(struct uc_ctrl *ctrl, uint32_t id, struct ublksrv_ctrl_dev_info *ret_info)
{
	struct ublksrv_ctrl_cmd cmd = bare_command(ctrl, id, sizeof(*ret_info));
	int ret = add_path(ctrl, &cmd);

	if (ret == 0)
		ret = call(ctrl, &get_dev_info2, &cmd, NULL);
	if (ret < 0)
		return ret;
	*ret_info = ctrl->payload.info;
	know(ctrl, ret_info);
	return 0;
}

/*
 * A command on a whole device with `len` bytes of payload, which is to be filled in afterwards:
 * whether the path belongs before it may have to be asked first.
 */
static struct ublksrv_ctrl_cmd command_for(struct uc_ctrl *ctrl, uint32_t id, size_t len)
{
	struct ublksrv_ctrl_cmd cmd = bare_command(ctrl, id, len);
	struct ublksrv_ctrl_dev_info info;

	if (ctrl->known_id == id ? ctrl->known_unprivileged
				 : get_info2(ctrl, id, &info) == 0 && ctrl->known_unprivileged)
		(void)add_path(ctrl, &cmd);
	return cmd;
}

/* A command with neither payload nor result, but perhaps one word of data. */
static int call_plain(struct uc_ctrl *ctrl, const struct command *k, uint32_t id, uint64_t data,
		      struct uc_error *err)
{
	struct ublksrv_ctrl_cmd cmd = command_for(ctrl, id, 0);
	int ret;

	cmd.data[0] = data;
	ret = call(ctrl, k, &cmd, err);
	return ret < 0 ? ret : 0;
}

/* Without io_uring nothing can be opened, whatever else there is to say of the node. */
static int explain_open(const struct uc_host *host, int errnum, struct uc_error *err)
{
	struct uc_cause cause;
	int ring;

	switch (errnum) {
	case ENOENT:
	case ENXIO:
	case ENODEV:
	case EACCES:
	case EPERM:
	case EBUSY:
	case ENOSYS:
		break;
	default:
		return uc_fail_errno(err, errnum, "%s/ublk-control cannot be opened",
				     host->dev_dir);
	}
	ring = host->transport->ring_probe();
	if (ring < 0) {
		uc_cause_io_uring(host, -ring, &cause);
		return uc_fail_cause(err, &cause);
	}
	uc_cause_control(host, errnum, &cause);
	return uc_fail_cause(err, &cause);
}

int uc_ctrl_open(const struct uc_host *host, struct uc_ctrl **ret_ctrl, struct uc_error *err)
{
	struct uc_ctrl *ctrl = calloc(1, sizeof(*ctrl));
	int ret;

	if (!ctrl)
		return uc_fail_errno(err, ENOMEM, "the control client");
	ctrl->host = host;
	ctrl->known_id = UC_ID_ANY;
	ctrl->patience_ms = NODE_MS;
	ret = host->transport->ctrl_open(host, &ctrl->conn);
	if (ret < 0) {
		free(ctrl);
		return explain_open(host, -ret, err);
	}
	*ret_ctrl = ctrl;
	return 0;
}

void uc_ctrl_close(struct uc_ctrl *ctrl)
{
	if (!ctrl || ctrl->stuck)
		return;
	ctrl->host->transport->ctrl_close(ctrl->conn);
	free(ctrl);
}

int uc_ctrl_get_features(struct uc_ctrl *ctrl, uint64_t *ret_features, struct uc_error *err)
{
	const struct ublksrv_ctrl_cmd cmd = bare_command(ctrl, UC_ID_ANY, UBLK_FEATURES_LEN);
	int ret = call(ctrl, &get_features, &cmd, err);

	if (ret < 0)
		return ret;
	*ret_features = ctrl->payload.features;
	return 0;
}

int uc_ctrl_add_dev(struct uc_ctrl *ctrl, struct ublksrv_ctrl_dev_info *info, struct uc_error *err)
{
	const struct ublksrv_ctrl_cmd cmd = bare_command(ctrl, info->dev_id, sizeof(*info));
	int ret;

	ctrl->payload.info = *info;
	ret = call(ctrl, &add_dev, &cmd, err);
	if (ret < 0)
		return ret;
	*info = ctrl->payload.info;
	know(ctrl, info);
	return 0;
}

int uc_ctrl_check_add(struct uc_ctrl *ctrl, uint32_t id, struct uc_error *err)
{
	const struct uc_host *host = ctrl->host;
	struct ublksrv_ctrl_dev_info info;
	uc_auto_free uint32_t *ids = NULL;
	struct uc_cause cause;
	size_t count = 0;
	const int ret = id == UC_ID_ANY ? -ENODEV : uc_ctrl_get_dev_info(ctrl, id, &info, NULL);

	/* Other users' count, too, but which of all devices are theirs is not told. */
	(void)uc_device_ids(host, &ids, &count, NULL);
	if (host->unprivileged && uc_cause_ublks_max(host, count, &cause))
		return explain(ctrl, &add_dev, id, EACCES, err);
	/* Another user's has the id, too. */
	return ret == 0 || ret == -EACCES || ret == -EPERM
		       ? explain(ctrl, &add_dev, id, EEXIST, err)
		       : 0;
}

static int get_info(struct uc_ctrl *ctrl, uint32_t id, struct ublksrv_ctrl_dev_info *ret_info,
		    struct uc_error *err)
{
	const int first = get_info2(ctrl, id, ret_info);
	const struct ublksrv_ctrl_cmd cmd = bare_command(ctrl, id, sizeof(*ret_info));
	int ret;

	if (first == 0)
		return 0;
	/* Its own reasons to fail (no node in this mount namespace, old driver) do not matter, */
	ret = call(ctrl, &get_dev_info, &cmd, err);
	/* unless it is a device of an unprivileged owner, for which nothing else will do. */
	if (ret == -EINVAL && first != -EINVAL)
		ret = explain(ctrl, &get_dev_info2, id, -first, err);
	if (ret < 0)
		return ret;
	*ret_info = ctrl->payload.info;
	know(ctrl, ret_info);
	return 0;
}

/*
 * A plain user's device is without its node for a moment when it is made, and when it goes: the
 * driver knows it before devtmpfs does, and after.
 */
int uc_ctrl_get_dev_info(struct uc_ctrl *ctrl, uint32_t id, struct ublksrv_ctrl_dev_info *ret_info,
			 struct uc_error *err)
{
	int ret;

	while ((ret = get_info(ctrl, id, ret_info, err)) == -ENOENT && ctrl->patience_ms) {
		uc_sleep_ms(NODE_LOOK_MS);
		ctrl->patience_ms -= NODE_LOOK_MS;
	}
	return ret;
}

int uc_ctrl_set_params(struct uc_ctrl *ctrl, const struct uc_lock *lock,
		       const struct ublk_params *params, struct uc_error *err)
{
	const struct ublksrv_ctrl_cmd cmd = command_for(ctrl, uc_lock_id(lock), sizeof(*params));
	int ret;

	ctrl->payload.params = *params;
	ctrl->payload.params.len = sizeof(*params);
	ret = call(ctrl, &set_params, &cmd, err);
	return ret < 0 ? ret : 0;
}

int uc_ctrl_get_params(struct uc_ctrl *ctrl, uint32_t id, struct ublk_params *ret_params,
		       struct uc_error *err)
{
	const struct ublksrv_ctrl_cmd cmd = command_for(ctrl, id, sizeof(*ret_params));
	int ret;

	memset(&ctrl->payload.params, 0, sizeof(ctrl->payload.params));
	ctrl->payload.params.len = sizeof(*ret_params);
	ret = call(ctrl, &get_params, &cmd, err);
	if (ret < 0)
		return ret;
	*ret_params = ctrl->payload.params;
	return 0;
}

int uc_ctrl_start_dev(struct uc_ctrl *ctrl, const struct uc_lock *lock, int32_t pid,
		      struct uc_error *err)
{
	return call_plain(ctrl, &start_dev, uc_lock_id(lock), (uint64_t)pid, err);
}

int uc_ctrl_stop_dev(struct uc_ctrl *ctrl, const struct uc_lock *lock, struct uc_error *err)
{
	return call_plain(ctrl, &stop_dev, uc_lock_id(lock), 0, err);
}

int uc_ctrl_try_stop_dev(struct uc_ctrl *ctrl, const struct uc_lock *lock, struct uc_error *err)
{
	return call_plain(ctrl, &try_stop_dev, uc_lock_id(lock), 0, err);
}

int uc_ctrl_del_dev(struct uc_ctrl *ctrl, const struct uc_lock *lock, struct uc_error *err)
{
	return call_plain(ctrl, &del_dev, uc_lock_id(lock), 0, err);
}

int uc_ctrl_del_dev_async(struct uc_ctrl *ctrl, const struct uc_lock *lock, struct uc_error *err)
{
	return call_plain(ctrl, &del_dev_async, uc_lock_id(lock), 0, err);
}

int uc_ctrl_get_queue_affinity(struct uc_ctrl *ctrl, uint32_t id, uint16_t qid,
			       struct uc_cpus *ret_cpus, struct uc_error *err)
{
	struct ublksrv_ctrl_cmd cmd = command_for(ctrl, id, sizeof(*ret_cpus));
	int ret;

	cmd.data[0] = qid;
	ret = call(ctrl, &get_queue_affinity, &cmd, err);
	if (ret < 0)
		return ret;
	*ret_cpus = ctrl->payload.cpus;
	return 0;
}

int uc_ctrl_start_user_recovery(struct uc_ctrl *ctrl, const struct uc_lock *lock,
				struct uc_error *err)
{
	return call_plain(ctrl, &start_user_recovery, uc_lock_id(lock), 0, err);
}

int uc_ctrl_end_user_recovery(struct uc_ctrl *ctrl, const struct uc_lock *lock, int32_t pid,
			      struct uc_error *err)
{
	return call_plain(ctrl, &end_user_recovery, uc_lock_id(lock), (uint64_t)pid, err);
}

int uc_ctrl_update_size(struct uc_ctrl *ctrl, const struct uc_lock *lock, uint64_t sectors,
			struct uc_error *err)
{
	return call_plain(ctrl, &update_size, uc_lock_id(lock), sectors, err);
}

int uc_ctrl_quiesce_dev(struct uc_ctrl *ctrl, const struct uc_lock *lock, uint32_t quiesce_ms,
			struct uc_error *err)
{
	return call_plain(ctrl, &quiesce_dev, uc_lock_id(lock), quiesce_ms ? quiesce_ms : 1, err);
}

int uc_ctrl_reg_buf(struct uc_ctrl *ctrl, const struct uc_lock *lock,
		    const struct ublk_shmem_buf_reg *reg, uint16_t *ret_index, struct uc_error *err)
{
	const struct ublksrv_ctrl_cmd cmd = command_for(ctrl, uc_lock_id(lock), sizeof(*reg));
	int ret;

	ctrl->payload.reg = *reg;
	ret = call(ctrl, &reg_buf, &cmd, err);
	if (ret < 0)
		return ret;
	*ret_index = (uint16_t)ret;
	return 0;
}

int uc_ctrl_unreg_buf(struct uc_ctrl *ctrl, const struct uc_lock *lock, uint16_t index,
		      struct uc_error *err)
{
	return call_plain(ctrl, &unreg_buf, uc_lock_id(lock), index, err);
}
