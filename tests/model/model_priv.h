/* SPDX-License-Identifier: MIT */
#ifndef MODEL_PRIV_H
#define MODEL_PRIV_H

#include <pthread.h>
#include <sys/types.h>

#include "model.h"

#define MODEL_DEVS      64
#define MODEL_QUEUES    8
#define MODEL_RINGS     16 /* of one device */
#define MODEL_REQS      32
#define MODEL_REQ_BYTES (1U << 20)
#define MODEL_FAULTS    32
#define MODEL_COUNTS    64
#define MODEL_PROCS     256
#define MODEL_PAGE      4096U
#define MODEL_PATH      4096

/* A process, told apart from a later one with the same pid. */
struct model_proc {
	int32_t pid;
	uint32_t pad;
	uint64_t start;
};

#define MODEL_TAG_ACTIVE   0x01 /* the driver has the command: the next request completes it */
#define MODEL_TAG_OWNED    0x02 /* the server has the request */
#define MODEL_TAG_GET_DATA 0x04 /* the server was told to ask for the data */
#define MODEL_TAG_CANCELED 0x08 /* aborted: the driver has no command left to complete */
#define MODEL_TAG_PENDING  0x10 /* the abort is to be posted by the ring */

struct model_tag {
	uint8_t flags;
	uint8_t ring;
	uint16_t req;  /* index + 1 of the request that has this tag; 0: none */
	int32_t task;  /* thread that fetched */
	uint64_t addr; /* buffer, or auto registration data */
	uint64_t user_data;
};

struct model_queue {
	uint32_t nr_ready;
	int32_t task; /* first fetcher, for kernels without PER_IO_DAEMON */
	struct model_tag tags[UBLK_MAX_QUEUE_DEPTH];
};

struct model_dev {
	uint64_t gen; /* 0: this slot is free */
	struct ublksrv_ctrl_dev_info info;
	struct ublk_params params;
	uint64_t ino; /* of ublkcN, to know it by any fd */
	uint64_t st_dev;
	bool disk;      /* ublkbN exists */
	bool used;      /* or has existed and somebody still has it open */
	bool open;      /* a server has ublkcN */
	bool stopping;  /* STOP_DEV aborted that server's commands */
	bool canceling; /* requests are not given to the server */
	bool dying;     /* STOP_DEV waits for requests */
	bool deleting;  /* DEL_DEV waits for the stop */
	bool deleted;   /* gone from sight; the id is taken until everybody has let go */
	bool frozen;    /* model_freeze() */
	bool closed;    /* TRY_STOP_DEV forbids opening */
	uint32_t openers;
	int32_t tgid; /* the server's; -1: none */
	uint32_t nr_queue_ready;
	uint64_t bufs; /* REG_BUF: indices in use */
	struct model_proc rings[MODEL_RINGS];
	struct model_queue queues[MODEL_QUEUES];
};

enum model_req_state {
	MODEL_REQ_FREE,
	MODEL_REQ_QUEUED, /* has a tag, waits for the server to take it */
	MODEL_REQ_SERVED, /* with the server */
	MODEL_REQ_DONE,   /* waits for the client to take the result */
};

struct model_req {
	uint32_t state;
	uint32_t dev;
	uint16_t qid;
	uint16_t tag;
	uint32_t op_flags;
	uint64_t sector;
	uint32_t nr_sectors;
	uint32_t bytes; /* of data; 0 for requests without */
	uint32_t done;
	int32_t result;
	bool abandoned; /* the client gave up */
	struct model_proc client;
};

struct model_fault {
	uint32_t op;
	int32_t errnum;
	uint32_t skip;
	uint32_t times;
};

