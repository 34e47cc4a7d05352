/* SPDX-License-Identifier: MIT */
/*
 * A struct io_uring in ordinary memory: liburing's inline functions work on it as on a kernel's
 * ring, and submitting runs everything at once in the caller's thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deadline.h"
#include "model_priv.h"

#define POLL_MS 20

static struct model_ring *ring_of(const struct io_uring *ring)
{
	return ring->sq.ring_ptr;
}

unsigned model_ring_room(const struct model_ring *r)
{
	const unsigned head = __atomic_load_n(&r->cq_head, __ATOMIC_ACQUIRE);

	return r->cq_entries - (r->cq_tail - head);
}

static unsigned ready(const struct model_ring *r)
{
	return r->cq_entries - model_ring_room(r);
}

void model_ring_post(struct model_ring *r, uint64_t user_data, int res)
{
	struct io_uring_cqe *cqe = &r->cqes[r->cq_tail & r->cq_mask];

	cqe->user_data = user_data;
	cqe->res = res;
	cqe->flags = 0;
	__atomic_store_n(&r->cq_tail, r->cq_tail + 1, __ATOMIC_RELEASE);
}

static unsigned power_of_2_from(unsigned n)
{
	unsigned p = 1;

	while (p < n)
		p *= 2;
	return p;
}

/* The fields that liburing's inline functions look at, and no ring_fd for the others. */
static void dress(struct io_uring *ring, struct model_ring *r)
{
	memset(ring, 0, sizeof(*ring));
	ring->sq.khead = &r->sq_head;
	ring->sq.ktail = &r->sq_tail;
	ring->sq.kring_mask = &r->sq_mask;
	ring->sq.kring_entries = &r->sq_entries;
	ring->sq.kflags = &r->sq_flags;
	ring->sq.kdropped = &r->sq_dropped;
	ring->sq.array = r->array;
	ring->sq.sqes = r->sqes;
	ring->sq.ring_ptr = r;
	ring->sq.ring_mask = r->sq_mask;
	ring->sq.ring_entries = r->sq_entries;
	ring->cq.khead = &r->cq_head;
	ring->cq.ktail = &r->cq_tail;
	ring->cq.kring_mask = &r->cq_mask;
	ring->cq.kring_entries = &r->cq_entries;
	ring->cq.kflags = &r->cq_flags;
	ring->cq.koverflow = &r->cq_overflow;
	ring->cq.cqes = r->cqes;
	ring->cq.ring_ptr = r;
	ring->cq.ring_mask = r->cq_mask;
	ring->cq.ring_entries = r->cq_entries;
	ring->features = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG;
	ring->ring_fd = -1;
	ring->enter_ring_fd = -1;
}

static int alloc_rings(struct model_ring *r, unsigned entries)
{
	r->sq_entries = power_of_2_from(entries);
	r->cq_entries = 2 * r->sq_entries;
	r->sq_mask = r->sq_entries - 1;
	r->cq_mask = r->cq_entries - 1;
	r->sqes = calloc(r->sq_entries, sizeof(*r->sqes));
	r->cqes = calloc(r->cq_entries, sizeof(*r->cqes));
	r->array = calloc(r->sq_entries, sizeof(*r->array));
	if (!r->sqes || !r->cqes || !r->array)
		return -ENOMEM;
	for (unsigned i = 0; i < r->sq_entries; i++)
		r->array[i] = i;
	return 0;
}

