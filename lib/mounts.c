/* SPDX-License-Identifier: MIT */
#include "mounts.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "cleanup.h"

/* Of each one process is asked, and of no more than so many. */
#define MAX_NAMESPACES 1024

/* By device number: the source column may hold any name for the device. */
static bool find_in(const char *pid, dev_t rdev, struct uc_mount *ret_mount)
{
	uc_auto_file FILE *file = NULL;
	uc_auto_free char *line = NULL;
	size_t size = 0;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%.20s/mountinfo", pid);
	file = fopen(path, "re");
	while (file && getline(&line, &size, file) > 0) {
		unsigned maj;
		unsigned min;

		if (sscanf(line, "%*d %*d %u:%u %*s %255s", &maj, &min, ret_mount->where) == 3 &&
		    makedev(maj, min) == rdev)
			return true;
	}
	return false;
}

struct seen {
	ino_t inodes[MAX_NAMESPACES];
	size_t count;
};

/* Whether the process has a mount namespace that was not looked at yet; then it counts as seen. */
static bool is_new(const char *pid, struct seen *seen)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%.20s/ns/mnt", pid);
	if (seen->count == MAX_NAMESPACES || stat(path, &st) < 0)
		return false;
	for (size_t i = 0; i < seen->count; i++)
		if (seen->inodes[i] == st.st_ino)
			return false;
	seen->inodes[seen->count++] = st.st_ino;
	return true;
}

bool uc_mount_find(dev_t rdev, struct uc_mount *ret_mount)
{
	uc_auto_dir DIR *dir = NULL;
	const struct dirent *entry;
	struct seen seen = {.count = 0};

	ret_mount->pid = 0;
	if (is_new("self", &seen) && find_in("self", rdev, ret_mount))
		return true;
	dir = opendir("/proc");
	while (dir && (entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]) || !is_new(entry->d_name, &seen) ||
		    !find_in(entry->d_name, rdev, ret_mount))
			continue;
		ret_mount->pid = atoi(entry->d_name);
		return true;
	}
	return false;
}
