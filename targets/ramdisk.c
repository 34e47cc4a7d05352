/* SPDX-License-Identifier: MIT */
/* ramdisk: sparse shared memory, addressed by the driver directly. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "progress.h"
#include "range.h"
#include "size.h"
#include "targets.h"

#define PAGE 4096U
/* A ramdisk can grow up to this, since its addresses are taken from the start. */
#define MAX_GROWN (UINT64_C(1) << 40)
#define STEP      (UINT64_C(32) << 20) /* bytes; a multiple of any usual page */
#define MAX_NODES 1024U                /* that Linux can be built for */

enum { OPT_SIZE = UC_TARGET_OPTION, OPT_HUGE_PAGES, OPT_NUMA_NODE, OPT_PREALLOCATE };

struct ramdisk_config {
	uint64_t size;
	bool huge_pages;
	bool preallocate;
	int memory;    /* that there is already; 0: none */
	unsigned near; /* NUMA node + 1; 0: any */
};

struct ramdisk_target {
	struct uc_target base;
	char *memory;
	size_t mapped;   /* bytes: the size rounded up to whole pages of its kind */
	size_t reserved; /* bytes of address space, for growth: at least `mapped` */
};

static const struct poptOption ramdisk_options[] = {
	{"size", 's', POPT_ARG_STRING, NULL, OPT_SIZE, "size of the device", "SIZE"},
	{"huge-pages", '\0', POPT_ARG_NONE, NULL, OPT_HUGE_PAGES,
	 "take the memory from the kernel's pool of huge pages", NULL},
	{"numa-node", '\0', POPT_ARG_STRING, NULL, OPT_NUMA_NODE,
	 "take the memory from this NUMA node while it has any (default: from that of the CPU that "
	 "first uses it)",
	 "NODE"},
	{"preallocate", '\0', POPT_ARG_NONE, NULL, OPT_PREALLOCATE,
	 "allocate all memory now, not on first use", NULL},
	POPT_TABLEEND,
};

static int ramdisk_option(void *config, int option, const char *arg, struct uc_error *err)
{
	struct ramdisk_config *c = config;
	uint64_t node;

	switch (option) {
	case OPT_NUMA_NODE:
		if (uc_number_parse(arg, "--numa-node", 0, MAX_NODES - 1, &node, err) < 0)
			return -EINVAL;
		c->near = (unsigned)node + 1;
		return 0;
	case OPT_HUGE_PAGES:
		c->huge_pages = true;
		return 0;
	case OPT_PREALLOCATE:
		c->preallocate = true;
		return 0;
	default:
		if (uc_size_parse(arg, "--size", &c->size, err) < 0)
			return -EINVAL;
		return c->size ? 0 : uc_fail(err, UC_USAGE, EINVAL, "--size: it must not be 0");
	}
}

static uint64_t file_size(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? 0 : (uint64_t)st.st_size;
}

static uint64_t ramdisk_room(const struct uc_target *target)
{
	return file_size(target->fds[0]);
}

static uint64_t ramdisk_file_room(const void *config, int fd)
{
	(void)config;
	return file_size(fd);
}

static int ramdisk_check_room(const void *config, int fd, uint64_t size, struct uc_error *err)
{
	const struct ramdisk_config *c = config;
	const uint64_t old = file_size(fd);

	if (c->huge_pages)
		return uc_fail(err, UC_FAILED, EOPNOTSUPP,
			       "a ramdisk on huge pages cannot be resized: they were all reserved "
			       "when it was made");
	if (size > old && size > MAX_GROWN)
		return uc_fail(err, UC_FAILED, EFBIG, "a ramdisk can grow to 1T at most");
	return 0;
}

static int ramdisk_make_room(const void *config, int fd, uint64_t size, struct uc_error *err)
{
	(void)config;
	if (ftruncate(fd, (off_t)((size + PAGE - 1) / PAGE * PAGE)) == 0)
		return 0;
	if (errno == EPERM)
		return uc_fail(err, UC_FAILED, ENOMEM,
			       "this ramdisk cannot grow: its handler has no address space for "
			       "more; see ulimit -v");
	return uc_fail_errno(err, errno, "cannot resize the memory to %" PRIu64 " bytes", size);
}

