/* SPDX-License-Identifier: MIT */
#include "identity.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "cleanup.h"

#ifndef BLKGETDISKSEQ /* Linux 5.15; this build's headers may be older */
#define BLKGETDISKSEQ _IOR(0x12, 128, __u64)
#endif

/* Numbers of disks are given out once; those of inodes again, with another generation each time. */
static uint64_t generation_of(int fd, bool is_disk)
{
	uint64_t number = 0;
	int version = 0;

	if (is_disk)
		return ioctl(fd, BLKGETDISKSEQ, &number) == 0 ? number : 0;
	return ioctl(fd, FS_IOC_GETVERSION, &version) == 0 ? (uint32_t)version : 0;
}

struct uc_identity uc_identity_of(int fd)
{
	struct uc_identity identity = {0};
	struct stat st;

	if (fstat(fd, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)))
		return identity;
	identity.known = true;
	identity.is_disk = S_ISBLK(st.st_mode);
	identity.device = identity.is_disk ? st.st_rdev : st.st_dev;
	identity.inode = identity.is_disk ? 0 : st.st_ino;
	identity.generation = generation_of(fd, identity.is_disk);
	return identity;
}

struct uc_identity uc_identity_of_path(const char *path)
{
	static const struct uc_identity none;
	uc_auto_close int fd = -1;
	struct stat st;

	/* Whatever else it is does not like to be opened by the way. */
	if (stat(path, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)))
		return none;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? none : uc_identity_of(fd);
}

static bool is_passing(const char *path)
{
	return strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/dev/fd/", 8) == 0 ||
	       strcmp(path, "/dev/stdin") == 0;
}

char *uc_path_lasting(const char *path)
{
	uc_auto_free char *copy = NULL;
	uc_auto_free char *dir = NULL;
	const char *name = strrchr(path, '/');
	char *whole = NULL;

	if (is_passing(path) && (whole = realpath(path, NULL)))
		return whole;
	if (*path == '/')
		return strdup(path);
	copy = strndup(path, name ? (size_t)(name - path) : 0);
	dir = copy ? realpath(*copy ? copy : ".", NULL) : NULL;
	if (!dir)
		return copy ? strdup(path) : NULL;
	return asprintf(&whole, "%s/%s", dir, name ? name + 1 : path) < 0 ? NULL : whole;
}

bool uc_identity_is_same(const struct uc_identity *a, const struct uc_identity *b)
{
	return a->known && b->known && a->is_disk == b->is_disk && a->device == b->device &&
	       a->inode == b->inode &&
	       (!a->generation || !b->generation || a->generation == b->generation);
}

void uc_identity_format(const struct uc_identity *identity, char *buf, size_t size)
{
	const unsigned maj = major(identity->device);
	const unsigned min = minor(identity->device);

	if (!identity->known)
		snprintf(buf, size, "neither file nor disk");
	else if (identity->is_disk && identity->generation)
		snprintf(buf, size, "disk %u:%u, number %" PRIu64 " since boot", maj, min,
			 identity->generation);
	else if (identity->is_disk)
		snprintf(buf, size, "disk %u:%u", maj, min);
	else
		snprintf(buf, size, "inode %" PRIu64 " of device %u:%u", identity->inode, maj, min);
}
