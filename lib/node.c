/* SPDX-License-Identifier: MIT */
#include "node.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cause.h"
#include "cleanup.h"
#include "deadline.h"
#include "progress.h"
#include "uevent.h"

/* How often a condition is looked at when no event comes. */
#define LOOK_MS 20

void uc_node_char_path(const struct uc_host *host, uint32_t id, char *buf, size_t size)
{
	snprintf(buf, size, "%s/ublkc%u", host->dev_dir, id);
}

void uc_node_block_path(const struct uc_host *host, uint32_t id, char *buf, size_t size)
{
	snprintf(buf, size, "%s/ublkb%u", host->dev_dir, id);
}

/* What is waited for: 0 when it is so, or the negative errno that stands in the way. */
struct wait {
	int (*look)(struct wait *w);
	const char *path;
	const char *other_path;
	uint32_t block;
	int fd;
	bool (*may_pass)(int errnum);
};

/* Looks until it is so, until what is in the way will not pass, or until the time is over. */
static int await(const struct uc_host *host, struct wait *w)
{
	const uint64_t deadline = uc_host_deadline(host);
	struct uc_uevent *events = NULL;
	int ret;

	while ((ret = w->look(w)) < 0) {
		unsigned left = uc_left_ms(deadline);

		if (!w->may_pass(-ret) || left == 0)
			break;
		if (!events)
			events = uc_uevent_open();
		uc_uevent_wait(events, left < LOOK_MS ? left : LOOK_MS);
		uc_progress_tick();
	}
	uc_uevent_close(events);
	return ret;
}

static bool node_may_come(int errnum)
{
	return errnum == ENOENT || errnum == ENXIO || errnum == EBUSY || errnum == EINTR;
}

static bool node_may_be_given(int errnum)
{
	return errnum == ENOENT || errnum == EACCES || errnum == EPERM;
}

static int look_ours(struct wait *w)
{
	return faccessat(AT_FDCWD, w->path, R_OK | W_OK, AT_EACCESS) < 0 ? -errno : 0;
}

int uc_node_await_ours(const struct uc_host *host, uint32_t id, struct uc_error *err)
{
	char path[128];
	struct wait w = {.look = look_ours, .path = path, .may_pass = node_may_be_given};
	int ret;

	uc_node_char_path(host, id, path, sizeof(path));
	ret = await(host, &w);
	if (ret == -ENOENT)
		return uc_fail(
			err, UC_PERMISSION, ENOENT,
			"there is no %s after %u ms: this /dev is not the machine's, in which "
			"device %u is left; a container needs that one",
			path, host->timeout_ms, id);
	if (ret < 0)
		return uc_fail(err, UC_PERMISSION, -ret,
			       "udev has not given you %s within %u ms (%s): ublkctl's udev rules "
			       "are not installed, or not in use; device %u is left, and only root "
			       "can delete it",
			       path, host->timeout_ms, uc_errno_text(-ret), id);
	return 0;
}

static int look_char(struct wait *w)
{
	w->fd = open(w->path, O_RDWR | O_CLOEXEC);
	return w->fd < 0 ? -errno : 0;
}

int uc_node_open_char(const struct uc_host *host, uint32_t id, int *ret_fd, struct uc_error *err)
{
	char path[128];
	struct wait w = {.look = look_char, .path = path, .may_pass = node_may_come};
	int ret;

	uc_node_char_path(host, id, path, sizeof(path));
	ret = await(host, &w);
	if (ret < 0) {
		(void)uc_fail_open(err, host, path, -ret);
		if (err && node_may_come(-ret))
			err->code = UC_TIMEOUT;
		return ret;
	}
	*ret_fd = w.fd;
	return 0;
}

static bool block_may_come(int errnum)
{
	return node_may_come(errnum) || errnum == EACCES;
}

static int look_block(struct wait *w)
{
	uc_auto_close int fd = open(w->path, O_RDONLY | O_CLOEXEC);
	uc_auto_free void *buf = malloc(w->block);
	ssize_t len;

	if (fd < 0)
		return -errno;
	if (!buf)
		return -ENOMEM;
	len = pread(fd, buf, w->block, 0);
	if (len < 0)
		return -errno;
	return len == (ssize_t)w->block ? 0 : -EIO;
}

/* As long as somebody claims the disk for a moment. What there is no sense in is left. */
static int look_for_partitions(struct wait *w)
{
	uc_auto_close int fd = open(w->path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && ioctl(fd, BLKRRPART) < 0 && errno == EBUSY ? -EBUSY : 0;
}

int uc_node_await_block(void *ctx, void *ret, struct uc_error *err)
{
	const struct uc_node_look *l = ctx;
	char path[128];
	struct wait w = {
		.look = look_block, .path = path, .block = l->block, .may_pass = node_may_come};
	int res;

	(void)ret;
	uc_node_block_path(&l->host, l->id, path, sizeof(path));
	/* A plain user's: udev has to give it to us. */
	if (l->host.unprivileged)
		w.may_pass = block_may_come;
	res = await(&l->host, &w);
	if (res == 0 && l->partitions) {
		w.look = look_for_partitions;
		(void)await(&l->host, &w);
	}
	if (res < 0)
		return uc_fail(err, w.may_pass(-res) ? UC_TIMEOUT : UC_FAILED, -res,
			       "%s was started but does not read: %s; see 'ublkctl doctor'", path,
			       uc_errno_text(-res));
	return 0;
}

static bool node_may_go(int errnum)
{
	return errnum == EEXIST;
}

static int look_gone(struct wait *w)
{
	return access(w->path, F_OK) == 0 || access(w->other_path, F_OK) == 0 ? -EEXIST : 0;
}

int uc_node_await_gone(const struct uc_host *host, uint32_t id, struct uc_error *err)
{
	char block[128];
	char character[128];
	struct wait w = {
		.look = look_gone, .path = block, .other_path = character, .may_pass = node_may_go};

	uc_node_block_path(host, id, block, sizeof(block));
	uc_node_char_path(host, id, character, sizeof(character));
	if (await(host, &w) < 0)
		return uc_fail(err, UC_TIMEOUT, ETIMEDOUT,
			       "device %u is deleted, but its node is still there after %u ms; it "
			       "goes when its last user closes it",
			       id, host->timeout_ms);
	return 0;
}
