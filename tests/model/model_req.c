/* SPDX-License-Identifier: MIT */
/* Requests, and the clients of the block device that make them. */
#include <errno.h>
#include <string.h>

#include "deadline.h"
#include "model_priv.h"

#define POLL_MS   5
#define READ_FILL 0xa5 /* what a READ returns where the server has put nothing */
#define OP(flags) ((flags)&0xffU)
#define SECTOR    512U

bool model_op_has_data(uint32_t op_flags)
{
	return OP(op_flags) == UBLK_IO_OP_READ || OP(op_flags) == UBLK_IO_OP_WRITE;
}

unsigned model_req_count(const struct model_dev *dev)
{
	unsigned count = 0;

	for (unsigned i = 0; i < MODEL_REQS; i++) {
		const struct model_req *req = &model_state->reqs[i];

		count += &model_state->devs[req->dev] == dev &&
			 (req->state == MODEL_REQ_QUEUED || req->state == MODEL_REQ_SERVED);
	}
	return count;
}

/* An errno as it comes back from the block layer, which knows but a few of them. */
static int block_errno(int res)
{
	switch (res) {
	case -EOPNOTSUPP:
	case -ETIMEDOUT:
	case -ENOSPC:
	case -ENOLINK:
	case -EREMOTEIO:
	case -EBADE:
	case -ENODATA:
	case -EILSEQ:
	case -ENOMEM:
	case -EBUSY:
	case -EAGAIN:
	case -ENODEV:
	case -ETIME:
	case -EINVAL:
		return res;
	default:
		return res < 0 ? -EIO : res;
	}
}

void model_req_finish(struct model_req *req, int result)
{
	model_state->devs[req->dev].queues[req->qid].tags[req->tag].req = 0;
	req->result = block_errno(result);
	req->state = req->abandoned ? MODEL_REQ_FREE : MODEL_REQ_DONE;
	model_kick();
}

void model_req_advance(struct model_req *req, uint32_t bytes)
{
	req->done += bytes;
	if (req->done >= req->bytes) {
		model_req_finish(req, (int)req->bytes);
		return;
	}
	req->state = MODEL_REQ_QUEUED;
	model_kick();
}

void model_req_abort_queued(struct model_dev *dev)
{
	for (unsigned i = 0; i < MODEL_REQS; i++) {
		struct model_req *req = &model_state->reqs[i];

		if (&model_state->devs[req->dev] == dev && req->state == MODEL_REQ_QUEUED)
			model_req_finish(req, -EIO);
	}
}

/* What the block layer or the driver says before a request gets a tag; 0: go on. */
static int refuse(const struct model_dev *dev, unsigned qid)
{
	if (!dev || !dev->disk)
		return -ENXIO;
	if (qid >= dev->info.nr_hw_queues)
		return -EINVAL;
	if (dev->info.state == UBLK_S_DEV_FAIL_IO)
		return -EREMOTEIO;
	if (dev->dying || (dev->canceling && !model_dev_queues_io(dev)))
		return -EIO;
	return 0;
}

static struct model_tag *vacant_tag(struct model_dev *dev, unsigned qid)
{
	for (unsigned t = 0; t < dev->info.queue_depth; t++)
		if (!dev->queues[qid].tags[t].req)
			return &dev->queues[qid].tags[t];
	return NULL;
}

static struct model_req *vacant_req(void)
{
	for (unsigned i = 0; i < MODEL_REQS; i++) {
		struct model_req *req = &model_state->reqs[i];

		/* Results that nobody will ever ask for. */
		if (req->state == MODEL_REQ_DONE && !model_proc_alive(&req->client))
			req->state = MODEL_REQ_FREE;
		if (req->state == MODEL_REQ_FREE)
			return req;
	}
	return NULL;
}

/* Returns the request's index, or -EAGAIN when all tags or slots are taken. */
static int submit(struct model_dev *dev, const struct model_req *wanted, const void *data)
{
	struct model_tag *tag = vacant_tag(dev, wanted->qid);
	struct model_req *req = vacant_req();
	size_t i;

	if (!tag || !req)
		return -EAGAIN;
	i = (size_t)(req - model_state->reqs);
	*req = *wanted;
	req->state = MODEL_REQ_QUEUED;
	req->dev = (uint32_t)(dev - model_state->devs);
	req->tag = (uint16_t)(tag - dev->queues[wanted->qid].tags);
	req->client = model_proc_self();
	tag->req = (uint16_t)(i + 1);
	if (data && OP(req->op_flags) == UBLK_IO_OP_WRITE)
		memcpy(model_state->data[i], data, req->bytes);
	else
		memset(model_state->data[i], READ_FILL, req->bytes);
	model_kick();
	return (int)i;
}

int model_io_submit(uint32_t id, unsigned qid, uint32_t op_flags, uint64_t sector,
		    uint32_t nr_sectors, const void *data, unsigned timeout_ms)
{
	const uint64_t deadline = uc_deadline(timeout_ms);
	const struct model_req wanted = {
		.qid = (uint16_t)qid,
		.op_flags = op_flags,
		.sector = sector,
		.nr_sectors = nr_sectors,
		.bytes = model_op_has_data(op_flags) ? nr_sectors * SECTOR : 0,
	};
	int ret;

	if (wanted.bytes > MODEL_REQ_BYTES || (OP(op_flags) == UBLK_IO_OP_WRITE && !data))
		return -EINVAL;
	model_lock();
	for (;;) {
		struct model_dev *dev = model_dev_find(id);

		ret = refuse(dev, qid);
		if (ret == 0)
			ret = submit(dev, &wanted, data);
		if (ret != -EAGAIN)
			break;
		if (!uc_left_ms(deadline)) {
			ret = -ETIMEDOUT;
			break;
		}
		model_pause(deadline, POLL_MS);
		model_settle();
	}
	model_unlock();
	return ret;
}