/* The shared file. No pointers; everything but `seq` belongs to the holder of the lock. */
struct model_state {
	uint64_t magic;
	pthread_mutex_t lock;
	uint32_t seq; /* futex: changes whenever somebody may have something to do */
	bool destroyed;
	struct model_config cfg;
	uint64_t gen;
	uint32_t connections;
	uint32_t nr_faults;
	struct model_fault faults[MODEL_FAULTS];
	struct {
		uint32_t op, count;
	} counts[MODEL_COUNTS];
	struct model_proc procs[MODEL_PROCS]; /* whoever may hold a ublkcN */
	struct model_dev devs[MODEL_DEVS];
	struct model_req reqs[MODEL_REQS];
	uint8_t data[MODEL_REQS][MODEL_REQ_BYTES] __attribute__((aligned(MODEL_PAGE)));
};

extern struct model_state *model_state;

/* model.c */
void model_lock(void);
void model_unlock(void);
/* Wakes all that wait in model_pause(). */
void model_kick(void);
/* With the lock: gives it up until kicked, at most max_ms or the deadline. -EINTR: a signal. */
int model_pause(uint64_t deadline, unsigned max_ms);
bool model_gone(void);
/* With the lock: counts a call of op. Returns the errno (or MODEL_NEVER...) it is to meet, or 0. */
int model_take_fault(uint32_t op);
void model_sleep_until(uint64_t deadline);
/*
 * A server gives up its mounts and closes files that it does not know, and may then still have to
 * do a kernel's work. So nothing is reached by an absolute path, but by these two directories;
 * whoever opens a connection or a ring sees to it that they are open.
 */
void model_open_dirs(void);
int model_root_fd(void);
int model_proc_fd(void);
bool model_has(uint64_t feature);

/* model_proc.c */
struct model_proc model_proc_self(void);
bool model_proc_alive(const struct model_proc *proc);
/* With the lock: remembers this process as one that may hold device files. */
void model_proc_enter(void);
/* Whether the caller has CAP_SYS_ADMIN, and who owns what it makes. */
bool model_proc_is_admin(void);
uint32_t model_proc_uid(void);
/* Whether any of those has the file open or mapped. */
bool model_proc_hold(uint64_t st_dev, uint64_t ino);

/* model_node.c: what is seen of devices below root. */
int model_node_root(const char *root);
void model_node_cpus(unsigned count);
void model_node_remove_root(void);
int model_node_add_char(struct model_dev *dev);
void model_node_remove_char(const struct model_dev *dev);
int model_node_add_block(const struct model_dev *dev);
void model_node_remove_block(const struct model_dev *dev);
int model_node_resize(const struct model_dev *dev);
/* Whether a test has put something on top of it: that has it open, too. */
bool model_node_is_held(const struct model_dev *dev);

/* model_dev.c: life of devices; all with the lock. */
struct model_dev *model_dev_find(uint32_t id);
struct model_dev *model_dev_by_file(uint64_t st_dev, uint64_t ino);
size_t model_desc_stride(const struct model_dev *dev);
bool model_dev_ready(const struct model_dev *dev);
bool model_dev_used(const struct model_dev *dev);
unsigned model_dev_rings(const struct model_dev *dev);
bool model_dev_held(const struct model_dev *dev);
bool model_dev_queues_io(const struct model_dev *dev);
bool model_dev_recoverable(const struct model_dev *dev);
void model_dev_cancel(struct model_dev *dev);
void model_dev_stop(struct model_dev *dev);
/* ublkcN has been closed: the server is gone, dead or not. */
void model_dev_release(struct model_dev *dev);
void model_dev_settle(struct model_dev *dev);
void model_settle(void);

/* model_params.c */
int model_params_set(struct model_dev *dev, uint64_t addr, uint32_t len);
int model_params_get(struct model_dev *dev, uint64_t addr, uint32_t len);

/* model_req.c: requests and their clients; with the lock. */
bool model_op_has_data(uint32_t op_flags);
unsigned model_req_count(const struct model_dev *dev);
void model_req_finish(struct model_req *req, int result);
/* After `bytes` more of its data: ends it, or queues it again for the rest. */
void model_req_advance(struct model_req *req, uint32_t bytes);
/* Fails the requests that wait for a server. */
void model_req_abort_queued(struct model_dev *dev);