static void ramdisk_adopt(void *config, int fd)
{
	struct ramdisk_config *c = config;

	c->memory = fd;
}

static void *ramdisk_address(const struct uc_target *target, const struct ublksrv_io_desc *iod)
{
	const struct ramdisk_target *t = (const struct ramdisk_target *)target;

	return t->memory + uc_iod_offset(iod);
}

static int ramdisk_queue_io(struct uc_queue *queue, struct uc_io *io)
{
	switch (ublksrv_get_op(io->iod)) {
	case UBLK_IO_OP_FLUSH:
		return 0;
	case UBLK_IO_OP_DISCARD:
	case UBLK_IO_OP_WRITE_ZEROES:
		return uc_range_start(queue, io, uc_iod_offset(io->iod));
	default:
		return -EOPNOTSUPP;
	}
}

static int ramdisk_io_event(struct uc_queue *queue, struct uc_io *io, int res)
{
	return uc_range_event(queue, io, uc_iod_offset(io->iod), res);
}

static void ramdisk_close(struct uc_target *target)
{
	struct ramdisk_target *t = (struct ramdisk_target *)target;

	if (!t)
		return;
	if (t->memory)
		munmap(t->memory, t->reserved);
	if (t->base.fds[0] >= 0)
		close(t->base.fds[0]);
	free(t);
}

static const struct uc_target_ops ramdisk_ops = {
	.name = "ramdisk",
	.address = ramdisk_address,
	.queue_io = ramdisk_queue_io,
	.io_event = ramdisk_io_event,
	.room = ramdisk_room,
	.close = ramdisk_close,
};

/* Bytes of one huge page of the default kind; 0 when the kernel has none. */
static uint64_t huge_page_size(void)
{
	uc_auto_file FILE *file = fopen("/proc/meminfo", "re");
	char line[128];
	uint64_t kib;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Hugepagesize: %" SCNu64 " kB", &kib) == 1)
			return kib << 10;
	return 0;
}

/* What was kept must be what the record says, or more: a growth may have come to nothing. */
static int check_memory(const struct ramdisk_target *t, struct uc_error *err)
{
	struct stat st;

	if (fstat(t->base.fds[0], &st) < 0)
		return uc_fail_errno(err, errno, "the kept memory");
	if ((uint64_t)st.st_size < t->mapped)
		return uc_fail(err, UC_FAILED, EINVAL,
			       "the kept memory has %" PRIu64 " bytes, not %zu",
			       (uint64_t)st.st_size, t->mapped);
	return 0;
}

/*
 * A policy of the file, so it holds for every handler, and for what is allocated after a discard.
 * Preferred and not bound: with the node full a write must go somewhere.
 */
static int place(const struct ramdisk_target *t, unsigned node, struct uc_error *err)
{
	unsigned long mask[MAX_NODES / (8 * sizeof(unsigned long))] = {0};
	const unsigned bits = 8 * sizeof(mask[0]);

	mask[node / bits] = 1UL << node % bits;
	/* The kernel takes one bit less than it is told. */
	if (syscall(SYS_mbind, t->memory, t->reserved, MPOL_PREFERRED, mask, MAX_NODES + 1, 0) == 0)
		return 0;
	return uc_fail(err, UC_FAILED, errno,
		       "--numa-node: this machine cannot take memory from node %u: %s", node,
		       uc_errno_text(errno));
}

