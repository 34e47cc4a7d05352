/* SPDX-License-Identifier: MIT */
/*
 * The life of a device. What a kernel does by itself when a process dies or the last request ends
 * is done here by whoever looks next: model_settle(). All with the lock.
 */
#include <errno.h>
#include <string.h>

#include "model_priv.h"

struct model_dev *model_dev_find(uint32_t id)
{
	for (unsigned i = 0; i < MODEL_DEVS; i++)
		if (model_state->devs[i].gen && model_state->devs[i].info.dev_id == id)
			return &model_state->devs[i];
	return NULL;
}

struct model_dev *model_dev_by_file(uint64_t st_dev, uint64_t ino)
{
	for (unsigned i = 0; i < MODEL_DEVS; i++) {
		struct model_dev *dev = &model_state->devs[i];

		if (dev->gen && dev->ino == ino && dev->st_dev == st_dev)
			return dev;
	}
	return NULL;
}

/* From one queue's descriptors to the next in ublkcN, whatever the depth. */
size_t model_desc_stride(const struct model_dev *dev)
{
	const size_t len = (size_t)UBLK_MAX_QUEUE_DEPTH * dev->info.io_desc_size;

	return (len + MODEL_PAGE - 1) & ~(size_t)(MODEL_PAGE - 1);
}

bool model_dev_ready(const struct model_dev *dev)
{
	return dev->nr_queue_ready == dev->info.nr_hw_queues;
}

/* The disk is not free before its last opener has gone. */
bool model_dev_used(const struct model_dev *dev)
{
	return dev->disk || (dev->used && dev->openers > 0);
}

unsigned model_dev_rings(const struct model_dev *dev)
{
	unsigned count = 0;

	for (unsigned i = 0; i < MODEL_RINGS; i++)
		count += dev->rings[i].pid != 0;
	return count;
}

bool model_dev_held(const struct model_dev *dev)
{
	return model_dev_rings(dev) > 0 || model_proc_hold(dev->st_dev, dev->ino);
}

bool model_dev_recoverable(const struct model_dev *dev)
{
	return (dev->info.flags & UBLK_F_USER_RECOVERY) != 0;
}

bool model_dev_queues_io(const struct model_dev *dev)
{
	return model_dev_recoverable(dev) && !(dev->info.flags & UBLK_F_USER_RECOVERY_FAIL_IO);
}

/* Aborts the commands that the driver has. Those of requests with the server it has not. */
void model_dev_cancel(struct model_dev *dev)
{
	for (unsigned q = 0; q < dev->info.nr_hw_queues; q++)
		for (unsigned t = 0; t < dev->info.queue_depth; t++) {
			struct model_tag *tag = &dev->queues[q].tags[t];

			if ((tag->flags & MODEL_TAG_ACTIVE) && !(tag->flags & MODEL_TAG_CANCELED))
				tag->flags |= MODEL_TAG_CANCELED | MODEL_TAG_PENDING;
		}
	model_kick();
}

static void cancel_server(struct model_dev *dev)
{
	if (!dev->open)
		return;
	dev->stopping = true;
	dev->canceling = true;
	model_dev_cancel(dev);
}

static void remove_disk(struct model_dev *dev)
{
	model_node_remove_block(dev);
	dev->disk = false;
	dev->dying = false;
	dev->info.state = UBLK_S_DEV_DEAD;
	dev->info.ublksrv_pid = -1;
	model_kick();
}

void model_dev_stop(struct model_dev *dev)
{
	if (dev->disk)
		dev->dying = true;
	else
		cancel_server(dev);
	model_dev_settle(dev);
}

/* The requests of a server that is no more. */
static void orphan_requests(struct model_dev *dev)
{
	const bool reissue = dev->info.flags & UBLK_F_USER_RECOVERY_REISSUE;
	const uint32_t slot = (uint32_t)(dev - model_state->devs);

	for (unsigned i = 0; i < MODEL_REQS; i++) {
		struct model_req *req = &model_state->reqs[i];

		if (req->dev != slot)
			continue;
		if (req->state == MODEL_REQ_SERVED && reissue)
			req->state = MODEL_REQ_QUEUED;
		else if (req->state == MODEL_REQ_SERVED ||
			 (req->state == MODEL_REQ_QUEUED && !model_dev_queues_io(dev)))
			model_req_finish(req, -EIO);
	}
}