int model_io_wait(int handle, void *data, unsigned timeout_ms)
{
	struct model_req *req = &model_state->reqs[handle];
	const uint64_t deadline = uc_deadline(timeout_ms);
	int ret = -ETIMEDOUT;

	model_lock();
	while (req->state != MODEL_REQ_DONE && uc_left_ms(deadline)) {
		model_pause(deadline, POLL_MS);
		model_settle();
	}
	if (req->state == MODEL_REQ_DONE) {
		ret = req->result;
		if (OP(req->op_flags) == UBLK_IO_OP_READ && ret > 0)
			memcpy(data, model_state->data[handle], (size_t)ret);
		req->state = MODEL_REQ_FREE;
		model_kick();
	} else {
		req->abandoned = true;
	}
	model_unlock();
	return ret;
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Sectors that one request may have; 0: the device has no such requests. */
static uint32_t max_sectors(const struct ublk_params *p, uint32_t op)
{
	const bool discard = p->types & UBLK_PARAM_TYPE_DISCARD;

	switch (op) {
	case UBLK_IO_OP_READ:
	case UBLK_IO_OP_WRITE:
		return least(p->basic.max_sectors, MODEL_REQ_BYTES / SECTOR);
	case UBLK_IO_OP_DISCARD:
		return discard ? p->discard.max_discard_sectors : 0;
	case UBLK_IO_OP_WRITE_ZEROES:
		return discard ? p->discard.max_write_zeroes_sectors : 0;
	default:
		return UINT32_MAX;
	}
}

struct client_io {
	uint32_t max; /* sectors of one request */
	bool skip;    /* nothing to do: the block layer answers */
	bool flush;   /* a FLUSH has to follow */
};

/* What the block layer makes of a request by the device's parameters. */
static int plan(const struct ublk_params *p, uint32_t *op_flags, uint64_t sector, uint32_t nr,
		struct client_io *ret_io)
{
	const uint32_t op = OP(*op_flags);
	const bool cache = p->basic.attrs & UBLK_ATTR_VOLATILE_CACHE;
	const bool fua = cache && (p->basic.attrs & UBLK_ATTR_FUA);
	const uint64_t mask = (1ULL << (p->basic.logical_bs_shift - 9)) - 1;

	*ret_io = (struct client_io){.max = max_sectors(p, op)};
	if (op == UBLK_IO_OP_FLUSH) {
		ret_io->skip = !cache;
		return 0;
	}
	if (ret_io->max == 0)
		return -EOPNOTSUPP;
	if (nr == 0 || ((sector | nr) & mask))
		return -EINVAL;
	if (op != UBLK_IO_OP_READ && (p->basic.attrs & UBLK_ATTR_READ_ONLY))
		return -EACCES;
	if (sector + nr > p->basic.dev_sectors)
		return -EIO;
	if ((*op_flags & UBLK_IO_F_FUA) && !fua) {
		*op_flags &= ~UBLK_IO_F_FUA;
		ret_io->flush = cache;
	}
	return 0;
}

static int run_one(uint32_t id, unsigned qid, uint32_t op_flags, uint64_t sector, uint32_t nr,
		   void *data, uint64_t deadline)
{
	const int handle =
		model_io_submit(id, qid, op_flags, sector, nr, data, uc_left_ms(deadline));

	return handle < 0 ? handle : model_io_wait(handle, data, uc_left_ms(deadline));
}

int model_io(uint32_t id, unsigned qid, uint32_t op_flags, uint64_t sector, uint32_t nr_sectors,
	     void *data, unsigned timeout_ms)
{
	const uint64_t deadline = uc_deadline(timeout_ms);
	const struct model_dev *dev;
	struct client_io io = {0};
	uint32_t at = 0;
	int total = 0;
	int ret;

	model_lock();
	model_settle();
	dev = model_dev_find(id);
	ret = refuse(dev, qid);
	if (ret == 0)
		ret = plan(&dev->params, &op_flags, sector, nr_sectors, &io);
	model_unlock();
	if (ret < 0 || io.skip)
		return ret;
	do {
		const uint32_t nr = least(nr_sectors - at, io.max);
		uint8_t *part = data ? (uint8_t *)data + (size_t)at * SECTOR : NULL;

		ret = run_one(id, qid, op_flags, sector + at, nr, part, deadline);
		if (ret < 0)
			return ret;
		total += ret;
		at += nr;
	} while (at < nr_sectors);
	if (io.flush)
		ret = run_one(id, qid, UBLK_IO_OP_FLUSH, 0, 0, NULL, deadline);
	return ret < 0 ? ret : total;
}

unsigned model_requests(void)
{
	unsigned count = 0;

	model_lock();
	for (unsigned i = 0; i < MODEL_REQS; i++)
		count += model_state->reqs[i].state != MODEL_REQ_FREE;
	model_unlock();
	return count;
}

unsigned model_with_server(uint32_t id)
{
	const struct model_dev *dev;
	unsigned count = 0;

	model_lock();
	dev = model_dev_find(id);
	for (unsigned i = 0; dev && i < MODEL_REQS; i++)
		count += model_state->reqs[i].state == MODEL_REQ_SERVED &&
			 &model_state->devs[model_state->reqs[i].dev] == dev;
	model_unlock();
	return count;
}