/* Where address space is scarce (ulimit -v) there is none for growth, and the file says so. */
static void *map_memory(struct ramdisk_target *t)
{
	const int fd = t->base.fds[0];
	void *map = mmap(NULL, t->reserved, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map != MAP_FAILED || t->reserved == t->mapped)
		return map;
	t->reserved = t->mapped;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) < 0)
		return MAP_FAILED;
	return mmap(NULL, t->reserved, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

/* In steps: what takes long is told of, and can be interrupted. */
static int preallocate(const struct ramdisk_target *t, struct uc_error *err)
{
	uc_auto_progress struct uc_progress progress;

	uc_progress_begin(&progress, 0, "allocating memory");
	progress.total = t->mapped;
	for (; progress.done < t->mapped; progress.done += STEP) {
		const uint64_t left = t->mapped - progress.done;

		if (fallocate(t->base.fds[0], 0, (off_t)progress.done,
			      (off_t)(left < STEP ? left : STEP)) < 0)
			return uc_fail_errno(err, errno, "cannot allocate %zu bytes of memory",
					     t->mapped);
		uc_progress_tick();
	}
	return 0;
}

static int allocate(struct ramdisk_target *t, const struct ramdisk_config *c, uint64_t page,
		    bool dry_run, struct uc_error *err)
{
	const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING | (c->huge_pages ? MFD_HUGETLB : 0U);
	void *map;
	int ret = 0;

	t->mapped = (size_t)((t->base.size + page - 1) / page * page);
	t->base.fds[0] = c->memory ? c->memory : memfd_create("ublkctl-ramdisk", flags);
	if (t->base.fds[0] < 0)
		return uc_fail_errno(err, errno, "cannot make the memory file");
	if (c->memory)
		ret = check_memory(t, err);
	else if (ftruncate(t->base.fds[0], (off_t)t->mapped) < 0)
		ret = uc_fail_errno(err, errno, "cannot size the memory file to %zu bytes",
				    t->mapped);
	if (ret < 0)
		return ret;
	/* Huge pages are reserved here, so that none is missing later. */
	t->reserved = c->huge_pages || t->mapped > MAX_GROWN ? t->mapped : MAX_GROWN;
	map = map_memory(t);
	if (map == MAP_FAILED && c->huge_pages)
		return uc_fail(err, UC_FAILED, errno,
			       "not enough free huge pages: %" PRIu64 " of %" PRIu64
			       " KiB are needed; raise vm.nr_hugepages",
			       (uint64_t)t->mapped / page, page >> 10);
	if (map == MAP_FAILED)
		return uc_fail_errno(err, errno, "cannot map %zu bytes of memory", t->mapped);
	t->memory = map;
	ret = c->near ? place(t, c->near - 1, err) : 0;
	return ret == 0 && c->preallocate && !c->memory && !dry_run ? preallocate(t, err) : ret;
}

static int find_limits(const struct ramdisk_config *c, const struct uc_spec *spec, uint64_t page,
		       struct uc_limits *ret_limits, struct uc_error *err)
{
	if (!c->size)
		return uc_fail(err, UC_USAGE, EINVAL, "target ramdisk needs --size");
	return uc_target_memory_limits(spec, c->size, (uint32_t)page, ret_limits, err);
}

static int ramdisk_check(const void *config, const struct uc_spec *spec, struct uc_error *err)
{
	struct uc_limits limits;

	return find_limits(config, spec, PAGE, &limits, err);
}

static int ramdisk_open(const void *config, const struct uc_spec *spec,
			struct uc_target **ret_target, struct uc_error *err)
{
	const struct ramdisk_config *c = config;
	const uint64_t page = c->huge_pages ? huge_page_size() : PAGE;
	struct ramdisk_target *t;
	int ret;

	if (!page)
		return uc_fail(err, UC_FAILED, EOPNOTSUPP,
			       "--huge-pages: this kernel has no huge pages");
	t = calloc(1, sizeof(*t));
	if (!t)
		return uc_fail_errno(err, ENOMEM, "ramdisk");
	t->base.ops = &ramdisk_ops;
	t->base.home = UC_HOME_MEMORY;
	t->base.fds[0] = -1;
	t->base.nr_fds = 1;
	t->base.size = c->size;
	ret = find_limits(c, spec, page, &t->base.limits, err);
	if (ret == 0)
		ret = allocate(t, c, page, spec->dry_run, err);
	if (ret < 0) {
		ramdisk_close(&t->base);
		return ret;
	}
	*ret_target = &t->base;
	return 0;
}

static const int only_at_first[] = {OPT_PREALLOCATE, 0};

const struct uc_target_type uc_ramdisk_target = {
	.name = "ramdisk",
	.help = "data in memory, gone with the device",
	.options = ramdisk_options,
	.config_size = sizeof(struct ramdisk_config),
	.option = ramdisk_option,
	.check = ramdisk_check,
	.open = ramdisk_open,
	.adopt = ramdisk_adopt,
	.room = ramdisk_file_room,
	.check_room = ramdisk_check_room,
	.make_room = ramdisk_make_room,
	.size_option = "size",
	.at_first = only_at_first,
};
