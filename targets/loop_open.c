/* SPDX-License-Identifier: MIT */
/* loop: the command-line half, and how the file is opened. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cause.h"
#include "cleanup.h"
#include "handler.h"
#include "log.h"
#include "loop.h"
#include "size.h"
#include "targets.h"

#define MAX_RANGE (1U << 30)

enum {
	OPT_FILE = UC_TARGET_OPTION,
	OPT_OFFSET,
	OPT_SIZE_LIMIT,
	OPT_DIRECT_IO,
	OPT_SHARE,
	OPT_CREATE,
	OPT_SIZE,
};

enum direct_io { DIRECT_AUTO, DIRECT_ON, DIRECT_OFF };

struct loop_config {
	char file[PATH_MAX];
	uint64_t offset;
	uint64_t size_limit; /* 0: to the end */
	uint64_t size;       /* of a file to be created */
	enum direct_io direct_io;
	bool create;
	bool share;
	int fd;                      /* that is open already; 0: none */
	struct uc_identity expected; /* not known: whatever the path leads to */
};

static const struct poptOption loop_options[] = {
	{"file", 'f', POPT_ARG_STRING, NULL, OPT_FILE, "regular file or block device", "FILE"},
	{"offset", 'o', POPT_ARG_STRING, NULL, OPT_OFFSET, "start of the device in the file",
	 "SIZE"},
	{"size-limit", '\0', POPT_ARG_STRING, NULL, OPT_SIZE_LIMIT,
	 "use at most so much of the file", "SIZE"},
	{"direct-io", '\0', POPT_ARG_STRING, NULL, OPT_DIRECT_IO,
	 "bypass the page cache (default auto)", "auto|on|off"},
	{"share", '\0', POPT_ARG_NONE, NULL, OPT_SHARE,
	 "let other devices and programs that say so, too, write to the file", NULL},
	{"create", '\0', POPT_ARG_NONE, NULL, OPT_CREATE, "make a new sparse file of --size", NULL},
	{"size", 's', POPT_ARG_STRING, NULL, OPT_SIZE, "size of the file that --create makes",
	 "SIZE"},
	POPT_TABLEEND,
};

static int parse_direct_io(struct loop_config *c, const char *arg, struct uc_error *err)
{
	static const char *const words[] = {
		[DIRECT_AUTO] = "auto", [DIRECT_ON] = "on", [DIRECT_OFF] = "off"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(arg, words[i]) == 0) {
			c->direct_io = (enum direct_io)i;
			return 0;
		}
	}
	return uc_fail(err, UC_USAGE, EINVAL, "--direct-io: '%s' is none of auto, on, off", arg);
}

static int parse_positive(const char *arg, const char *what, uint64_t *ret, struct uc_error *err)
{
	if (uc_size_parse(arg, what, ret, err) < 0)
		return -EINVAL;
	return *ret ? 0 : uc_fail(err, UC_USAGE, EINVAL, "%s: it must not be 0", what);
}

static int loop_option(void *config, int option, const char *arg, struct uc_error *err)
{
	struct loop_config *c = config;

	switch (option) {
	case OPT_FILE:
		if (!*arg || strlen(arg) >= sizeof(c->file))
			return uc_fail(err, UC_USAGE, EINVAL, "--file: the name is %s",
				       *arg ? "too long" : "empty");
		strcpy(c->file, arg);
		return 0;
	case OPT_OFFSET:
		return uc_size_parse(arg, "--offset", &c->offset, err);
	case OPT_SIZE_LIMIT:
		return parse_positive(arg, "--size-limit", &c->size_limit, err);
	case OPT_DIRECT_IO:
		return parse_direct_io(c, arg, err);
	case OPT_SIZE:
		return parse_positive(arg, "--size", &c->size, err);
	case OPT_SHARE:
		c->share = true;
		return 0;
	default:
		c->create = true;
		return 0;
	}
}

static int loop_check(const void *config, const struct uc_spec *spec, struct uc_error *err)
{
	const struct loop_config *c = config;

	if (!c->file[0])
		return uc_fail(err, UC_USAGE, EINVAL,
			       "target loop needs --file: the file or block device to serve");
	if (c->create && !c->size)
		return uc_fail(err, UC_USAGE, EINVAL, "--create needs --size");
	if (c->size && !c->create)
		return uc_fail(err, UC_USAGE, EINVAL,
			       "--size goes with --create; --size-limit uses a part of a file");
	if (c->create && spec->read_only)
		return uc_fail(err, UC_USAGE, EINVAL,
			       "--create and --read-only exclude each other");
	if (c->offset % LOOP_SECTOR)
		return uc_fail(err, UC_USAGE, EINVAL,
			       "--offset: %" PRIu64 " is not a multiple of %u", c->offset,
			       LOOP_SECTOR);
	return 0;
}

