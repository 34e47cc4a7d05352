/* SPDX-License-Identifier: MIT */
/*
 * number: the worked example of HACKING.md. Each sector is filled with its own number, which is
 * made when it is read; whoever writes must write the same.
 */
#include <errno.h>
#include <stdlib.h>

#include "size.h"
#include "targets.h"

#define SECTOR 512U
#define WORDS  (SECTOR / sizeof(uint64_t))

/* --- the command-line half: options, and what becomes of them --- */

enum { OPT_SIZE = UC_TARGET_OPTION };

struct number_config {
	uint64_t size;
};

static const struct poptOption number_options[] = {
	{"size", 's', POPT_ARG_STRING, NULL, OPT_SIZE, "size of the device", "SIZE"},
	POPT_TABLEEND,
};

static int number_option(void *config, int option, const char *arg, struct uc_error *err)
{
	struct number_config *c = config;

	(void)option; /* there is but one */
	return uc_size_parse(arg, "--size", &c->size, err);
}

/* --- the I/O half: what becomes of a request --- */

static int read_numbers(struct uc_io *io)
{
	uint64_t *word = io->place;

	for (uint32_t i = 0; i < io->iod->nr_sectors; i++)
		for (size_t j = 0; j < WORDS; j++)
			*word++ = io->iod->start_sector + i;
	return (int)uc_iod_bytes(io->iod);
}

static int check_numbers(const struct uc_io *io)
{
	const uint64_t *word = io->place;

	for (uint32_t i = 0; i < io->iod->nr_sectors; i++)
		for (size_t j = 0; j < WORDS; j++)
			if (*word++ != io->iod->start_sector + i)
				return -EIO;
	return (int)uc_iod_bytes(io->iod);
}

static int number_queue_io(struct uc_queue *queue, struct uc_io *io)
{
	(void)queue;
	switch (ublksrv_get_op(io->iod)) {
	case UBLK_IO_OP_READ:
		return read_numbers(io);
	case UBLK_IO_OP_WRITE:
		return check_numbers(io);
	default: /* limits promise neither discards nor a cache to be flushed */
		return -EOPNOTSUPP;
	}
}

static void number_close(struct uc_target *target)
{
	free(target);
}

static const struct uc_target_ops number_ops = {
	.name = "number",
	.queue_io = number_queue_io,
	.close = number_close,
};

/* --- from one to the other --- */

static int number_open(const void *config, const struct uc_spec *spec,
		       struct uc_target **ret_target, struct uc_error *err)
{
	const struct number_config *c = config;
	struct uc_target *t;
	int ret;

	if (c->size == 0 || c->size % SECTOR)
		return uc_fail(err, UC_USAGE, EINVAL,
			       "target number needs a --size that is a multiple of %u", SECTOR);
	t = calloc(1, sizeof(*t));
	if (!t)
		return uc_fail_errno(err, ENOMEM, "number");
	t->ops = &number_ops;
	t->home = UC_HOME_CODE;
	t->size = c->size;
	t->limits = (struct uc_limits){
		.logical_bs = SECTOR,
		.physical_bs = SECTOR,
		.read_only = spec->read_only,
	};
	ret = uc_target_block_sizes(spec, &t->limits, err);
	if (ret < 0) {
		number_close(t);
		return ret;
	}
	*ret_target = t;
	return 0;
}

const struct uc_target_type uc_number_target = {
	.name = "number",
	.help = "each sector is filled with its number",
	.options = number_options,
	.config_size = sizeof(struct number_config),
	.option = number_option,
	.open = number_open,
	.size_option = "size",
};
