/* SPDX-License-Identifier: MIT */
#include "shared.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cause.h"
#include "cleanup.h"

/* drivers/block/ublk_drv.c: UBLK_SHMEM_BUF_SIZE_MAX */
#define SIZE_LIMIT (UINT64_C(1) << 32)

static int check_file(int fd, const char *path, size_t *ret_size, struct uc_error *err)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct statfs fs;
	struct stat st;

	if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return uc_fail_errno(err, errno, "--shared-memory: %s", path);
	/* Pages of other file systems are written out and taken away. */
	if (!S_ISREG(st.st_mode) || (fs.f_type != TMPFS_MAGIC && fs.f_type != HUGETLBFS_MAGIC))
		return uc_fail(err, UC_FAILED, EINVAL,
			       "--shared-memory: %s is not memory; give a file of tmpfs (such as "
			       "/dev/shm) or hugetlbfs",
			       path);
	*ret_size = (size_t)st.st_size;
	if (st.st_size <= 0 || *ret_size % page || *ret_size > SIZE_LIMIT)
		return uc_fail(err, UC_FAILED, EINVAL,
			       "--shared-memory: %s has %zu bytes; give it a multiple of %zu up to "
			       "4G",
			       path, *ret_size, (size_t)page);
	return 0;
}

int uc_shared_open(const char *path, struct uc_shared *ret_shared, struct uc_error *err)
{
	uc_auto_close int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	size_t size = 0;
	void *map;
	int ret;

	if (fd < 0) {
		(void)uc_fail_file(err, path, errno);
		return uc_wrap(err, "--shared-memory");
	}
	ret = check_file(fd, path, &size, err);
	if (ret < 0)
		return ret;
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return uc_fail_errno(err, errno, "--shared-memory: cannot map %s", path);
	*ret_shared = (struct uc_shared){.map = map, .size = size};
	return 0;
}

int uc_shared_register(struct uc_shared *shared, struct uc_ctrl *ctrl, const struct uc_lock *lock,
		       struct uc_error *err)
{
	const struct ublk_shmem_buf_reg reg = {
		.addr = (uint64_t)(uintptr_t)shared->map,
		.len = shared->size,
	};

	return uc_ctrl_reg_buf(ctrl, lock, &reg, &shared->index, err);
}

void uc_shared_close(struct uc_shared *shared)
{
	if (shared->map)
		munmap(shared->map, shared->size);
	*shared = (struct uc_shared){0};
}