static int explain_open(const char *file, int errnum, struct uc_error *err)
{
	if (errnum == ENOENT)
		return uc_fail(err, UC_FAILED, errnum,
			       "%s: %s; name another, or make one with --create --size SIZE", file,
			       uc_errno_text(errnum));
	if (errnum == EROFS)
		return uc_fail(err, UC_FAILED, errnum, "%s: %s; use --read-only", file,
			       uc_errno_text(errnum));
	if (errnum == EBUSY)
		return uc_fail(err, UC_BUSY, errnum,
			       "%s is in use (mounted, or held by another device); release it, or "
			       "use --read-only",
			       file);
	if (errnum == EEXIST)
		return uc_fail(err, UC_DIFFERS, errnum,
			       "%s: %s already; leave out --create to use it", file,
			       uc_errno_text(errnum));
	return uc_fail_file(err, file, errnum);
}

/* A file without a name where it would be, to be tried with; in memory where there is no such. */
static int open_trial(const char *name)
{
	uc_auto_free char *copy = strdup(name);
	struct stat st;
	int fd;

	/* As O_EXCL has it: not even a link that leads nowhere may be there. */
	if (lstat(name, &st) == 0) {
		errno = EEXIST;
		return -1;
	}
	if (!copy || errno != ENOENT)
		return -1;
	fd = open(dirname(copy), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))
		fd = memfd_create("ublkctl-trial", MFD_CLOEXEC);
	return fd;
}

static int create_file(struct loop_target *t, const struct loop_config *c, bool dry_run,
		       struct uc_error *err)
{
	/* Who interrupts us is heard when the device is made, and then the file goes again. */
	uc_handler_hold_signals();
	t->base.fds[0] = dry_run ? open_trial(c->file)
				 : open(c->file, O_RDWR | O_CLOEXEC | O_CREAT | O_EXCL, 0600);
	if (t->base.fds[0] < 0 && errno == ENOENT)
		return uc_fail(err, UC_FAILED, ENOENT,
			       "%s cannot be made: its directory does not exist", c->file);
	if (t->base.fds[0] < 0)
		return explain_open(c->file, errno, err);
	t->created = !dry_run;
	if (ftruncate(t->base.fds[0], (off_t)c->size) < 0)
		return uc_fail_errno(err, errno, "%s: cannot make it %" PRIu64 " bytes long",
				     c->file, c->size);
	return 0;
}

static int open_file(struct loop_target *t, const struct loop_config *c, const struct uc_spec *spec,
		     struct uc_error *err)
{
	const bool read_only = spec->read_only;
	/* Not blocking: a FIFO by mistake would hang here. O_EXCL claims a block device. */
	int flags = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK;
	struct stat st;

	if (c->fd) {
		t->base.fds[0] = c->fd;
		return 0;
	}
	if (c->create)
		return create_file(t, c, spec->dry_run, err);
	if (stat(c->file, &st) < 0)
		return explain_open(c->file, errno, err);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return uc_fail(err, UC_FAILED, EINVAL,
			       "%s is %s; give a regular file or a block device", c->file,
			       S_ISDIR(st.st_mode) ? "a directory" : "neither file nor disk");
	if (S_ISBLK(st.st_mode) && !read_only && !c->share)
		flags |= O_EXCL;
	t->base.fds[0] = uc_loop_open_free(c->file, flags, &st, !c->expected.known);
	return t->base.fds[0] < 0 ? explain_open(c->file, -t->base.fds[0], err) : 0;
}

static int claim(const struct loop_target *t, const struct loop_config *c,
		 const struct uc_spec *spec, struct uc_error *err)
{
	const struct loop_claim how = {.fd = t->base.fds[0],
				       .file = c->file,
				       .read_only = spec->read_only,
				       .share = c->share,
				       .dry_run = spec->dry_run,
				       .anew = !c->fd && !c->expected.known};

	return uc_loop_claim(&how, err);
}

static bool is_power_of_two(uint32_t n)
{
	return n && (n & (n - 1)) == 0;
}

