/* SPDX-License-Identifier: MIT */
/*
 * The server's side of a device: per-tag commands, and requests on their way to the server and
 * back. Runs in the thread that submits to the ring, so that the server's buffers are at hand.
 * All with the lock.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "model_priv.h"

#define OP(flags) ((flags)&0xffU)
#define SECTOR    512U

struct ublksrv_io_desc *model_desc(const struct model_ring *r, unsigned qid, unsigned tag)
{
	return (void *)(r->descs + qid * model_desc_stride(r->dev) +
			(size_t)tag * r->dev->info.io_desc_size);
}

struct ublksrv_io_cmd model_sqe_cmd(const struct io_uring_sqe *sqe)
{
	struct ublksrv_io_cmd cmd;

	memcpy(&cmd, (const char *)sqe + offsetof(struct io_uring_sqe, addr3), sizeof(cmd));
	return cmd;
}

/* Whether the driver copies between requests and the server's buffers. */
static bool need_map(const struct model_dev *dev)
{
	return !(dev->info.flags &
		 (UBLK_F_USER_COPY | UBLK_F_SUPPORT_ZERO_COPY | UBLK_F_AUTO_BUF_REG));
}

static bool get_data_mode(const struct model_dev *dev)
{
	return (dev->info.flags & UBLK_F_NEED_GET_DATA) != 0;
}

static struct model_req *req_of(const struct model_tag *tag)
{
	return tag->req ? &model_state->reqs[tag->req - 1] : NULL;
}

static uint8_t *data_of(const struct model_req *req)
{
	return model_state->data[req - model_state->reqs] + req->done;
}

static int check_auto_buf(const struct model_dev *dev, uint64_t sqe_addr)
{
	const struct ublk_auto_buf_reg reg = ublk_sqe_addr_to_auto_buf_reg(sqe_addr);

	if (!(dev->info.flags & UBLK_F_AUTO_BUF_REG))
		return 0;
	return reg.reserved0 || reg.reserved1 || (reg.flags & ~UBLK_AUTO_BUF_REG_F_MASK) ? -EINVAL
											 : 0;
}

/* Hands the tag's command to the driver. */
static void arm(struct model_ring *r, struct model_tag *tag, const struct io_uring_sqe *sqe,
		uint64_t addr)
{
	const bool auto_reg = r->dev->info.flags & UBLK_F_AUTO_BUF_REG;

	tag->flags = MODEL_TAG_ACTIVE;
	tag->ring = r->id;
	tag->addr = auto_reg ? sqe->addr : addr;
	tag->user_data = sqe->user_data;
}

static int check_fetch(const struct model_dev *dev, const struct model_queue *queue,
		       const struct model_tag *tag, uint64_t addr)
{
	if (need_map(dev) ? !addr && !get_data_mode(dev) : addr != 0)
		return -EINVAL;
	if (dev->stopping)
		return UBLK_IO_RES_ABORT;
	if (model_dev_ready(dev))
		return -EBUSY;
	if (tag->flags & MODEL_TAG_ACTIVE)
		return -EINVAL;
	if (!model_has(UBLK_F_PER_IO_DAEMON) && queue->task && queue->task != gettid())
		return -EINVAL;
	return 0;
}

static void mark_ready(struct model_dev *dev, struct model_queue *queue)
{
	if (++queue->nr_ready < dev->info.queue_depth)
		return;
	if (++dev->nr_queue_ready < dev->info.nr_hw_queues)
		return;
	dev->canceling = false;
	model_kick();
}

static int fetch(struct model_ring *r, const struct io_uring_sqe *sqe,
		 const struct ublksrv_io_cmd *cmd)
{
	struct model_queue *queue = &r->dev->queues[cmd->q_id];
	struct model_tag *tag = &queue->tags[cmd->tag];
	int ret = check_fetch(r->dev, queue, tag, cmd->addr);

	if (ret == 0)
		ret = check_auto_buf(r->dev, sqe->addr);
	if (ret < 0)
		return ret;
	arm(r, tag, sqe, cmd->addr);
	tag->task = gettid();
	if (!queue->task)
		queue->task = tag->task;
	mark_ready(r->dev, queue);
	return MODEL_NO_CQE;
}

/* User copy: the data area of ublkcN, which is a file, takes the request's data. */
static off_t user_copy_at(const struct model_req *req)
{
	return (off_t)ublk_user_copy_offset(req->qid, req->tag);
}

