/* SPDX-License-Identifier: MIT */
#include "gc.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "change.h"
#include "cleanup.h"
#include "del.h"
#include "device.h"
#include "keeper.h"
#include "lock.h"
#include "node.h"
#include "proc.h"
#include "progress.h"
#include "recover.h"

/* How long a process that was asked to end may take for it. */
#define GRACE_MS 1000

struct gc {
	const struct uc_host *host;
	const struct uc_gc_options *options;
	struct uc_ctrl *ctrl;
	uint32_t *ids; /* of all devices */
	size_t count;
	struct uc_error *err; /* the last failure */
	int ret;
};

static void tell(struct gc *gc, struct uc_gc_item *item, enum uc_gc_action action)
{
	item->action = action;
	gc->options->tell(gc->options->ctx, item);
}

static void failed(struct gc *gc, struct uc_gc_item *item, const struct uc_error *err)
{
	snprintf(item->why, sizeof(item->why), "%.*s", (int)sizeof(item->why) - 1, err->text);
	*gc->err = *err;
	gc->ret = -err->errnum;
	tell(gc, item, UC_GC_FAILED);
}

/* --- devices --- */

/* Whose it is if not ours, or NULL. */
static const char *owner(const struct gc *gc, const struct uc_device *d)
{
	/* It may be in the making, and their lock is not ours. */
	if ((d->info.flags & UBLK_F_UNPRIVILEGED_DEV) && !gc->host->unprivileged)
		return "it is a plain user's; --all-owners removes that, too";
	/* Other programs have small numbers there, if anything; ours are random. */
	if (d->record_state != UC_RECORD_OK && d->info.ublksrv_flags <= UINT32_MAX)
		return "it is another program's; --all-owners removes that, too";
	return NULL;
}

static bool is_open(const struct gc *gc, const struct uc_device *d)
{
	char path[64];
	struct stat st;

	uc_node_char_path(gc->host, d->info.dev_id, path, sizeof(path));
	return stat(path, &st) == 0 && uc_proc_find_opener(&st, getpid()) != 0;
}

/* Its data was in memory that nobody has any more. */
static bool is_lost(const struct uc_device *d)
{
	return d->record_state == UC_RECORD_OK && uc_keeper_has_lost(&d->record);
}

/* By intention, and not by a crash. */
static bool can_be_started(const struct uc_device *d)
{
	/* Without a keeper its memory was given up then. */
	return uc_device_is_stopped(d) && (!d->record.keeper.pid || !is_lost(d));
}

static const char can_recover[] = "it has no handler, and can be recovered";

/* Why it is to go; NULL: it stays, because of *ret_kept (NULL: nothing is wrong with it). */
static const char *judge(const struct gc *gc, const struct uc_device *d, const char **ret_kept)
{
	*ret_kept = NULL;
	if (d->info.state == UBLK_S_DEV_LIVE || is_open(gc, d))
		return NULL;
	if (!gc->options->all_owners && (*ret_kept = owner(gc, d)))
		return NULL;
	if (can_be_started(d)) {
		*ret_kept = "it was stopped, and can be started";
		return NULL;
	}
	if (uc_device_is_stopped(d))
		return "it was stopped, and the process that kept its memory is dead";
	if (d->info.state == UBLK_S_DEV_DEAD)
		return "its handler is dead, and it cannot be started again";
	if (is_lost(d))
		return "its handler is dead, and so is the process that kept its memory";
	*ret_kept = can_recover;
	return NULL;
}

static void remove_device(struct gc *gc, const struct uc_change *change, struct uc_gc_item *item)
{
	struct uc_error err = {0};

	if (gc->host->dry_run)
		tell(gc, item, UC_GC_REMOVE);
	/* What is dead gives its users nothing but errors already. */
	else if (uc_del_now(change, true, &err) < 0 && err.code != UC_NO_DEVICE)
		failed(gc, item, &err);
	else
		tell(gc, item, UC_GC_REMOVED);
}

static void look_at_device(struct gc *gc, uint32_t id)
{
	const struct uc_host mine = uc_host_within(gc->host, gc->host->timeout_ms);
	uc_auto_change struct uc_change change = UC_CHANGE_NONE;
	struct uc_gc_item item = {.kind = UC_GC_DEVICE};
	const struct uc_ref ref = {.id = id};
	struct uc_error err = {0};
	const char *kept;
	const char *why;
	int ret = uc_change_try(&mine, &ref, &change, &err);

	/* One that is being changed is somebody's. */
	if (ret == -EBUSY || uc_device_is_out_of_sight(gc->host, ret))
		return;
	if (ret < 0) {
		uc_node_block_path(gc->host, id, item.what, sizeof(item.what));
		failed(gc, &item, &err);
		return;
	}
	why = judge(gc, &change.device, &kept);
	snprintf(item.what, sizeof(item.what), "%s", change.device.node);
	snprintf(item.why, sizeof(item.why), "%s", why ? why : kept ? kept : "");
	item.recoverable = !why && kept == can_recover;
	if (why)
		remove_device(gc, &change, &item);
	else if (kept)
		tell(gc, &item, UC_GC_KEPT);
}

/* --- processes that a record names --- */

static bool ends(int pidfd, int signal)
{
	struct pollfd gone = {.fd = pidfd, .events = POLLIN};
	uc_auto_progress struct uc_progress progress;

	uc_progress_begin(&progress, uc_deadline(GRACE_MS), "waiting for a process to end");
	return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) == 0 &&
	       uc_progress_poll(&gone, 1, GRACE_MS) > 0;
}