static int set_limits(struct loop_target *t, const struct loop_backing *b,
		      const struct uc_spec *spec, struct uc_error *err)
{
	t->base.limits = (struct uc_limits){
		.logical_bs = b->sector,
		.physical_bs = b->physical,
		.io_opt = is_power_of_two(b->io_opt) ? b->io_opt : 0,
		.volatile_cache = b->write_cache,
		.rotational = b->rotational,
		.read_only = spec->read_only,
	};
	if (b->can_punch && !spec->read_only) {
		t->base.limits.discard_granularity =
			is_power_of_two(b->granularity) && b->granularity >= b->sector
				? b->granularity
				: 4096;
		t->base.limits.max_discard = MAX_RANGE;
		t->base.limits.max_write_zeroes = MAX_RANGE;
	}
	return uc_target_block_sizes(spec, &t->base.limits, err);
}

static int set_size(struct loop_target *t, const struct loop_config *c,
		    const struct loop_backing *b, struct uc_error *err)
{
	const uint32_t block = t->base.limits.logical_bs;
	uint64_t rest;

	if (c->offset % block)
		return uc_fail(err, UC_USAGE, EINVAL,
			       "--offset: %" PRIu64 " is not a multiple of the block size %u",
			       c->offset, block);
	if (c->size % block)
		return uc_fail(err, UC_USAGE, EINVAL,
			       "--size: %" PRIu64 " is not a multiple of the block size %u",
			       c->size, block);
	if (b->size == 0)
		return uc_fail(err, UC_FAILED, EINVAL,
			       "%s is empty; grow it first, for example with truncate -s 1G",
			       c->file);
	if (c->offset >= b->size)
		return uc_fail(err, UC_USAGE, EINVAL,
			       "--offset: %" PRIu64 " is behind the end of %s (%" PRIu64 " bytes)",
			       c->offset, c->file, b->size);
	t->offset = c->offset;
	t->base.size = b->size - c->offset;
	if (c->size_limit && c->size_limit < t->base.size)
		t->base.size = c->size_limit;
	rest = t->base.size % block;
	t->base.size -= rest;
	if (t->base.size == 0)
		return uc_fail(err, UC_FAILED, EINVAL, "%s: less than one block of %u bytes to use",
			       c->file, block);
	/* Only of a new device: it is what it was afterwards. */
	if (rest && !c->fd && !c->expected.known)
		uc_log(LOG_WARNING,
		       "%s: the last %" PRIu64 " bytes are left out: the device has blocks of %u",
		       c->file, rest, block);
	return 0;
}

/* Direct I/O where the backing can do it for every block of ours. */
static int set_direct(struct loop_target *t, const struct loop_config *c,
		      const struct loop_backing *b, bool dry_run, struct uc_error *err)
{
	const int fd = t->base.fds[0];
	const bool fits = b->direct_align && t->base.limits.logical_bs % b->direct_align == 0 &&
			  t->offset % b->direct_align == 0;
	int flags = fcntl(fd, F_GETFL);

	if (c->direct_io == DIRECT_ON && !fits)
		return uc_fail(err, UC_FAILED, EINVAL,
			       "--direct-io: %s %s; use --direct-io auto or a larger "
			       "--logical-block-size",
			       c->file,
			       b->direct_align ? "needs larger or better aligned blocks for it"
					       : "does not support it");
	/* O_NONBLOCK was for the opening only. */
	flags &= ~O_NONBLOCK;
	t->direct = fits && c->direct_io != DIRECT_OFF;
	/* It is a handler's, too. */
	if (c->fd && dry_run)
		return 0;
	if (fcntl(fd, F_SETFL, flags | (t->direct ? O_DIRECT : 0)) == 0)
		return 0;
	if (c->direct_io == DIRECT_ON || !t->direct)
		return uc_fail_errno(err, errno, "%s: cannot set direct I/O", c->file);
	t->direct = false;
	return fcntl(fd, F_SETFL, flags) < 0 ? uc_fail_errno(err, errno, "%s", c->file) : 0;
}

/* What goes through the page cache can be seen there. */
static void set_view(struct loop_target *t, bool read_only)
{
	if (t->direct)
		return;
	if (uc_view_open(&t->view, t->base.fds[0], t->offset + t->base.size, read_only) == 0)
		t->base.home = t->view.known ? UC_HOME_VIEW : UC_HOME_CACHE;
}

static void set_backing(struct loop_target *t, const char *file)
{
	uc_auto_free char *lasting = uc_path_lasting(file);

	snprintf(t->base.backing, sizeof(t->base.backing), "%s", lasting ? lasting : file);
}

