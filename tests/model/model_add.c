/* SPDX-License-Identifier: MIT */
/* ADD_DEV: what is refused, and what is granted instead of what was asked. */
#include <errno.h>
#include <string.h>

#include "model_priv.h"

#define MAX_IDS       (1U << 20)
#define MAX_DESC_SIZE 256

#define RECOVERY                                                                                   \
	(UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE | UBLK_F_USER_RECOVERY_FAIL_IO)

static bool recovery_ok(uint64_t flags)
{
	switch (flags & RECOVERY) {
	case 0:
	case UBLK_F_USER_RECOVERY:
	case UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE:
	case UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_FAIL_IO:
		break;
	default:
		return false;
	}
	return !(flags & UBLK_F_QUIESCE) || (flags & UBLK_F_USER_RECOVERY);
}

/* What the caller's privilege does to the flags. */
static int check_privilege(struct ublksrv_ctrl_dev_info *info)
{
	if (model_proc_is_admin())
		info->flags &= ~UBLK_F_UNPRIVILEGED_DEV;
	else if (!(info->flags & UBLK_F_UNPRIVILEGED_DEV))
		return -EPERM;
	if (!recovery_ok(info->flags))
		return -EINVAL;
	if (!(info->flags & UBLK_F_UNPRIVILEGED_DEV))
		return 0;
	info->flags &= ~(UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE);
	if (info->flags & (UBLK_F_USER_COPY | UBLK_F_SUPPORT_ZERO_COPY | UBLK_F_AUTO_BUF_REG))
		return -EINVAL;
	return 0;
}

/*
 * Rules about a bit hold only where the bit is known: a kernel that has never heard of it clears
 * it and goes on.
 */
static int check_info(struct ublksrv_ctrl_dev_info *info)
{
	const size_t desc_size = sizeof(struct ublksrv_io_desc);
	int ret;

	if (info->queue_depth == 0 || info->queue_depth > UBLK_MAX_QUEUE_DEPTH ||
	    info->nr_hw_queues == 0 || info->nr_hw_queues > UBLK_MAX_NR_QUEUES)
		return -EINVAL;
	info->flags &= model_state->cfg.features & ~model_state->cfg.ungranted;
	ret = check_privilege(info);
	if (ret < 0)
		return ret;
	if ((info->flags & UBLK_F_INTEGRITY) && !(info->flags & UBLK_F_USER_COPY))
		return -EINVAL;
	if (!(info->flags & UBLK_F_IO_DESC_SIZE))
		info->io_desc_size = (uint16_t)desc_size;
	if (info->io_desc_size < desc_size || info->io_desc_size > MAX_DESC_SIZE ||
	    info->io_desc_size % _Alignof(struct ublksrv_io_desc))
		return -EINVAL;
	return 0;
}

static int grant(struct ublksrv_ctrl_dev_info *info)
{
	const uint64_t always = UBLK_F_CMD_IOCTL_ENCODE | UBLK_F_URING_CMD_COMP_IN_TASK |
				UBLK_F_PER_IO_DAEMON | UBLK_F_BUF_REG_OFF_DAEMON |
				UBLK_F_SAFE_STOP_DEV;
	const uint64_t no_get_data =
		UBLK_F_USER_COPY | UBLK_F_SUPPORT_ZERO_COPY | UBLK_F_AUTO_BUF_REG | UBLK_F_BATCH_IO;
	unsigned queues = model_state->cfg.nr_cpu_ids;

	info->flags |= always & model_state->cfg.features;
	if (info->flags & UBLK_F_BATCH_IO)
		info->flags &= ~UBLK_F_PER_IO_DAEMON;
	if (info->flags & no_get_data)
		info->flags &= ~UBLK_F_NEED_GET_DATA;
	if ((info->flags & UBLK_F_ZONED) &&
	    !(info->flags & (UBLK_F_USER_COPY | UBLK_F_SUPPORT_ZERO_COPY)))
		return -EINVAL;
	if (queues > MODEL_QUEUES)
		queues = MODEL_QUEUES;
	if (info->nr_hw_queues > queues)
		info->nr_hw_queues = (uint16_t)queues;
	info->max_io_buf_bytes &= ~(MODEL_PAGE - 1);
	info->state = UBLK_S_DEV_DEAD;
	info->ublksrv_pid = -1;
	info->owner_uid = model_proc_uid();
	info->owner_gid = model_proc_uid();
	return 0;
}

static bool too_many(const struct ublksrv_ctrl_dev_info *info)
{
	unsigned count = 0;

	for (unsigned i = 0; i < MODEL_DEVS; i++)
		count += model_state->devs[i].gen && !model_state->devs[i].deleted &&
			 (model_state->devs[i].info.flags & UBLK_F_UNPRIVILEGED_DEV);
	return (info->flags & UBLK_F_UNPRIVILEGED_DEV) && count >= model_state->cfg.ublks_max;
}

static int choose_id(uint32_t *id)
{
	if (*id != UINT32_MAX)
		return model_dev_find(*id) ? -EEXIST : 0;
	*id = 0;
	while (model_dev_find(*id))
		++*id;
	return 0;
}

static struct model_dev *vacant_dev(void)
{
	for (unsigned i = 0; i < MODEL_DEVS; i++)
		if (!model_state->devs[i].gen)
			return &model_state->devs[i];
	return NULL;
}

static int create(struct ublksrv_ctrl_dev_info *info)
{
	struct model_dev *dev = vacant_dev();
	int ret;

	if (!dev)
		return -ENOSPC;
	/* Only the tags that it has: untouched pages of the file cost nothing. */
	memset(dev, 0, offsetof(struct model_dev, queues));
	for (unsigned q = 0; q < info->nr_hw_queues; q++)
		memset(&dev->queues[q], 0,
		       offsetof(struct model_queue, tags) +
			       info->queue_depth * sizeof(struct model_tag));
	dev->info = *info;
	dev->tgid = -1;
	/* A process killed amid this may have left some. */
	model_node_remove_char(dev);
	ret = model_node_add_char(dev);
	if (ret < 0) {
		model_node_remove_char(dev);
		return ret;
	}
	dev->gen = ++model_state->gen;
	return 0;
}

int model_add_dev(const struct ublksrv_ctrl_cmd *cmd)
{
	struct ublksrv_ctrl_dev_info info;
	int ret;

	if (cmd->len < sizeof(info) || !cmd->addr || cmd->queue_id != UINT16_MAX)
		return -EINVAL;
	memcpy(&info, (const void *)(uintptr_t)cmd->addr, sizeof(info));
	ret = check_info(&info);
	if (ret < 0)
		return ret;
	if (cmd->dev_id != info.dev_id || (cmd->dev_id != UINT32_MAX && cmd->dev_id >= MAX_IDS))
		return -EINVAL;
	if (too_many(&info))
		return -EACCES;
	ret = choose_id(&info.dev_id);
	if (ret == 0)
		ret = grant(&info);
	if (ret == 0)
		ret = create(&info);
	if (ret == 0)
		memcpy((void *)(uintptr_t)cmd->addr, &info, sizeof(info));
	return ret;
}