/* Registered files stay open whatever becomes of the caller's descriptors. */
static int take_files(struct model_ring *r, const int *fds, unsigned nr_fds)
{
	if (nr_fds > MODEL_RING_FDS)
		return -EMFILE;
	for (unsigned i = 0; i < nr_fds; i++) {
		r->fds[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
		if (fds[i] >= 0 && r->fds[i] < 0)
			return -errno;
		r->nr_fds = i + 1;
	}
	return 0;
}

static int map_descs(struct model_ring *r)
{
	char path[64];
	void *map;

	snprintf(path, sizeof(path), "self/fd/%d", r->fds[0]);
	r->char_fd = openat(model_proc_fd(), path, O_RDWR | O_CLOEXEC);
	if (r->char_fd < 0)
		return -errno;
	r->descs_len = r->dev->info.nr_hw_queues * model_desc_stride(r->dev);
	map = mmap(NULL, r->descs_len, PROT_READ | PROT_WRITE, MAP_SHARED, r->char_fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	r->descs = map;
	return 0;
}

/* With the lock: makes this process the device's server, unless another one is. */
static int join(struct model_ring *r)
{
	const struct model_proc self = model_proc_self();
	struct model_dev *dev = r->dev;
	unsigned id = 0;

	if (dev->open && dev->tgid != self.pid)
		return -EBUSY;
	/* Nobody saw the file closed, but a server that begins again has closed and opened it. */
	if (dev->open && model_dev_rings(dev) == 0)
		model_dev_release(dev);
	while (id < MODEL_RINGS && dev->rings[id].pid)
		id++;
	if (id == MODEL_RINGS)
		return -ENOMEM;
	dev->open = true;
	dev->tgid = self.pid;
	dev->rings[id] = self;
	r->id = (uint8_t)id;
	r->gen = dev->gen;
	return 0;
}

static int attach_device(struct model_ring *r)
{
	struct stat st;
	int ret;

	model_open_dirs();
	model_lock();
	model_proc_enter();
	model_settle();
	ret = -model_take_fault(MODEL_OP_RING_INIT);
	if (ret == 0 && r->nr_fds > 0 && r->fds[0] >= 0 && fstat(r->fds[0], &st) == 0)
		r->dev = model_dev_by_file(st.st_dev, st.st_ino);
	if (r->dev) {
		ret = map_descs(r);
		if (ret == 0)
			ret = join(r);
		/* Not joined: nothing to leave. */
		if (ret < 0)
			r->dev = NULL;
	}
	model_unlock();
	return ret;
}

static void free_ring(struct model_ring *r)
{
	if (r->descs)
		munmap(r->descs, r->descs_len);
	if (r->char_fd >= 0)
		close(r->char_fd);
	for (unsigned i = 0; i < r->nr_fds; i++)
		if (r->fds[i] >= 0)
			close(r->fds[i]);
	model_feed_free(r);
	free(r->sqes);
	free(r->cqes);
	free(r->array);
	free(r);
}

int model_ring_init(struct io_uring *ring, unsigned entries, const int *fds, unsigned nr_fds,
		    unsigned nr_bufs)
{
	struct model_ring *r;
	int ret;

	if (entries == 0 || entries > 32768)
		return -EINVAL;
	/* No table of registered buffers: see MODEL_LACKS. */
	if (nr_bufs)
		return -EOPNOTSUPP;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->char_fd = -1;
	ret = alloc_rings(r, entries);
	if (ret == 0)
		ret = take_files(r, fds, nr_fds);
	if (ret == 0)
		ret = attach_device(r);
	if (ret < 0) {
		free_ring(r);
		return ret;
	}
	r->ring = ring;
	dress(ring, r);
	return 0;
}

int model_ring_probe(void)
{
	int ret;

	model_lock();
	ret = -model_take_fault(MODEL_OP_RING_PROBE);
	model_unlock();
	return ret;
}

void model_ring_exit(struct io_uring *ring)
{
	struct model_ring *r = ring_of(ring);
	struct model_dev *dev = r->dev;
	const uint8_t id = r->id;

	free_ring(r);
	memset(ring, 0, sizeof(*ring));
	if (!dev)
		return;
	model_lock();
	dev->rings[id] = (struct model_proc){0};
	model_settle();
	model_kick();
	model_unlock();
}

static int run_driver_command(struct model_ring *r, const struct io_uring_sqe *sqe)
{
	int res;

	if (r->feed.on)
		return model_feed_cmd(r, sqe);
	model_lock();
	res = model_cmd(r, sqe);
	model_unlock();
	return res;
}

static int run_sqe(struct model_ring *r, const struct io_uring_sqe *sqe)
{
	int fault = 0;

	if (sqe->opcode == IORING_OP_URING_CMD)
		return run_driver_command(r, sqe);
	if (!r->feed.on) {
		model_lock();
		fault = model_take_fault(MODEL_OP_SQE(sqe->opcode));
		model_unlock();
	}
	if (fault == MODEL_NEVER)
		return MODEL_NO_CQE;
	if (fault && fault != MODEL_NEVER_DONE)
		return -fault;
	return model_sqe_run(r, sqe);
}

/* A failure, or a transfer that is short, ends a chain of linked requests. */
static bool breaks_link(const struct io_uring_sqe *sqe, int res)
{
	switch (sqe->opcode) {
	case IORING_OP_READ:
	case IORING_OP_WRITE:
	case IORING_OP_READ_FIXED:
	case IORING_OP_WRITE_FIXED:
		return res < 0 || (unsigned)res != sqe->len;
	default:
		return res < 0 && res != MODEL_NO_CQE;
	}
}

/* Consumes what is queued. Returns how much, or -EBUSY when there is no room for completions. */
static int submit_all(struct model_ring *r)
{
	struct io_uring_sq *sq = &r->ring->sq;
	bool broken = false;
	int count = 0;

	r->sq_tail = sq->sqe_tail;
	while (r->sq_head != r->sq_tail && model_ring_room(r)) {
		const struct io_uring_sqe *sqe = &r->sqes[r->sq_head & r->sq_mask];
		const int res = broken ? -ECANCELED : run_sqe(r, sqe);

		broken = (sqe->flags & IOSQE_IO_LINK) && (broken || breaks_link(sqe, res));
		if (res != MODEL_NO_CQE)
			model_ring_post(r, sqe->user_data, res);
		__atomic_store_n(&r->sq_head, r->sq_head + 1, __ATOMIC_RELEASE);
		count++;
	}
	sq->sqe_head = r->sq_head;
	return r->sq_head != r->sq_tail && count == 0 ? -EBUSY : count;
}

static int await(struct model_ring *r, unsigned wait)
{
	const uint64_t limit = uc_deadline(model_state->cfg.idle_limit_ms);
	int ret = 0;

	model_lock();
	for (;;) {
		const bool frozen = r->dev && r->dev->frozen;

		if (r->dev && !frozen)
			model_cmd_poll(r);
		model_feed_try(r);
		if ((ready(r) >= wait && !frozen) || ret < 0)
			break;
		if (model_gone())
			ret = -ENXIO;
		else if (!uc_left_ms(limit))
			ret = -ETIMEDOUT;
		else
			ret = model_pause(limit, POLL_MS);
	}
	model_unlock();
	/* As the kernel: what came before a signal or the end is taken first. */
	return ready(r) > 0 ? 0 : ret;
}

int model_ring_submit(struct io_uring *ring, unsigned wait)
{
	struct model_ring *r = ring_of(ring);
	int fault = 0;
	int count;
	int ret;

	if (!r->feed.on) {
		model_lock();
		fault = model_take_fault(MODEL_OP_RING_SUBMIT);
		model_unlock();
	}
	if (fault)
		return -fault;
	count = submit_all(r);
	if (count < 0)
		return count;
	if (r->feed.on) {
		model_feed_poll(r);
		return count;
	}
	ret = await(r, wait);
	return count > 0 ? count : ret;
}
