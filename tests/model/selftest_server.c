/* SPDX-License-Identifier: MIT */
#include "selftest_server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DESCS_LEN(s) (((s)->depth * sizeof(struct ublksrv_io_desc) + 4095U) & ~(size_t)4095U)
#define STRIDE       ((UBLK_MAX_QUEUE_DEPTH * sizeof(struct ublksrv_io_desc) + 4095U) & ~(size_t)4095U)

static bool has(const struct server *s, uint64_t flag)
{
	return (s->flags & flag) != 0;
}

int server_open(struct server *s)
{
	char path[4096];
	void *map;
	int ret;

	s->aborted = s->served = s->fetch_errors = 0;
	snprintf(path, sizeof(path), "%s/ublkc%u", s->host.dev_dir, s->id);
	s->fd = open(path, O_RDWR | O_CLOEXEC);
	if (s->fd < 0)
		return -errno;
	map = mmap(NULL, DESCS_LEN(s), PROT_READ, MAP_SHARED, s->fd,
		   (off_t)((size_t)s->qid * STRIDE));
	s->bufs = calloc(s->depth, SERVER_BUF);
	if (map == MAP_FAILED || !s->bufs)
		return -ENOMEM;
	s->descs = map;
	ret = s->host.transport->ring_init(&s->ring, s->depth, &s->fd, 1, 0);
	if (ret < 0) {
		munmap(map, DESCS_LEN(s));
		free(s->bufs);
		close(s->fd);
	}
	return ret;
}

void server_close(struct server *s)
{
	s->host.transport->ring_exit(&s->ring);
	munmap((void *)(uintptr_t)s->descs, DESCS_LEN(s));
	free(s->bufs);
	close(s->fd);
}

static void queue_command(struct server *s, uint32_t op, struct ublksrv_io_cmd cmd)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);

	if (!sqe)
		abort(); /* a test that overfills its own ring */
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->flags = IOSQE_FIXED_FILE;
	sqe->off = op;
	sqe->user_data = cmd.tag;
	memcpy((char *)sqe + offsetof(struct io_uring_sqe, addr3), &cmd, sizeof(cmd));
}

int server_command(struct server *s, uint32_t op, struct ublksrv_io_cmd cmd)
{
	struct io_uring_cqe *cqe;
	int ret;

	queue_command(s, op, cmd);
	ret = s->host.transport->ring_submit(&s->ring, 1);
	if (ret < 0 || io_uring_peek_cqe(&s->ring, &cqe) < 0)
		return ret < 0 ? ret : -ENODATA;
	ret = cqe->res;
	io_uring_cqe_seen(&s->ring, cqe);
	return ret;
}

static uint64_t buffer_of(const struct server *s, uint16_t tag)
{
	if (has(s, UBLK_F_USER_COPY))
		return 0;
	return (uint64_t)(uintptr_t)(s->bufs + (size_t)tag * SERVER_BUF);
}

void server_fetch_all(struct server *s)
{
	for (uint16_t tag = 0; tag < s->depth; tag++)
		queue_command(s, UBLK_U_IO_FETCH_REQ,
			      (struct ublksrv_io_cmd){
				      .q_id = s->qid,
				      .tag = tag,
				      .addr = buffer_of(s, tag),
			      });
}

static const struct ublksrv_io_desc *desc_of(const struct server *s, uint16_t tag)
{
	return (const void *)(s->descs + tag * sizeof(struct ublksrv_io_desc));
}

/* Straight in the disk's memory with get-data, else by way of the tag's buffer. */
static uint64_t address_of(const struct server *s, uint16_t tag)
{
	if (has(s, UBLK_F_NEED_GET_DATA))
		return (uint64_t)(uintptr_t)(s->disk + (desc_of(s, tag)->start_sector << 9));
	return buffer_of(s, tag);
}

static void move_data(struct server *s, uint16_t tag, uint32_t bytes)
{
	const struct ublksrv_io_desc *iod = desc_of(s, tag);
	uint8_t *data = s->disk + (iod->start_sector << 9);
	uint8_t *buf = s->bufs + (size_t)tag * SERVER_BUF;
	const off_t at = (off_t)ublk_user_copy_offset(s->qid, tag);
	const bool is_read = ublksrv_get_op(iod) == UBLK_IO_OP_READ;
	ssize_t ret = (ssize_t)bytes;

	if (!s->touch || has(s, UBLK_F_NEED_GET_DATA))
		return;
	if (!is_read && has(s, UBLK_F_USER_COPY))
		ret = pread(s->fd, buf, bytes, at);
	memcpy(is_read ? buf : data, is_read ? data : buf, bytes);
	if (is_read && has(s, UBLK_F_USER_COPY))
		ret = pwrite(s->fd, buf, bytes, at);
	if (ret != (ssize_t)bytes)
		abort();
}

static int32_t serve(struct server *s, uint16_t tag)
{
	const struct ublksrv_io_desc *iod = desc_of(s, tag);
	const uint8_t op = ublksrv_get_op(iod);
	const int32_t max = op == UBLK_IO_OP_READ ? s->read_max : s->write_max;
	uint32_t bytes = iod->nr_sectors << 9;

	s->served++;
	if (s->fail)
		return -s->fail;
	if (op != UBLK_IO_OP_READ && op != UBLK_IO_OP_WRITE)
		return 0;
	if (max >= 0 && (uint32_t)max < bytes)
		bytes = (uint32_t)max;
	move_data(s, tag, bytes);
	return (int32_t)bytes;
}

static void answer(struct server *s, uint16_t tag, int res)
{
	struct ublksrv_io_cmd cmd = {.q_id = s->qid, .tag = tag};
	uint32_t op = UBLK_U_IO_COMMIT_AND_FETCH_REQ;

	if (res == -ENODEV) {
		s->aborted++;
		return;
	}
	if (res < 0) {
		s->fetch_errors++;
		return;
	}
	cmd.addr = address_of(s, tag);
	if (res == UBLK_IO_RES_NEED_GET_DATA)
		op = UBLK_U_IO_NEED_GET_DATA;
	else if (s->hold)
		return;
	else
		cmd.result = serve(s, tag);
	queue_command(s, op, cmd);
}

int server_run(struct server *s)
{
	while (s->aborted + s->fetch_errors < s->depth) {
		struct io_uring_cqe *cqe;
		unsigned head;
		unsigned count = 0;
		int ret = s->host.transport->ring_submit(&s->ring, 1);

		if (ret < 0)
			return ret;
		io_uring_for_each_cqe (&s->ring, head, cqe) {
			answer(s, (uint16_t)cqe->user_data, cqe->res);
			count++;
		}
		io_uring_cq_advance(&s->ring, count);
	}
	return 0;
}

static void *thread_main(void *arg)
{
	struct server *s = arg;

	if (server_open(s) < 0)
		return NULL;
	server_fetch_all(s);
	server_run(s);
	server_close(s);
	return NULL;
}

void server_start(struct server *s)
{
	if (pthread_create(&s->thread, NULL, thread_main, s))
		abort();
}

void server_join(struct server *s)
{
	pthread_join(s->thread, NULL);
}
