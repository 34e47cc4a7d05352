/* SPDX-License-Identifier: MIT */
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cause.h"
#include "cleanup.h"
#include "ctrl.h"
#include "deadline.h"
#include "proc.h"
#include "progress.h"
#include "rundir.h"

#define LOOK_MS 10

struct uc_lock {
	uint32_t id;
	int fd; /* -1: of a dry run, for which nobody has ever had the file */
};

/*
 * What is locked: a byte of one file for each device, so that there is nothing to be removed with
 * them, and the two others in files of their own. The offsets are those of earlier versions, whose
 * servers may be running.
 */
enum kind { DEVICE, NAMES, MAKING };

static const struct {
	const char *file;
	const char *waiting; /* for what */
	const char *busy;    /* with what the process that is named is busy */
} kinds[] = {
	[DEVICE] = {".lock", "another process that changes the device", NULL},
	[NAMES] = {".lock-names", "another process that makes devices",
		   "has not come to an end of making a device"},
	[MAKING] = {".lock-making", "another process that makes devices",
		    "is making or removing devices"},
};

struct wanted {
	enum kind kind;
	uint32_t id; /* DEVICE */
	short type;  /* F_RDLCK, F_WRLCK */
};

static off_t offset_of(const struct wanted *w)
{
	return w->kind == DEVICE ? (off_t)w->id : (off_t)UC_ID_MAX + w->kind;
}

static struct flock range_of(const struct wanted *w)
{
	return (struct flock){
		.l_type = w->type, .l_whence = SEEK_SET, .l_start = offset_of(w), .l_len = 1};
}

/* Who has it: an earlier version's process by the kernel's word, one of ours by its files. */
static pid_t find_holder(int fd, const struct wanted *w)
{
	struct flock lock = range_of(w);
	struct stat st;

	if (fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK && lock.l_pid > 0)
		return lock.l_pid;
	return fstat(fd, &st) == 0 ? uc_proc_find_locker(&st, offset_of(w), getpid()) : 0;
}

static int busy(int fd, const struct wanted *w, struct uc_error *err)
{
	const pid_t pid = find_holder(fd, w);
	char name[64];

	uc_proc_name(pid, name, sizeof(name));
	if (w->kind == DEVICE)
		return uc_fail(err, UC_BUSY, EBUSY,
			       "device %u is being changed by process %d (%s); try again", w->id,
			       pid, name);
	return uc_fail(err, UC_TIMEOUT, EBUSY, "process %d (%s) %s; try again", pid, name,
		       kinds[w->kind].busy);
}

static int open_file(const struct uc_host *host, enum kind kind, int *ret_fd, struct uc_error *err)
{
	char path[512];
	int ret = uc_rundir_prepare(host, err);

	if (ret < 0)
		return ret;
	snprintf(path, sizeof(path), "%s/%s", host->run_dir, kinds[kind].file);
	*ret_fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (host->dry_run ? 0 : O_CREAT), 0600);
	if (*ret_fd >= 0 || (host->dry_run && errno == ENOENT))
		return 0;
	return uc_fail_open(err, host, path, errno);
}

static int await(const struct uc_host *host, int fd, const struct wanted *w, unsigned wait_ms,
		 struct uc_error *err)
{
	const uint64_t deadline = uc_deadline(wait_ms);
	uc_auto_progress struct uc_progress progress;
	struct flock lock = range_of(w);

	uc_progress_begin(&progress, deadline, "waiting for %s", kinds[w->kind].waiting);
	while (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return uc_fail_errno(err, errno, "%s/%s cannot be locked", host->run_dir,
					     kinds[w->kind].file);
		if (uc_left_ms(deadline) == 0)
			return busy(fd, w, err);
		uc_progress_tick();
		uc_sleep_ms(LOOK_MS);
	}
	return 0;
}

static int take(const struct uc_host *host, const struct wanted *w, int *ret_fd,
		struct uc_error *err)
{
	uc_auto_close int fd = -1;
	int ret = open_file(host, w->kind, &fd, err);

	if (ret == 0 && fd >= 0)
		ret = await(host, fd, w, uc_host_left_ms(host), err);
	if (ret < 0)
		return ret;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static int bind_within(const struct uc_host *host, struct uc_lock *lock, uint32_t id,
		       unsigned wait_ms, struct uc_error *err)
{
	const struct wanted wanted = {DEVICE, id, F_WRLCK};
	int ret = lock->fd < 0 ? 0 : await(host, lock->fd, &wanted, wait_ms, err);

	if (ret == 0)
		lock->id = id;
	return ret;
}

static int take_device(const struct uc_host *host, uint32_t id, unsigned wait_ms,
		       struct uc_lock **ret_lock, struct uc_error *err)
{
	uc_auto_lock struct uc_lock *lock = NULL;
	int ret = uc_lock_open(host, &lock, err);

	if (ret < 0 || !lock)
		return ret;
	ret = bind_within(host, lock, id, wait_ms, err);
	if (ret < 0)
		return ret;
	*ret_lock = lock;
	lock = NULL;
	return 0;
}

/* Not in time is UC_TIMEOUT, and at once UC_BUSY. */
static int waited(int ret, struct uc_error *err)
{
	if (ret == -EBUSY && err)
		err->code = UC_TIMEOUT;
	return ret;
}

int uc_lock_open(const struct uc_host *host, struct uc_lock **ret_lock, struct uc_error *err)
{
	uc_auto_free struct uc_lock *lock = malloc(sizeof(*lock));
	int ret;

	if (!lock)
		return uc_fail_errno(err, ENOMEM, "lock");
	*lock = (struct uc_lock){.id = UC_ID_ANY, .fd = -1};
	ret = open_file(host, DEVICE, &lock->fd, err);
	if (ret < 0)
		return ret;
	*ret_lock = lock;
	lock = NULL;
	return 0;
}

int uc_lock_bind(const struct uc_host *host, struct uc_lock *lock, uint32_t id,
		 struct uc_error *err)
{
	return waited(bind_within(host, lock, id, uc_host_left_ms(host), err), err);
}

int uc_lock_device(const struct uc_host *host, uint32_t id, struct uc_lock **ret_lock,
		   struct uc_error *err)
{
	return waited(take_device(host, id, uc_host_left_ms(host), ret_lock, err), err);
}

int uc_lock_try_device(const struct uc_host *host, uint32_t id, struct uc_lock **ret_lock,
		       struct uc_error *err)
{
	return take_device(host, id, 0, ret_lock, err);
}

uint32_t uc_lock_id(const struct uc_lock *lock)
{
	return lock->id;
}

void uc_lock_release(struct uc_lock *lock)
{
	if (!lock)
		return;
	uc_cleanup_close(&lock->fd);
	free(lock);
}

int uc_lock_names(const struct uc_host *host, int *ret_fd, struct uc_error *err)
{
	const struct wanted wanted = {.kind = NAMES, .type = F_WRLCK};

	return take(host, &wanted, ret_fd, err);
}

int uc_lock_making(const struct uc_host *host, bool alone, int *ret_fd, struct uc_error *err)
{
	const struct wanted wanted = {.kind = MAKING, .type = alone ? F_WRLCK : F_RDLCK};

	return take(host, &wanted, ret_fd, err);
}

static void release_fd(int *fd)
{
	uc_cleanup_close(fd);
	*fd = -1;
}

void uc_locks_release(struct uc_locks *locks)
{
	uc_lock_release(locks->device);
	locks->device = NULL;
	release_fd(&locks->names_fd);
	release_fd(&locks->making_fd);
}
