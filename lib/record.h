/* SPDX-License-Identifier: MIT */
#ifndef UC_RECORD_H
#define UC_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "affinity.h"
#include "error.h"
#include "host.h"
#include "identity.h"
#include "lock.h"
#include "target.h"
#include "ublk_abi.h"

/* A process that outlives a handler; see keeper.h. */
struct uc_keeper_id {
	int32_t pid;    /* 0: there is none */
	uint64_t start; /* see uc_proc_start_time() */
	int32_t fd;     /* there and in the handler: the file of the target, -1: it has none */
};

/* What a device was that is stopped by intention, and may be started again. */
struct uc_stopped {
	bool is;
	uint16_t queues;
	uint16_t depth;
	uint32_t max_io_size; /* bytes */
	uint64_t flags;       /* UBLK_F_*, as granted */
};

/*
 * A resize that has begun: which of the two sizes the device has, the driver knows. Whoever changes
 * the device next says it in the record; see settle.h.
 */
struct uc_resizing {
	uint64_t from;   /* bytes; 0: there is none */
	char option[32]; /* of the target: what says the size */
};

#define UC_OPTIONS_MAX 1024
#define UC_NAME_MAX    64

/*
 * What the kernel does not know of a device: a JSON file `<run_dir>/<id>.json` that its handler
 * writes. It only adds to what the kernel says; nothing is decided from it alone.
 */
struct uc_record {
	uint32_t id;
	uint64_t cookie;    /* as in dev_info.ublksrv_flags: proves that the two belong together */
	int32_t pid;        /* the handler */
	uint64_t pid_start; /* see uc_proc_start_time() */
	char name[UC_NAME_MAX]; /* "": it has none */
	char target[32];
	char backing[UC_BACKING_MAX];
	struct uc_identity identity; /* of the backing; not known by earlier versions */
	char path[32];               /* the data path in use */
	bool path_asked;             /* it was asked for, and not chosen */

	/* For a new handler: */
	uint16_t threads;     /* of each queue */
	uint32_t logical_bs;  /* as asked for, bytes; 0: not */
	uint32_t physical_bs; /* as asked for, bytes; 0: not */
	bool read_only;
	bool respawn;
	bool recovering; /* one is on its way, or died on it */
	struct uc_cpus cpus;
	char shared_memory[UC_BACKING_MAX];
	char options[UC_OPTIONS_MAX]; /* of the target, but for its backing: a JSON object */
	struct uc_keeper_id keeper;
	/* Only counts while the device is not served. */
	struct uc_stopped stopped;
	struct uc_resizing resizing;
};

/*
 * Of the device that the lock is about. A reader sees a whole record or none, and a full file
 * system only keeps the first one from being written.
 */
int uc_record_write(const struct uc_host *host, const struct uc_lock *lock,
		    const struct uc_record *record, struct uc_error *err);

/*
 * Reads the record of a device that the kernel describes as *info. -ENOENT: there is none,
 * or the device is a plain user's and we are root. -EINVAL: it is spoiled. -ESTALE: it tells of
 * another device that once had this id.
 */
int uc_record_read(const struct uc_host *host, const struct ublksrv_ctrl_dev_info *info,
		   struct uc_record *ret_record);

/* The same without a device to compare it with: what it says may be long over. */
int uc_record_load(const struct uc_host *host, uint32_t id, struct uc_record *ret_record);

/* Whether a file of that name is a record ("7.json"), and of which id. */
bool uc_record_is_file(const char *name, uint32_t *ret_id);

/* Says in it that the target's option has this value. -E2BIG: there is no room for that. */
int uc_record_set_size(struct uc_record *record, const char *option, uint64_t bytes);

/* Removes the record and what else is kept of the device. Fine if there is nothing. */
int uc_record_remove(const struct uc_host *host, const struct uc_lock *lock, struct uc_error *err);

#endif