static void read_back(struct model_ring *r, struct model_req *req, const struct model_tag *tag,
		      uint32_t bytes)
{
	if (need_map(r->dev)) {
		memcpy(data_of(req), (const void *)(uintptr_t)tag->addr, bytes);
		return;
	}
	if ((r->dev->info.flags & UBLK_F_USER_COPY) &&
	    pread(r->char_fd, data_of(req), bytes, user_copy_at(req)) != (ssize_t)bytes)
		memset(data_of(req), 0, bytes);
}

/*
 * A READ moves the bytes that the server reports, and the rest is asked for again; but without
 * copying by the driver, and for a WRITE, any success is taken for a complete one.
 */
static void complete(struct model_ring *r, struct model_req *req, const struct model_tag *tag,
		     int32_t result)
{
	const bool is_read = OP(req->op_flags) == UBLK_IO_OP_READ;
	const uint32_t left = req->bytes - req->done;
	uint32_t bytes = left;

	if (is_read && result == 0)
		result = -EIO;
	if (result < 0) {
		model_req_finish(req, result);
		return;
	}
	if (model_op_has_data(req->op_flags) && (uint32_t)result < left &&
	    ((is_read && need_map(r->dev)) || model_state->cfg.requeue_short_writes))
		bytes = (uint32_t)result;
	if (is_read)
		read_back(r, req, tag, bytes);
	model_req_advance(req, bytes);
}

static int check_commit(const struct model_dev *dev, const struct model_req *req, uint64_t addr)
{
	const uint32_t op = OP(req->op_flags);

	if (!need_map(dev))
		return addr && op != UBLK_IO_OP_ZONE_APPEND ? -EINVAL : 0;
	return !addr && (!get_data_mode(dev) || op == UBLK_IO_OP_READ) ? -EINVAL : 0;
}

static int commit(struct model_ring *r, const struct io_uring_sqe *sqe,
		  const struct ublksrv_io_cmd *cmd)
{
	struct model_tag *tag = &r->dev->queues[cmd->q_id].tags[cmd->tag];
	struct model_req *req = req_of(tag);
	int ret = check_commit(r->dev, req, cmd->addr);

	if (ret == 0)
		ret = check_auto_buf(r->dev, sqe->addr);
	if (ret < 0)
		return ret;
	arm(r, tag, sqe, cmd->addr);
	complete(r, req, tag, cmd->result);
	return MODEL_NO_CQE;
}

static void write_out(const struct model_req *req, uint64_t addr)
{
	memcpy((void *)(uintptr_t)addr, data_of(req), req->bytes - req->done);
}

static int get_data(struct model_ring *r, const struct io_uring_sqe *sqe,
		    const struct ublksrv_io_cmd *cmd)
{
	struct model_tag *tag = &r->dev->queues[cmd->q_id].tags[cmd->tag];
	struct model_req *req = req_of(tag);

	arm(r, tag, sqe, cmd->addr);
	model_desc(r, cmd->q_id, cmd->tag)->addr = cmd->addr;
	if (!cmd->addr) {
		/* Nothing can be copied there: the request comes again. */
		req->state = MODEL_REQ_QUEUED;
		return MODEL_NO_CQE;
	}
	write_out(req, cmd->addr);
	tag->flags = MODEL_TAG_OWNED;
	return UBLK_IO_RES_OK;
}

/* Commands on a tag that has been fetched. */
static int tag_command(struct model_ring *r, const struct io_uring_sqe *sqe,
		       const struct ublksrv_io_cmd *cmd)
{
	const struct model_tag *tag = &r->dev->queues[cmd->q_id].tags[cmd->tag];
	const bool is_get_data = _IOC_NR(sqe->off) == _IOC_NR(UBLK_U_IO_NEED_GET_DATA);

	if (tag->task != gettid())
		return -EINVAL;
	if (!(tag->flags & MODEL_TAG_OWNED))
		return -EBUSY;
	if (((tag->flags & MODEL_TAG_GET_DATA) != 0) != is_get_data)
		return -EINVAL;
	return is_get_data ? get_data(r, sqe, cmd) : commit(r, sqe, cmd);
}