/* model_add.c */
int model_add_dev(const struct ublksrv_ctrl_cmd *cmd);

/* model_command.c */
/* One command under way. The lock is held but for waits, and may find the device gone after. */
struct model_call {
	struct model_dev *dev;
	uint64_t gen;
	struct ublksrv_ctrl_cmd cmd; /* without the path before the payload */
	uint64_t deadline;
};

struct model_command {
	uint32_t op;
	bool no_device;            /* is not about a device that exists */
	bool takes_mutex;          /* waits behind a stop */
	bool needs_device;         /* the device must have `needs` too */
	bool blocked_unprivileged; /* not for devices of unprivileged owners */
	uint64_t needs;            /* feature that the kernel must have to know the command */
	int (*run)(struct model_call *c);
};

extern const struct model_command model_commands[];
extern const size_t nr_model_commands;

/* 0, -ENODEV when the device has gone meanwhile, or -ETIMEDOUT. */
int model_call_wait(struct model_call *c, bool (*done)(const struct model_dev *),
		    uint64_t deadline);
bool model_not_dying(const struct model_dev *dev);

/* model_ctrl.c */
int model_ctrl_open(const struct uc_host *host, void **ret_conn);
int model_ctrl_call(void *arg, uint32_t op, const struct ublksrv_ctrl_cmd *cmd,
		    unsigned timeout_ms);
void model_ctrl_close(void *arg);

/* model_ring.c */
#define MODEL_RING_FDS 16

struct model_feed_state {
	bool on;
	uint16_t qid, depth;
	uint64_t left;
	uint64_t sector;
	uint32_t op_flags, nr_sectors;
	uint32_t idle;    /* tags without a request */
	uint32_t aborted; /* tags told that it is over */
	struct model_tag *tags;
};

struct model_ring {
	struct io_uring *ring;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	unsigned *array;
	unsigned sq_head, sq_tail, sq_flags, sq_dropped;
	unsigned cq_head, cq_tail, cq_flags, cq_overflow;
	unsigned sq_mask, sq_entries, cq_mask, cq_entries;
	int fds[MODEL_RING_FDS];
	unsigned nr_fds;
	struct model_dev *dev; /* NULL: fixed file 0 is no ublkcN of the model */
	uint64_t gen;
	uint8_t id;     /* in dev->rings */
	int char_fd;    /* ublkcN again, for user copy */
	uint8_t *descs; /* ublkcN's descriptor area */
	size_t descs_len;
	struct model_feed_state feed;
};

int model_ring_init(struct io_uring *ring, unsigned entries, const int *fds, unsigned nr_fds,
		    unsigned nr_bufs);
int model_ring_submit(struct io_uring *ring, unsigned wait);
void model_ring_exit(struct io_uring *ring);
int model_ring_probe(void);
unsigned model_ring_room(const struct model_ring *r);
void model_ring_post(struct model_ring *r, uint64_t user_data, int res);

/* model_sqe.c: what is not for the driver. */
int model_sqe_run(struct model_ring *r, const struct io_uring_sqe *sqe);

/* model_tag.c: the server's commands; with the lock. */
#define MODEL_NO_CQE INT32_MIN
int model_cmd(struct model_ring *r, const struct io_uring_sqe *sqe);
/* Posts what has come for this ring. */
void model_cmd_poll(struct model_ring *r);
struct ublksrv_io_desc *model_desc(const struct model_ring *r, unsigned qid, unsigned tag);
struct ublksrv_io_cmd model_sqe_cmd(const struct io_uring_sqe *sqe);

/* model_feed.c */
/* With the lock: begins when the ring's device is live. */
void model_feed_try(struct model_ring *r);
/* Then without the lock. */
int model_feed_cmd(struct model_ring *r, const struct io_uring_sqe *sqe);
void model_feed_poll(struct model_ring *r);
void model_feed_free(struct model_ring *r);

#endif
