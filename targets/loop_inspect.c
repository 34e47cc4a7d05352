/* SPDX-License-Identifier: MIT */
/* loop: what the backing file or device allows. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <linux/stat.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cleanup.h"
#include "loop.h"

/* One number of /sys/dev/block/MAJ:MIN/queue of the disk (a partition's are its disk's). */
static uint64_t queue_attr(dev_t rdev, const char *attr)
{
	static const char *const dirs[] = {"queue", "../queue"};
	char path[128];
	uint64_t value = 0;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		uc_auto_file FILE *file = NULL;

		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s/%s", major(rdev), minor(rdev),
			 dirs[i], attr);
		file = fopen(path, "re");
		if (file && fscanf(file, "%" SCNu64, &value) == 1)
			return value;
	}
	return 0;
}

static int inspect_device(int fd, struct loop_backing *b, const char *file, struct uc_error *err)
{
	int sector = 0;
	unsigned physical = 0;

	if (ioctl(fd, BLKGETSIZE64, &b->size) < 0 || ioctl(fd, BLKSSZGET, &sector) < 0 ||
	    ioctl(fd, BLKPBSZGET, &physical) < 0)
		return uc_fail_errno(err, errno, "%s: cannot read its size", file);
	b->sector = (uint32_t)sector;
	b->physical = physical;
	b->io_opt = (uint32_t)queue_attr(b->st.st_rdev, "optimal_io_size");
	b->granularity = (uint32_t)queue_attr(b->st.st_rdev, "discard_granularity");
	b->direct_align = b->sector;
	b->rotational = queue_attr(b->st.st_rdev, "rotational") != 0;
	/* Without this offload fallocate() refuses to punch. */
	b->can_punch = queue_attr(b->st.st_rdev, "write_zeroes_max_bytes") != 0;
	b->write_cache = true;
	return 0;
}

static uint32_t file_direct_align(int fd)
{
	struct statx stx = {0};

	/* The kernel's own struct: glibc's may be too old to have these members. */
	if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) < 0 ||
	    !(stx.stx_mask & STATX_DIOALIGN))
		return 0;
	/* Our buffers begin on a page. */
	return stx.stx_dio_mem_align <= 4096 ? stx.stx_dio_offset_align : 0;
}

static void inspect_file(int fd, bool dry_run, struct loop_backing *b)
{
	b->size = (uint64_t)b->st.st_size;
	b->sector = LOOP_SECTOR;
	b->physical = 4096;
	b->granularity = (uint32_t)b->st.st_blksize;
	b->direct_align = file_direct_align(fd);
	b->write_cache = true;
	/* Past the end nothing is lost, and the file system says whether it can. It may note a
	 * time. */
	b->can_punch =
		!dry_run && fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				      (off_t)((b->size + 0xfffff) & ~UINT64_C(0xfffff)), 4096) == 0;
}

int uc_loop_inspect(int fd, const char *file, bool dry_run, struct loop_backing *ret_backing,
		    struct uc_error *err)
{
	struct loop_backing b = {0};
	int ret = 0;

	if (fstat(fd, &b.st) < 0)
		return uc_fail_errno(err, errno, "%s", file);
	if (S_ISBLK(b.st.st_mode))
		ret = inspect_device(fd, &b, file, err);
	else
		inspect_file(fd, dry_run, &b);
	if (ret == 0)
		*ret_backing = b;
	return ret;
}
