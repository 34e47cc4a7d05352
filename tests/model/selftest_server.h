/* SPDX-License-Identifier: MIT */
#ifndef SELFTEST_SERVER_H
#define SELFTEST_SERVER_H

#include <pthread.h>

#include "model.h"

#define SERVER_DEPTH   4
#define SERVER_BUF     65536
#define SERVER_SECTORS 2048U

/* A ramdisk of one queue, as small as a server can be. */
struct server {
	struct uc_host host;
	uint32_t id;
	uint16_t qid, depth;
	uint64_t flags;    /* as granted */
	int32_t read_max;  /* report at most so many bytes of a READ; -1: all */
	int32_t write_max; /* the same for a WRITE */
	int32_t fail;      /* commit everything with this errno instead */
	bool hold;         /* commit nothing */
	bool touch;        /* really move data (not with model_feed()) */
	uint8_t *disk;     /* SERVER_SECTORS, shared with forks */

	int fd;
	struct io_uring ring;
	const uint8_t *descs;
	uint8_t *bufs;
	unsigned aborted, served, fetch_errors;
	pthread_t thread;
};

int server_open(struct server *s);
void server_fetch_all(struct server *s);
/* Serves until every tag is aborted, or submitting fails (that errno). */
int server_run(struct server *s);
void server_close(struct server *s);

/* open, fetch, run and close in a thread. */
void server_start(struct server *s);
void server_join(struct server *s);

/* One command on the ring; returns its CQE's result, which must come at once. */
int server_command(struct server *s, uint32_t op, struct ublksrv_io_cmd cmd);

#endif
