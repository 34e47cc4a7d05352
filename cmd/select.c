/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "failures.h"
#include "proc.h"
#include "select.h"

static int add_id(struct selection *selection, uint32_t id, struct uc_error *err)
{
	uint32_t *more;

	for (size_t i = 0; i < selection->count; i++)
		if (selection->ids[i] == id)
			return 0;
	more = realloc(selection->ids, (selection->count + 1) * sizeof(*more));
	if (!more)
		return uc_fail_errno(err, ENOMEM, "the list of devices");
	selection->ids = more;
	selection->ids[selection->count++] = id;
	return 0;
}

int select_text(struct selection *selection, const char *text, struct uc_error *err)
{
	uint32_t id;
	int ret = uc_device_parse(selection->host, text, &id, err);

	return ret < 0 ? ret : add_id(selection, id, err);
}

int select_all(struct selection *selection, struct uc_error *err)
{
	free(selection->ids);
	selection->ids = NULL;
	return uc_device_ids(selection->host, &selection->ids, &selection->count, err);
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	if (S_ISBLK(a->st_mode) && S_ISBLK(b->st_mode))
		return a->st_rdev == b->st_rdev;
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* The handler's file says what is behind the device; a path may lead elsewhere by now. */
static bool stat_backing(const struct uc_record *r, struct stat *st)
{
	uc_auto_close int fd =
		r->keeper.fd < 0 ? -1 : uc_proc_take_file(r->pid, r->pid_start, r->keeper.fd);

	return fd >= 0 ? fstat(fd, st) == 0 : stat(r->backing, st) == 0;
}

static bool is_backed_by(const struct uc_device *d, const char *path)
{
	struct stat wanted;
	struct stat st;

	if (d->record_state != UC_RECORD_OK || !d->record.backing[0])
		return false;
	if (stat(path, &wanted) < 0)
		return strcmp(path, d->record.backing) == 0;
	return stat_backing(&d->record, &st) && is_same_file(&st, &wanted);
}

int select_file(struct selection *selection, const char *path, struct uc_error *err)
{
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	uc_auto_free uint32_t *ids = NULL;
	const size_t before = selection->count;
	struct uc_device d;
	size_t count = 0;
	int ret = uc_ctrl_open(selection->host, &ctrl, err);

	if (ret == 0)
		ret = uc_device_ids(selection->host, &ids, &count, err);
	for (size_t i = 0; ret == 0 && i < count; i++)
		if (uc_device_get(selection->host, ctrl, ids[i], &d, NULL) == 0 &&
		    is_backed_by(&d, path))
			ret = add_id(selection, ids[i], err);
	if (ret == 0 && selection->count == before)
		return uc_fail(err, UC_NO_DEVICE, ENODEV,
			       "--file: no device lies on '%s'; see 'ublkctl list'", path);
	return ret;
}

int select_check(struct selection *selection, bool all, struct uc_error *err)
{
	if (all && selection->count)
		return uc_fail(err, UC_USAGE, EINVAL, "--all and named devices exclude each other");
	if (!all && !selection->count)
		return uc_fail(err, UC_USAGE, EINVAL, "no device: give an id, a path, or --all");
	return all ? select_all(selection, err) : 0;
}

int select_each(struct selection *selection, const struct command *command,
		int (*one)(void *ctx, uint32_t id, struct uc_error *err), void *ctx,
		struct uc_error *err)
{
	const struct uc_host *host = selection->host;
	struct failures failures = {.command = command, .err = err};
	struct uc_host in_time;

	for (size_t i = 0; i < selection->count; i++) {
		struct uc_error mine = {0};
		int ret;

		in_time = uc_host_within(host, host->timeout_ms);
		selection->host = &in_time;
		ret = one(ctx, selection->ids[i], &mine);
		selection->host = host;
		failures_add(&failures, ret, &mine);
	}
	return failures_end(&failures);
}
