/* SPDX-License-Identifier: MIT */
/* SET_PARAMS and GET_PARAMS. */
#include <errno.h>
#include <string.h>

#include "model_priv.h"

#define MAX_BS_SHIFT                                                                               \
	28 /* 256 MiB: what the driver takes for physical, minimum and optimal size                \
	    */

static bool power_of_2(uint64_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

static bool basic_ok(const struct model_dev *dev)
{
	const struct ublk_param_basic *p = &dev->params.basic;

	if (!(dev->params.types & UBLK_PARAM_TYPE_BASIC))
		return false;
	if (p->logical_bs_shift < 9 || p->logical_bs_shift > 12)
		return false;
	if (p->physical_bs_shift > MAX_BS_SHIFT || p->io_min_shift > MAX_BS_SHIFT ||
	    p->io_opt_shift > MAX_BS_SHIFT)
		return false;
	if (p->logical_bs_shift > p->physical_bs_shift)
		return false;
	if (p->max_sectors > dev->info.max_io_buf_bytes >> 9 || p->max_sectors < MODEL_PAGE >> 9)
		return false;
	return !(dev->info.flags & UBLK_F_ZONED) || power_of_2(p->chunk_sectors);
}

static bool discard_ok(const struct ublk_param_discard *p)
{
	return p->discard_granularity != 0 &&
	       (p->max_discard_sectors == 0 || p->max_discard_segments == 1);
}

static bool zoned_ok(const struct model_dev *dev)
{
	const struct ublk_param_zoned *p = &dev->params.zoned;

	return (dev->info.flags & UBLK_F_ZONED) && p->max_zone_append_sectors != 0;
}

static bool segment_ok(const struct ublk_param_segment *p)
{
	return power_of_2(p->seg_boundary_mask + 1) &&
	       p->seg_boundary_mask + 1 >= UBLK_MIN_SEGMENT_SIZE &&
	       p->max_segment_size >= UBLK_MIN_SEGMENT_SIZE;
}

/* Coarser than the driver: kinds of checksum and their tuple sizes are not looked at. */
static bool integrity_ok(const struct model_dev *dev)
{
	const struct ublk_param_integrity *p = &dev->params.integrity;

	return (dev->info.flags & UBLK_F_INTEGRITY) && p->metadata_size != 0 &&
	       p->interval_exp >= 9 && p->interval_exp <= dev->params.basic.logical_bs_shift;
}

static bool params_ok(const struct model_dev *dev)
{
	const struct ublk_params *p = &dev->params;
	const bool zoned = dev->info.flags & UBLK_F_ZONED;

	if (!basic_ok(dev))
		return false;
	if ((p->types & UBLK_PARAM_TYPE_DISCARD) && !discard_ok(&p->discard))
		return false;
	if (p->types & UBLK_PARAM_TYPE_DEVT)
		return false;
	/* A zoned device's answer is final: what follows is not looked at. */
	if (p->types & UBLK_PARAM_TYPE_ZONED)
		return zoned_ok(dev);
	if (zoned)
		return false;
	if ((p->types & UBLK_PARAM_TYPE_DMA_ALIGN) &&
	    (p->dma.alignment >= MODEL_PAGE || !power_of_2((uint64_t)p->dma.alignment + 1)))
		return false;
	if ((p->types & UBLK_PARAM_TYPE_SEGMENT) && !segment_ok(&p->seg))
		return false;
	return !(p->types & UBLK_PARAM_TYPE_INTEGRITY) || integrity_ok(dev);
}

struct params_head {
	uint32_t len;
	uint32_t types;
};

/* Bytes to copy after the checks that both commands share, or a negative errno. */
static int params_len(uint64_t addr, uint32_t len, struct params_head *ret_head)
{
	const bool old = !(model_state->cfg.param_types & UBLK_PARAM_TYPE_DMA_ALIGN);
	/* An older driver's struct ends earlier, and is padded to its alignment. */
	const uint32_t known =
		old ? (offsetof(struct ublk_params, dma) + 7) & ~7U : sizeof(struct ublk_params);

	if (len <= sizeof(*ret_head) || !addr)
		return -EINVAL;
	memcpy(ret_head, (const void *)(uintptr_t)addr, sizeof(*ret_head));
	if (ret_head->len > len || ret_head->len == 0)
		return -EINVAL;
	return (int)(ret_head->len < known ? ret_head->len : known);
}

int model_params_set(struct model_dev *dev, uint64_t addr, uint32_t len)
{
	struct params_head head;
	const int bytes = params_len(addr, len, &head);

	if (bytes < 0 || head.types == 0)
		return -EINVAL;
	if (model_dev_used(dev))
		return -EACCES;
	memcpy(&dev->params, (const void *)(uintptr_t)addr, (size_t)bytes);
	dev->params.types &= model_state->cfg.param_types;
	if (params_ok(dev))
		return 0;
	memset(&dev->params, 0, sizeof(dev->params));
	return -EINVAL;
}

int model_params_get(struct model_dev *dev, uint64_t addr, uint32_t len)
{
	struct params_head head;
	const int bytes = params_len(addr, len, &head);

	if (bytes < 0)
		return bytes;
	dev->params.devt = (struct ublk_param_devt){
		.char_major = 240,
		.char_minor = dev->info.dev_id,
		.disk_major = dev->disk ? 259 : 0,
		.disk_minor = dev->disk ? dev->info.dev_id : 0,
	};
	dev->params.types |= UBLK_PARAM_TYPE_DEVT;
	memcpy((void *)(uintptr_t)addr, &dev->params, (size_t)bytes);
	return 0;
}
