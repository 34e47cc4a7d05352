/* SPDX-License-Identifier: MIT */
#include "params.h"

#include <string.h>

static uint8_t shift_of(uint32_t power_of_two)
{
	return (uint8_t)__builtin_ctz(power_of_two);
}

static uint32_t attributes(const struct uc_limits *l)
{
	uint32_t attrs = 0;

	if (l->read_only)
		attrs |= UBLK_ATTR_READ_ONLY;
	if (l->rotational)
		attrs |= UBLK_ATTR_ROTATIONAL;
	/* The driver honours FUA only together with a volatile cache. */
	if (l->volatile_cache)
		attrs |= UBLK_ATTR_VOLATILE_CACHE | UBLK_ATTR_FUA;
	return attrs;
}

void uc_params_build(const struct uc_target *target, const struct uc_path *path,
		     const struct ublksrv_ctrl_dev_info *info, struct ublk_params *ret_params)
{
	const struct uc_limits *l = &target->limits;
	struct ublk_params *p = ret_params;

	memset(p, 0, sizeof(*p));
	p->len = sizeof(*p);
	p->types = UBLK_PARAM_TYPE_BASIC;
	p->basic.attrs = attributes(l);
	p->basic.logical_bs_shift = shift_of(l->logical_bs);
	p->basic.physical_bs_shift = shift_of(l->physical_bs);
	p->basic.io_min_shift = shift_of(l->io_min ? l->io_min : l->logical_bs);
	p->basic.io_opt_shift = l->io_opt ? shift_of(l->io_opt) : 0;
	p->basic.max_sectors = info->max_io_buf_bytes >> 9;
	p->basic.dev_sectors = target->size >> 9;

	if (l->discard_granularity) {
		p->types |= UBLK_PARAM_TYPE_DISCARD;
		p->discard.discard_granularity = l->discard_granularity;
		p->discard.max_discard_sectors = l->max_discard >> 9;
		p->discard.max_write_zeroes_sectors = l->max_write_zeroes >> 9;
		p->discard.max_discard_segments = 1;
	}
	/* The request's own pages go to the backing, so they must be as that wants its memory. */
	if (path->fixed && l->dma_align) {
		p->types |= UBLK_PARAM_TYPE_DMA_ALIGN;
		p->dma.alignment = l->dma_align - 1;
	}
}
