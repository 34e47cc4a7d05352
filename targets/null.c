/* SPDX-License-Identifier: MIT */
/* null: reads are zeroes, writes go nowhere. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cleanup.h"
#include "size.h"
#include "targets.h"

#define DEFAULT_SIZE (UINT64_C(250) << 30)
#define PAGE         4096U
#define REPEATED     (UINT64_C(64) << 10) /* bytes of memory that stand for a whole area */

enum { OPT_SIZE = UC_TARGET_OPTION, OPT_READS };

struct null_config {
	uint64_t size;
	bool reads_any;
};

struct null_target {
	struct uc_target base;
	size_t room;  /* bytes of each of the two areas: the largest request */
	void *zeroes; /* never written */
	void *sink;   /* every write lands here, and nobody reads it */
};

static const struct poptOption null_options[] = {
	{"size", 's', POPT_ARG_STRING, NULL, OPT_SIZE, "size of the device (default 250G)", "SIZE"},
	{"reads", '\0', POPT_ARG_STRING, NULL, OPT_READS,
	 "what reads return: zero (default), or any old memory, which is faster but may show "
	 "readers what others had there",
	 "zero|any"},
	POPT_TABLEEND,
};

static int null_option(void *config, int option, const char *arg, struct uc_error *err)
{
	struct null_config *c = config;

	if (option == OPT_READS) {
		c->reads_any = strcmp(arg, "any") == 0;
		return c->reads_any || strcmp(arg, "zero") == 0
			       ? 0
			       : uc_fail(err, UC_USAGE, EINVAL,
					 "--reads: '%s' is neither zero nor any", arg);
	}
	if (uc_size_parse(arg, "--size", &c->size, err) < 0)
		return -EINVAL;
	return c->size ? 0 : uc_fail(err, UC_USAGE, EINVAL, "--size: it must not be 0");
}

static void *null_address(const struct uc_target *target, const struct ublksrv_io_desc *iod)
{
	const struct null_target *t = (const struct null_target *)target;

	return ublksrv_get_op(iod) == UBLK_IO_OP_READ ? t->zeroes : t->sink;
}

static int null_queue_io(struct uc_queue *queue, struct uc_io *io)
{
	(void)queue;
	switch (ublksrv_get_op(io->iod)) {
	case UBLK_IO_OP_FLUSH:
	case UBLK_IO_OP_DISCARD:
	case UBLK_IO_OP_WRITE_ZEROES:
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

/* Without limit */
static uint64_t null_room(const struct uc_target *target)
{
	(void)target;
	return UINT64_MAX;
}

static void null_close(struct uc_target *target)
{
	struct null_target *t = (struct null_target *)target;

	if (!t)
		return;
	if (t->zeroes)
		munmap(t->zeroes, t->room);
	if (t->sink)
		munmap(t->sink, t->room);
	free(t);
}

static const struct uc_target_ops null_ops = {
	.name = "null",
	.address = null_address,
	.queue_io = null_queue_io,
	.room = null_room,
	.close = null_close,
};

/*
 * Little memory looks like much: the same pages over and over. Real ones, and not the kernel's
 * zero page, which it can only take a lock for.
 */
static void *map_area(size_t size, int prot)
{
	char *area =
		mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uc_auto_close int fd = memfd_create("ublkctl-null", MFD_CLOEXEC);

	if (area == MAP_FAILED)
		return NULL;
	if (fd < 0 || fallocate(fd, 0, 0, REPEATED) < 0)
		goto unmap;
	for (size_t at = 0; at < size; at += REPEATED) {
		const size_t len = size - at < REPEATED ? size - at : REPEATED;

		if (mmap(area + at, len, prot, MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, 0) ==
		    MAP_FAILED)
			goto unmap;
	}
	return area;

unmap:
	munmap(area, size);
	return NULL;
}

static int null_check(const void *config, const struct uc_spec *spec, struct uc_error *err)
{
	struct uc_limits limits;

	const struct null_config *c = config;

	return uc_target_memory_limits(spec, c->size, PAGE, &limits, err);
}

static int null_open(const void *config, const struct uc_spec *spec, struct uc_target **ret_target,
		     struct uc_error *err)
{
	const struct null_config *c = config;
	struct null_target *t = calloc(1, sizeof(*t));
	int ret;

	if (!t)
		return uc_fail_errno(err, ENOMEM, "null");
	t->base.ops = &null_ops;
	t->base.home = UC_HOME_NOWHERE;
	t->base.reads_any = c->reads_any;
	ret = uc_target_memory_limits(spec, c->size, PAGE, &t->base.limits, err);
	if (ret < 0)
		goto fail;
	t->base.size = c->size ? c->size : DEFAULT_SIZE;
	t->room = spec->max_io_size;
	t->zeroes = map_area(t->room, PROT_READ);
	t->sink = map_area(t->room, PROT_READ | PROT_WRITE);
	if (!t->zeroes || !t->sink) {
		ret = uc_fail_errno(err, ENOMEM, "null");
		goto fail;
	}
	*ret_target = &t->base;
	return 0;

fail:
	null_close(&t->base);
	return ret;
}

const struct uc_target_type uc_null_target = {
	.name = "null",
	.help = "reads are zeroes, writes are dropped",
	.options = null_options,
	.config_size = sizeof(struct null_config),
	.option = null_option,
	.check = null_check,
	.open = null_open,
	.size_option = "size",
};
