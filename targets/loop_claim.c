/* SPDX-License-Identifier: MIT */
/* loop: who else has the file or the disk. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "deadline.h"
#include "kernel_users.h"
#include "loop.h"
#include "mounts.h"
#include "proc.h"
#include "progress.h"

/*
 * A server that has died may have its file for a moment yet: the kernel takes its rings, and the
 * files in them, down after the process (io_ring_exit_work()).
 */
#define DYING_MS 2000
#define LOOK_MS  10

/* Nobody who lives, and nothing of the kernel's, is seen to have claimed the disk. */
static bool has_no_owner(const struct stat *st)
{
	struct uc_mount mount;
	char path[PATH_MAX];

	return !uc_proc_find_opener(st, getpid()) && !uc_mount_find(st->st_rdev, &mount) &&
	       !uc_kernel_swap(st, path);
}

int uc_loop_open_free(const char *file, int flags, const struct stat *st, bool anew)
{
	const uint64_t patience = uc_deadline(DYING_MS);
	uc_auto_progress struct uc_progress progress;
	int fd;

	uc_progress_begin(&progress, patience, "waiting for a dead server to let go of %s", file);
	while ((fd = open(file, flags)) < 0 && errno == EBUSY && uc_left_ms(patience) &&
	       (!anew || has_no_owner(st))) {
		uc_progress_tick();
		uc_sleep_ms(LOOK_MS);
	}
	return fd < 0 ? -errno : fd;
}

/* 0: it is ours. -EBUSY: it is another's. */
static int try_lock(const struct loop_claim *c)
{
	struct flock lock = {
		.l_type = c->read_only || c->share ? F_RDLCK : F_WRLCK,
		.l_whence = SEEK_SET,
	};
	const int ret = fcntl(c->fd, c->dry_run ? F_OFD_GETLK : F_OFD_SETLK, &lock);

	if (ret == 0)
		return c->dry_run && lock.l_type != F_UNLCK ? -EBUSY : 0;
	/* A file system without locks is no reason to refuse. */
	return errno == EAGAIN || errno == EACCES ? -EBUSY : 0;
}

/*
 * Two servers with one file in two page-cache views, or two file systems in one image, lose
 * data. An open-file-description lock is what qemu takes too; it goes with the handler.
 */
static int lock_file(const struct loop_claim *c, struct uc_error *err)
{
	const uint64_t patience = uc_deadline(DYING_MS);
	uc_auto_progress struct uc_progress progress;
	struct stat st;
	int ret;

	uc_progress_begin(&progress, patience, "waiting for a dead server to let go of %s",
			  c->file);
	/* Who brings a device back waits for its own old server, too, which may be about to die. */
	while ((ret = try_lock(c)) == -EBUSY && uc_left_ms(patience) && fstat(c->fd, &st) == 0 &&
	       (!c->anew || !uc_proc_find_locker(&st, 0, getpid()))) {
		uc_progress_tick();
		uc_sleep_ms(LOOK_MS);
	}
	if (ret == 0)
		return 0;
	return uc_fail(err, UC_BUSY, EBUSY,
		       "%s is in use: another program or ublk device has locked it", c->file);
}

/* What the kernel does to the file or disk takes none of our locks. */
static int check_kernel(const struct loop_claim *c, struct uc_error *err)
{
	char path[PATH_MAX];
	char loop[64];
	struct stat st;
	int protected = 0;

	if (c->read_only || !c->anew || fstat(c->fd, &st) < 0)
		return 0;
	if (S_ISBLK(st.st_mode) && ioctl(c->fd, BLKROGET, &protected) == 0 && protected)
		return uc_fail(err, UC_FAILED, EROFS, "%s is write-protected; use --read-only",
			       c->file);
	if (c->share)
		return 0;
	if (uc_kernel_swap(&st, path))
		return uc_fail(err, UC_BUSY, EBUSY, "%s is in use: as swap; swapoff %s first",
			       c->file, path);
	if (uc_kernel_loop("/sys", &st, loop, sizeof(loop)))
		return uc_fail(err, UC_BUSY, EBUSY,
			       "%s is in use: /dev/%s lies on it; detach that first, or use "
			       "--read-only or --share",
			       c->file, loop);
	return 0;
}

int uc_loop_claim(const struct loop_claim *claim, struct uc_error *err)
{
	int ret = lock_file(claim, err);

	return ret == 0 ? check_kernel(claim, err) : ret;
}