/* Not by its path: that may lead to another file or disk by now, which is not ours to write to. */
static int identify(struct loop_target *t, const struct loop_config *c, struct uc_error *err)
{
	char is[UC_IDENTITY_TEXT];
	char was[UC_IDENTITY_TEXT];

	t->base.identity = uc_identity_of(t->base.fds[0]);
	if (!c->expected.known || uc_identity_is_same(&c->expected, &t->base.identity))
		return 0;
	uc_identity_format(&t->base.identity, is, sizeof(is));
	uc_identity_format(&c->expected, was, sizeof(was));
	return uc_fail(err, UC_DIFFERS, ESTALE,
		       "%s is not what is behind the device: it is %s now, and was %s; put that "
		       "back in its place",
		       c->file, is, was);
}

static void loop_undo(const struct uc_target *target)
{
	const struct loop_target *t = (const struct loop_target *)target;

	if (t->created)
		(void)unlink(target->backing);
}

static int loop_open(const void *config, const struct uc_spec *spec, struct uc_target **ret_target,
		     struct uc_error *err)
{
	const struct loop_config *c = config;
	struct loop_backing b = {0};
	struct loop_target *t;
	int ret;

	ret = loop_check(c, spec, err);
	if (ret < 0)
		return ret;
	t = calloc(1, sizeof(*t));
	if (!t)
		return uc_fail_errno(err, ENOMEM, "loop");
	t->base.ops = &uc_loop_ops;
	t->base.home = UC_HOME_FILE;
	t->base.fds[0] = -1;
	t->base.nr_fds = 1;
	ret = open_file(t, c, spec, err);
	set_backing(t, c->file);
	if (ret == 0)
		ret = identify(t, c, err);
	if (ret == 0)
		ret = claim(t, c, spec, err);
	if (ret == 0)
		ret = uc_loop_inspect(t->base.fds[0], c->file, spec->dry_run, &b, err);
	if (ret == 0)
		ret = set_limits(t, &b, spec, err);
	if (ret == 0)
		ret = set_size(t, c, &b, err);
	if (ret == 0)
		ret = set_direct(t, c, &b, spec->dry_run, err);
	if (ret == 0)
		set_view(t, spec->read_only);
	if (ret < 0) {
		loop_undo(&t->base);
		uc_loop_ops.close(&t->base);
		return ret;
	}
	*ret_target = &t->base;
	return 0;
}

uint64_t uc_loop_room(int fd, uint64_t offset)
{
	const off_t end = lseek(fd, 0, SEEK_END);

	return end < 0 || (uint64_t)end < offset ? 0 : (uint64_t)end - offset;
}

static uint64_t loop_file_room(const void *config, int fd)
{
	return uc_loop_room(fd, ((const struct loop_config *)config)->offset);
}

static bool is_disk(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISBLK(st.st_mode);
}

static int loop_check_room(const void *config, int fd, uint64_t size, struct uc_error *err)
{
	const struct loop_config *c = config;
	const uint64_t room = loop_file_room(config, fd);

	if (!is_disk(fd) || size <= room)
		return 0;
	return uc_fail(err, UC_FAILED, ENOSPC,
		       "%s has only %" PRIu64 " bytes for the device, not %" PRIu64, c->file, room,
		       size);
}

static int loop_make_room(const void *config, int fd, uint64_t size, struct uc_error *err)
{
	const struct loop_config *c = config;

	if (is_disk(fd))
		return 0;
	if (ftruncate(fd, (off_t)(c->offset + size)) < 0)
		return uc_fail_errno(err, errno, "%s: cannot make it %" PRIu64 " bytes long",
				     c->file, c->offset + size);
	return 0;
}

static void loop_adopt(void *config, int fd)
{
	((struct loop_config *)config)->fd = fd;
}

static void loop_expect(void *config, const struct uc_identity *identity)
{
	((struct loop_config *)config)->expected = *identity;
}

static const int only_at_first[] = {OPT_CREATE, OPT_SIZE, 0};

const struct uc_target_type uc_loop_target = {
	.name = "loop",
	.help = "a regular file or a block device",
	.options = loop_options,
	.config_size = sizeof(struct loop_config),
	.option = loop_option,
	.check = loop_check,
	.open = loop_open,
	.adopt = loop_adopt,
	.expect = loop_expect,
	.room = loop_file_room,
	.check_room = loop_check_room,
	.make_room = loop_make_room,
	.size_option = "size-limit",
	.backing = OPT_FILE,
	.at_first = only_at_first,
	.undo = loop_undo,
};