int model_cmd(struct model_ring *r, const struct io_uring_sqe *sqe)
{
	const struct ublksrv_io_cmd cmd = model_sqe_cmd(sqe);
	const uint32_t op = (uint32_t)sqe->off;
	int fault;

	if (!r->dev || !(sqe->flags & IOSQE_FIXED_FILE) || sqe->fd != 0)
		return -EOPNOTSUPP;
	if (op != UBLK_U_IO_FETCH_REQ && op != UBLK_U_IO_COMMIT_AND_FETCH_REQ &&
	    op != UBLK_U_IO_NEED_GET_DATA)
		return -EOPNOTSUPP;
	fault = model_take_fault(op);
	if (fault == MODEL_NEVER)
		return MODEL_NO_CQE;
	if (fault && fault != MODEL_NEVER_DONE)
		return -fault;
	if (cmd.q_id >= r->dev->info.nr_hw_queues || cmd.tag >= r->dev->info.queue_depth)
		return -EINVAL;
	return op == UBLK_U_IO_FETCH_REQ ? fetch(r, sqe, &cmd) : tag_command(r, sqe, &cmd);
}

static void fill_desc(struct model_ring *r, const struct model_req *req,
		      const struct model_tag *tag)
{
	struct ublksrv_io_desc *iod = model_desc(r, req->qid, req->tag);

	iod->op_flags = req->op_flags;
	iod->nr_sectors = req->bytes ? (req->bytes - req->done) / SECTOR : req->nr_sectors;
	iod->start_sector = req->sector + req->done / SECTOR;
	iod->addr = tag->addr;
}

/* No ring of the model has a buffer table, so registering a request's pages always fails. */
static bool auto_reg_failed(struct model_ring *r, struct model_req *req,
			    const struct model_tag *tag)
{
	if (!(r->dev->info.flags & UBLK_F_AUTO_BUF_REG) || !model_op_has_data(req->op_flags))
		return false;
	if (ublk_sqe_addr_to_auto_buf_reg(tag->addr).flags & UBLK_AUTO_BUF_REG_FALLBACK) {
		model_desc(r, req->qid, req->tag)->op_flags |= UBLK_IO_F_NEED_REG_BUF;
		return false;
	}
	model_req_finish(req, -EIO);
	return true;
}

static void deliver(struct model_ring *r, struct model_req *req, struct model_tag *tag)
{
	const bool is_write = OP(req->op_flags) == UBLK_IO_OP_WRITE;
	int res = UBLK_IO_RES_OK;

	fill_desc(r, req, tag);
	if (auto_reg_failed(r, req, tag))
		return;
	tag->flags = MODEL_TAG_OWNED;
	if (is_write && get_data_mode(r->dev)) {
		tag->flags |= MODEL_TAG_GET_DATA;
		res = UBLK_IO_RES_NEED_GET_DATA;
	} else if (is_write && need_map(r->dev)) {
		write_out(req, tag->addr);
	} else if ((r->dev->info.flags & UBLK_F_USER_COPY) && req->bytes) {
		/* For a READ too: what the server leaves out is then seen as the fill pattern. */
		if (pwrite(r->char_fd, data_of(req), req->bytes - req->done, user_copy_at(req)) < 0)
			res = -errno;
	}
	req->state = MODEL_REQ_SERVED;
	model_ring_post(r, tag->user_data, res);
}

static void deliver_requests(struct model_ring *r)
{
	for (unsigned i = 0; i < MODEL_REQS && model_ring_room(r); i++) {
		struct model_req *req = &model_state->reqs[i];
		struct model_tag *tag;

		if (req->state != MODEL_REQ_QUEUED || &model_state->devs[req->dev] != r->dev)
			continue;
		tag = &r->dev->queues[req->qid].tags[req->tag];
		if ((tag->flags & (MODEL_TAG_ACTIVE | MODEL_TAG_CANCELED)) == MODEL_TAG_ACTIVE &&
		    tag->ring == r->id)
			deliver(r, req, tag);
	}
}

static void post_aborts(struct model_ring *r)
{
	for (unsigned q = 0; q < r->dev->info.nr_hw_queues; q++)
		for (unsigned t = 0; t < r->dev->info.queue_depth && model_ring_room(r); t++) {
			struct model_tag *tag = &r->dev->queues[q].tags[t];

			if (!(tag->flags & MODEL_TAG_PENDING) || tag->ring != r->id)
				continue;
			tag->flags = (uint8_t)(tag->flags & ~MODEL_TAG_PENDING);
			model_ring_post(r, tag->user_data, UBLK_IO_RES_ABORT);
		}
}

void model_cmd_poll(struct model_ring *r)
{
	if (r->dev->info.state == UBLK_S_DEV_LIVE && !r->dev->canceling)
		deliver_requests(r);
	/* Both mean that commands may have been aborted. */
	if (r->dev->stopping || r->dev->canceling)
		post_aborts(r);
}
