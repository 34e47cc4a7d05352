/* SPDX-License-Identifier: MIT */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host.h"
#include "transport.h"
#include "ublk_abi.h"

/*
 * A model of the ublk driver: its states and errno rules (those of Linux 7.3 unless configured
 * otherwise) behind struct uc_transport, for tests without root and without the kernel's driver.
 * All of it lives in one file below a root directory, so that a command, the handler it forks and
 * the next run of the program see the same devices. Functions return 0 or a positive result, or a
 * negative errno.
 */
extern const struct uc_transport uc_transport_model;

/* First argument of the getpriority(2) with which the model begins and ends to be a kernel. */
#define MODEL_MARK 0x6d6f

/* "The kernel" that is modelled. */
struct model_config {
	uint64_t features;         /* UBLK_F_* that it knows */
	uint64_t ungranted;        /* those that it names, and grants to nobody all the same */
	uint32_t param_types;      /* UBLK_PARAM_TYPE_* that it knows */
	unsigned nr_cpu_ids;       /* 1 to 4096; queues are clamped to it, and to 8 */
	unsigned ublks_max;        /* unprivileged devices allowed at once */
	unsigned idle_limit_ms;    /* a server that waits longer for anything gets -ETIMEDOUT */
	bool unprivileged;         /* callers lack CAP_SYS_ADMIN; see also model_be_user() */
	bool requeue_short_writes; /* as 6.12 did; 7.3 takes a short WRITE for a complete one */
};

/* 7.3, but for MODEL_LACKS: batches, and what needs a real ring's table of registered buffers. */
#define MODEL_LACKS (UBLK_F_SUPPORT_ZERO_COPY | UBLK_F_AUTO_BUF_REG | UBLK_F_BATCH_IO)
struct model_config model_config_newest(void);
struct model_config model_config_6_12(void);

/*
 * Makes root/{model.state,dev,sys,run} and attaches to it. cfg may be NULL: the newest. root must
 * exist or its parent must; -EEXIST: there is a model. One attached model per process; a forked
 * child inherits it.
 */
int model_create(const char *root, const struct model_config *cfg);
int model_attach(const char *root);
void model_detach(void);
/* Tells waiting servers to give up, removes what model_create() made, and detaches. */
void model_destroy(void);

/*
 * From now on this process, and what it forks, is a plain user with this uid (and gid), and not
 * what model_config has callers be. 0: an administrator.
 */
void model_be_user(uint32_t uid);

/* A host on the attached model. Its strings are valid until model_detach(). */
struct uc_host model_host(unsigned timeout_ms);

/* Sees to what happens by itself in a kernel: dead servers, stops and deletions that wait. */
void model_run(void);

/* How many have the block device open: TRY_STOP_DEV refuses, DEL_DEV and a restart wait. */
int model_set_openers(uint32_t id, unsigned openers);

/*
 * A server that is stuck: its rings take no requests and their submissions do not return. To be
 * used instead of SIGSTOP, which may meet the server with the model's lock in its hands.
 */
int model_freeze(uint32_t id, bool frozen);

/* Requests that the device's server has taken and not committed. */
unsigned model_with_server(uint32_t id);

/*
 * One request from a client of the block device, as the block layer would pass it on: split at
 * the device's limits, data in `data` for READ and WRITE. op_flags: UBLK_IO_OP_* | UBLK_IO_F_*.
 * Returns the bytes moved (0 for requests without data) or what the client's errno would be.
 * -ETIMEDOUT: the request stays with the driver. READ buffers are pre-filled with 0xa5.
 */
int model_io(uint32_t id, unsigned qid, uint32_t op_flags, uint64_t sector, uint32_t nr_sectors,
	     void *data, unsigned timeout_ms);

/* The same in two halves, unsplit and unchecked, for several at once: returns a handle. */
int model_io_submit(uint32_t id, unsigned qid, uint32_t op_flags, uint64_t sector,
		    uint32_t nr_sectors, const void *data, unsigned timeout_ms);
int model_io_wait(int handle, void *data, unsigned timeout_ms);

/*
 * Rings made by this process from now on generate requests for themselves, without locks, data
 * or waits, once their device is live: `count` per ring, of nr_sectors each, one after the other
 * in the device. After the last one every tag is aborted as by STOP_DEV. For counting a server's
 * instructions; count 0 ends it.
 */
void model_feed(uint64_t count, uint32_t op_flags, uint32_t nr_sectors);

/* Instead of an errno: never answers (ctrl_call says -ETIMEDOUT) ... */
#define MODEL_NEVER 0x10000
/* ... or does what was asked, and then never answers. */
#define MODEL_NEVER_DONE 0x10001
#define MODEL_ALWAYS     UINT32_MAX

/* What is not a UBLK_U_* command but can fail and is counted as well. */
#define MODEL_OP_CTRL_OPEN   1U
#define MODEL_OP_RING_INIT   2U
#define MODEL_OP_RING_SUBMIT 3U
#define MODEL_OP_RING_PROBE  4U
#define MODEL_OP_SQE(opcode) (0x100U + (opcode)) /* an IORING_OP_* on a ring */

/*
 * Plans a failure: after `skip` calls that pass, `times` calls of `op` (UBLK_U_CMD_*, UBLK_U_IO_*
 * or MODEL_OP_*) fail with errnum and without effect. Plans for one op work off one after the
 * other. They are part of the shared state: any process meets them. -ENOSPC: too many plans.
 */
int model_fail(uint32_t op, int errnum, uint32_t skip, uint32_t times);
void model_fail_clear(void);
/*
 * Replaces all plans by those of UBLKCTL_MODEL_FAULT="START_DEV:EBUSY[:skip[:times]];DEL_DEV:never"
 * (none: not set). Also never-done, a decimal errno, and "always" for times; names of other ops
 * are RING_INIT, FETCH_REQ and so on. -EINVAL: not understood.
 */
int model_fault_from_env(void);

/* How often an op was called so far (any process), failed ones included. */
unsigned model_calls(uint32_t op);

/* What is left over, to see that nothing leaks. */
unsigned model_devices(void);     /* ids in use */
unsigned model_rings(void);       /* rings made and not gone, dead processes' apart */
unsigned model_connections(void); /* ctrl_open without ctrl_close, killed processes' included */
unsigned model_requests(void);    /* requests in flight or not waited for */

#endif
