/* SPDX-License-Identifier: MIT */
/*
 * Requests from nowhere: once its device is live, a ring generates the planned number of requests
 * for its first queue, keeping every tag busy. No locks, no data, no system calls.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model_priv.h"

static struct {
	uint64_t count;
	uint32_t op_flags, nr_sectors;
} wanted;

void model_feed(uint64_t count, uint32_t op_flags, uint32_t nr_sectors)
{
	wanted.count = count;
	wanted.op_flags = op_flags;
	wanted.nr_sectors = nr_sectors;
}

/* The queue that this ring fetched all tags of, or -1. */
static int own_queue(const struct model_ring *r)
{
	for (unsigned q = 0; q < r->dev->info.nr_hw_queues; q++) {
		const struct model_queue *queue = &r->dev->queues[q];
		unsigned t = 0;

		while (t < r->dev->info.queue_depth && queue->tags[t].ring == r->id &&
		       queue->tags[t].flags == MODEL_TAG_ACTIVE)
			t++;
		if (t == r->dev->info.queue_depth)
			return (int)q;
	}
	return -1;
}

/* Gives the tag its next request, if there is one. */
static void next(struct model_ring *r, unsigned t)
{
	struct model_feed_state *f = &r->feed;
	struct ublksrv_io_desc *iod = model_desc(r, f->qid, t);
	const bool is_write = (f->op_flags & 0xffU) == UBLK_IO_OP_WRITE;
	const bool get_data = is_write && (r->dev->info.flags & UBLK_F_NEED_GET_DATA);

	if (f->left == 0) {
		f->tags[t].flags = MODEL_TAG_ACTIVE;
		f->idle++;
		return;
	}
	f->left--;
	if (f->sector + f->nr_sectors > r->dev->params.basic.dev_sectors)
		f->sector = 0;
	iod->op_flags = f->op_flags;
	iod->nr_sectors = f->nr_sectors;
	iod->start_sector = f->sector;
	iod->addr = f->tags[t].addr;
	f->sector += f->nr_sectors;
	f->tags[t].flags = (uint8_t)(MODEL_TAG_OWNED | (get_data ? MODEL_TAG_GET_DATA : 0));
	model_ring_post(r, f->tags[t].user_data,
			get_data ? UBLK_IO_RES_NEED_GET_DATA : UBLK_IO_RES_OK);
}

static void start(struct model_ring *r, unsigned qid)
{
	const uint16_t depth = r->dev->info.queue_depth;
	struct model_tag *tags = calloc(depth, sizeof(*tags));

	if (!tags)
		return;
	memcpy(tags, r->dev->queues[qid].tags, depth * sizeof(*tags));
	r->feed = (struct model_feed_state){
		.on = true,
		.qid = (uint16_t)qid,
		.depth = depth,
		.left = wanted.count,
		.op_flags = wanted.op_flags,
		.nr_sectors = wanted.nr_sectors,
		.tags = tags,
	};
	for (unsigned t = 0; t < depth; t++)
		next(r, t);
}

void model_feed_try(struct model_ring *r)
{
	int qid = -1;

	if (r->feed.on || !wanted.count || !r->dev)
		return;
	if (r->dev->info.state == UBLK_S_DEV_LIVE)
		qid = own_queue(r);
	/* Room for a completion per tag is what start() relies on. */
	if (qid >= 0 && model_ring_room(r) >= r->dev->info.queue_depth)
		start(r, (unsigned)qid);
}

int model_feed_cmd(struct model_ring *r, const struct io_uring_sqe *sqe)
{
	const struct ublksrv_io_cmd cmd = model_sqe_cmd(sqe);
	const uint32_t op = (uint32_t)sqe->off;
	struct model_tag *tag;

	if (cmd.q_id != r->feed.qid || cmd.tag >= r->feed.depth)
		return -EINVAL;
	tag = &r->feed.tags[cmd.tag];
	if (!(tag->flags & MODEL_TAG_OWNED) ||
	    ((tag->flags & MODEL_TAG_GET_DATA) != 0) != (op == UBLK_U_IO_NEED_GET_DATA))
		return -EINVAL;
	tag->addr = cmd.addr;
	tag->user_data = sqe->user_data;
	if (op == UBLK_U_IO_NEED_GET_DATA) {
		tag->flags = MODEL_TAG_OWNED;
		model_desc(r, cmd.q_id, cmd.tag)->addr = cmd.addr;
		return UBLK_IO_RES_OK;
	}
	next(r, cmd.tag);
	return MODEL_NO_CQE;
}

/* Once all is done: aborts, as many as there is room for. */
void model_feed_poll(struct model_ring *r)
{
	struct model_feed_state *f = &r->feed;

	while (f->idle == f->depth && f->aborted < f->depth && model_ring_room(r))
		model_ring_post(r, f->tags[f->aborted++].user_data, UBLK_IO_RES_ABORT);
}

void model_feed_free(struct model_ring *r)
{
	free(r->feed.tags);
	r->feed.tags = NULL;
}
