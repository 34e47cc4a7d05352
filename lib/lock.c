/* SPDX-License-Identifier: MIT */
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "cause.h"
#include "ctrl.h"
#include "deadline.h"
#include "proc.h"
#include "progress.h"
#include "record.h"

#define LOOK_MS 10
/* Behind the byte of the last device. */
#define NAMES  (UC_ID_MAX + 1)
#define MAKING (UC_ID_MAX + 2)

/*
 * A byte of one file for each device, so that there is nothing to be removed with them. The others
 * have files of their own: a process that closes one of its files loses all its locks on that.
 */
static struct flock byte_of(uint32_t id, short type)
{
	return (struct flock){
		.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)id, .l_len = 1};
}

static int busy(int fd, uint32_t id, struct uc_error *err)
{
	struct flock lock = byte_of(id, F_WRLCK);
	char name[64];

	if (fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		lock.l_pid = 0;
	uc_proc_name(lock.l_pid, name, sizeof(name));
	if (id == MAKING)
		return uc_fail(err, UC_TIMEOUT, EBUSY,
			       "process %d (%s) is making or removing devices; try again",
			       lock.l_pid, name);
	if (id == NAMES)
		return uc_fail(
			err, UC_TIMEOUT, EBUSY,
			"process %d (%s) has not come to an end of making a device; try again",
			lock.l_pid, name);
	return uc_fail(err, UC_BUSY, EBUSY,
		       "device %u is being given a handler by process %d (%s); try again", id,
		       lock.l_pid, name);
}

static int take(const struct uc_host *host, uint32_t id, short type, unsigned wait_ms, int *ret_fd,
		struct uc_error *err)
{
	const uint64_t deadline = uc_deadline(wait_ms);
	struct flock lock = byte_of(id, type);
	uc_auto_progress struct uc_progress progress;
	char path[512];
	int ret;
	int fd;

	uc_progress_begin(&progress, deadline, "waiting for another process that makes devices");
	ret = uc_record_prepare(host, err);
	if (ret < 0)
		return ret;
	snprintf(path, sizeof(path), "%s/.lock%s", host->run_dir,
		 id == NAMES    ? "-names"
		 : id == MAKING ? "-making"
				: "");
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (host->dry_run ? 0 : O_CREAT), 0600);
	/* Nobody has ever had it. */
	if (fd < 0 && errno == ENOENT && host->dry_run)
		return 0;
	if (fd < 0)
		return uc_fail_open(err, host, path, errno);
	while (fcntl(fd, F_SETLK, &lock) < 0) {
		if (errno != EAGAIN && errno != EACCES)
			ret = uc_fail_errno(err, errno, "%s cannot be locked", path);
		else if (uc_left_ms(deadline) == 0)
			ret = busy(fd, id, err);
		if (ret < 0) {
			close(fd);
			return ret;
		}
		uc_progress_tick();
		uc_sleep_ms(LOOK_MS);
	}
	*ret_fd = fd;
	return 0;
}

int uc_lock_device(const struct uc_host *host, uint32_t id, int *ret_fd, struct uc_error *err)
{
	int ret = take(host, id, F_WRLCK, uc_host_left_ms(host), ret_fd, err);

	if (ret == -EBUSY && err)
		err->code = UC_TIMEOUT;
	return ret;
}

int uc_lock_try_device(const struct uc_host *host, uint32_t id, int *ret_fd, struct uc_error *err)
{
	return take(host, id, F_WRLCK, 0, ret_fd, err);
}

int uc_lock_names(const struct uc_host *host, int *ret_fd, struct uc_error *err)
{
	return take(host, NAMES, F_WRLCK, uc_host_left_ms(host), ret_fd, err);
}

int uc_lock_making(const struct uc_host *host, bool alone, int *ret_fd, struct uc_error *err)
{
	return take(host, MAKING, alone ? F_WRLCK : F_RDLCK, uc_host_left_ms(host), ret_fd, err);
}