static void reset_tags(struct model_dev *dev)
{
	for (unsigned q = 0; q < dev->info.nr_hw_queues; q++) {
		struct model_queue *queue = &dev->queues[q];

		queue->nr_ready = 0;
		queue->task = 0;
		for (unsigned t = 0; t < dev->info.queue_depth; t++) {
			/* A request that waits for the next server keeps its tag. */
			const uint16_t req = queue->tags[t].req;

			queue->tags[t] = (struct model_tag){.req = req};
		}
	}
	dev->nr_queue_ready = 0;
}

void model_dev_release(struct model_dev *dev)
{
	if (dev->disk) {
		dev->canceling = true;
		orphan_requests(dev);
		if (!model_dev_recoverable(dev)) {
			remove_disk(dev);
		} else if (model_dev_queues_io(dev)) {
			dev->info.state = UBLK_S_DEV_QUIESCED;
		} else {
			dev->info.state = UBLK_S_DEV_FAIL_IO;
		}
	}
	reset_tags(dev);
	dev->tgid = -1;
	dev->stopping = false;
	dev->frozen = false;
	dev->open = false;
	model_kick();
}

static void drop_dead_rings(struct model_dev *dev)
{
	for (unsigned i = 0; i < MODEL_RINGS; i++)
		if (dev->rings[i].pid && !model_proc_alive(&dev->rings[i]))
			dev->rings[i] = (struct model_proc){0};
}

void model_dev_settle(struct model_dev *dev)
{
	drop_dead_rings(dev);
	if (dev->open && !model_dev_held(dev))
		model_dev_release(dev);
	/* What waits for a next server fails, so that the stop can go on. */
	if (dev->dying && (!dev->open || dev->canceling))
		model_req_abort_queued(dev);
	if (dev->dying && model_req_count(dev) == 0) {
		remove_disk(dev);
		cancel_server(dev);
	}
	if (dev->openers == 0)
		dev->used = dev->disk;
	if (dev->deleting && !dev->dying && !dev->deleted) {
		model_node_remove_char(dev);
		dev->deleted = true;
		model_kick();
	}
	if (dev->deleted && !model_dev_used(dev) && !model_dev_held(dev)) {
		dev->gen = 0;
		model_kick();
	}
}

void model_settle(void)
{
	for (unsigned i = 0; i < MODEL_DEVS; i++)
		if (model_state->devs[i].gen)
			model_dev_settle(&model_state->devs[i]);
}

void model_run(void)
{
	model_lock();
	model_settle();
	model_unlock();
}

int model_set_openers(uint32_t id, unsigned openers)
{
	struct model_dev *dev;

	model_lock();
	dev = model_dev_find(id);
	if (dev)
		dev->openers = openers;
	model_kick();
	model_unlock();
	return dev ? 0 : -ENODEV;
}

int model_freeze(uint32_t id, bool frozen)
{
	struct model_dev *dev;

	model_lock();
	dev = model_dev_find(id);
	if (dev)
		dev->frozen = frozen;
	model_kick();
	model_unlock();
	return dev ? 0 : -ENODEV;
}

unsigned model_devices(void)
{
	unsigned count = 0;

	model_lock();
	model_settle();
	for (unsigned i = 0; i < MODEL_DEVS; i++)
		count += model_state->devs[i].gen != 0;
	model_unlock();
	return count;
}

unsigned model_rings(void)
{
	unsigned count = 0;

	model_lock();
	model_settle();
	for (unsigned i = 0; i < MODEL_DEVS; i++)
		if (model_state->devs[i].gen)
			count += model_dev_rings(&model_state->devs[i]);
	model_unlock();
	return count;
}