/* Whether the process has to do with a device that there is, whatever a stray record says. */
static bool is_needed(const struct gc *gc, pid_t pid)
{
	struct uc_device d;

	for (size_t i = 0; i < gc->count; i++)
		if (uc_device_get(gc->host, gc->ctrl, gc->ids[i], &d, NULL) == 0 &&
		    (d.info.ublksrv_pid == pid ||
		     (d.record_state == UC_RECORD_OK &&
		      (d.record.pid == pid || d.record.keeper.pid == pid))))
			return true;
	return false;
}

static void end_process(struct gc *gc, pid_t pid, uint64_t start, const char *why)
{
	uc_auto_close int pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	struct uc_gc_item item = {.kind = UC_GC_PROCESS};
	struct uc_error err = {0};
	char name[64];

	if (pidfd < 0 || uc_proc_start_time(pid) != start || is_needed(gc, pid))
		return;
	uc_proc_name(pid, name, sizeof(name));
	snprintf(item.what, sizeof(item.what), "process %d (%s)", pid, name);
	snprintf(item.why, sizeof(item.why), "%s", why);
	if (gc->host->dry_run) {
		tell(gc, &item, UC_GC_REMOVE);
	} else if (ends(pidfd, SIGTERM) || ends(pidfd, SIGKILL)) {
		tell(gc, &item, UC_GC_REMOVED);
	} else {
		(void)uc_fail(&err, UC_TIMEOUT, ETIMEDOUT,
			      "process %d (%s) does not end, not even by SIGKILL", pid, name);
		failed(gc, &item, &err);
	}
}

/* --- files of the runtime directory --- */

/* "7.json", ".7.json.spare", "7.stats", ".7.stats.new", of earlier versions ".7.json.new". */
static bool is_of_device(const char *name, uint32_t *ret_id)
{
	const bool temporary = *name == '.';
	const char *digits = name + temporary;
	unsigned long id;
	char *end;

	if (!isdigit((unsigned char)*digits))
		return false;
	id = strtoul(digits, &end, 10);
	*ret_id = (uint32_t)id;
	return id <= UC_ID_MAX &&
	       (temporary ? strcmp(end, ".json.spare") == 0 || strcmp(end, ".json.new") == 0 ||
				    strcmp(end, ".stats.new") == 0
			  : strcmp(end, ".json") == 0 || strcmp(end, ".stats") == 0);
}

/* Whether the file tells of a device that there is. NULL: yes; else why not. */
static const char *why_stale(const struct gc *gc, const char *name, uint32_t id)
{
	struct ublksrv_ctrl_dev_info info;
	struct uc_record record;
	int ret = uc_ctrl_get_dev_info(gc->ctrl, id, &info, NULL);

	if (ret == -ENODEV && uc_record_load(gc->host, id, &record) == 0 && record.stopped.is)
		return NULL;
	if (ret == -ENODEV)
		return "there is no such device";
	if (uc_device_is_out_of_sight(gc->host, ret))
		return "the device that has this id now is another user's";
	if (ret < 0)
		return NULL;
	if (strstr(name, ".new"))
		return "its writer has died";
	if (!strstr(name, ".json") || *name == '.')
		return NULL;
	return uc_record_read(gc->host, &info, &record) == -ESTALE
		       ? "it tells of a device that had this id before"
		       : NULL;
}

static void end_processes(struct gc *gc, uint32_t id)
{
	struct uc_record record;

	if (uc_record_load(gc->host, id, &record) < 0)
		return;
	end_process(gc, record.pid, record.pid_start, "its device is gone");
	end_process(gc, record.keeper.pid, record.keeper.start, "its device is gone");
}

static void look_at_file(struct gc *gc, const char *name)
{
	struct uc_gc_item item = {.kind = UC_GC_RECORD};
	struct uc_error err = {0};
	const char *why;
	uint32_t id;

	if (!is_of_device(name, &id))
		return;
	why = why_stale(gc, name, id);
	if (!why)
		return;
	if (strstr(name, ".json") && *name != '.')
		end_processes(gc, id);
	snprintf(item.what, sizeof(item.what), "%s/%.32s", gc->host->run_dir, name);
	snprintf(item.why, sizeof(item.why), "%s", why);
	if (gc->host->dry_run) {
		tell(gc, &item, UC_GC_REMOVE);
	} else if (unlink(item.what) < 0 && errno != ENOENT) {
		(void)uc_fail_errno(&err, errno, "%s cannot be removed", item.what);
		failed(gc, &item, &err);
	} else {
		tell(gc, &item, UC_GC_REMOVED);
	}
}

static void look_at_files(struct gc *gc)
{
	struct dirent **files = NULL;
	/* By id: numbers in the names are compared as such. */
	const int count = scandir(gc->host->run_dir, &files, NULL, versionsort);

	for (int i = 0; i < count; i++) {
		look_at_file(gc, files[i]->d_name);
		free(files[i]);
	}
	free(files);
}

int uc_gc(const struct uc_host *host, const struct uc_gc_options *options, struct uc_error *err)
{
	struct gc gc = {.host = host, .options = options, .err = err};
	uc_auto_close int lock_fd = -1;
	int ret = uc_ctrl_open(host, &gc.ctrl, err);

	if (ret == 0)
		ret = uc_lock_making(host, true, &lock_fd, err);
	if (ret == 0)
		ret = uc_device_known_ids(host, &gc.ids, &gc.count, err);
	for (size_t i = 0; ret == 0 && i < gc.count; i++)
		look_at_device(&gc, gc.ids[i]);
	if (ret == 0)
		look_at_files(&gc);
	free(gc.ids);
	uc_ctrl_close(gc.ctrl);
	return ret < 0 ? ret : gc.ret;
}
