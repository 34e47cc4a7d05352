/* SPDX-License-Identifier: MIT */
#ifndef UC_SPEC_H
#define UC_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "affinity.h"
#include "recovery.h"

#define UC_DEFAULT_QUEUES      1
#define UC_DEFAULT_THREADS     1
#define UC_DEFAULT_DEPTH       128
#define UC_DEFAULT_MAX_IO_SIZE (512U * 1024U)

struct uc_path;

/* What is wanted of a new device. What was granted is a struct ublksrv_ctrl_dev_info. */
struct uc_spec {
	uint32_t id;          /* UC_ID_ANY: the driver chooses */
	uint16_t queues;      /* 1 to UBLK_MAX_NR_QUEUES */
	uint16_t threads;     /* that serve each queue, 1 to depth */
	uint16_t depth;       /* requests in flight per queue, 1 to UBLK_MAX_QUEUE_DEPTH */
	uint32_t max_io_size; /* bytes, a multiple of 4096 */
	uint32_t logical_bs;  /* bytes; 0: as the target's data has it */
	uint32_t physical_bs; /* bytes; 0: as the target's data has it */
	const char *name;     /* or NULL; not ours */
	bool read_only;
	bool queues_set; /* the user said so, and must get exactly that */
	bool path_asked; /* the same of the path */
	bool foreground;
	bool lingers;      /* a handler that is told to end waits for those who use its device */
	bool respawn;      /* a handler that dies is replaced */
	bool unprivileged; /* a plain user's */
	bool dry_run;      /* nothing is to be made: the target is opened to see that it can be */
	enum uc_recovery recovery;
	struct uc_cpus cpus;        /* that the threads may use; empty: any */
	const struct uc_path *path; /* NULL: the best that the driver has for the target's data */
	const char *shared_memory;  /* file that clients do I/O from, or NULL; not ours */
	/* What the target needs besides its backing to be opened again: JSON text; not ours. */
	const char *target_options;
};

#endif
