/* SPDX-License-Identifier: MIT */
#include "kernel_users.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"

static bool is_same(const struct stat *a, const struct stat *b)
{
	if (S_ISBLK(a->st_mode) || S_ISBLK(b->st_mode))
		return S_ISBLK(a->st_mode) && S_ISBLK(b->st_mode) && a->st_rdev == b->st_rdev;
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* A line of /proc/swaps: the path, and then what does not matter here. */
bool uc_kernel_swap(const struct stat *file, char *path)
{
	uc_auto_file FILE *swaps = fopen("/proc/swaps", "re");
	struct stat st;

	while (swaps && fgets(path, PATH_MAX, swaps)) {
		path[strcspn(path, " \t\n")] = '\0';
		if (stat(path, &st) == 0 && is_same(&st, file))
			return true;
	}
	return false;
}

/* The file behind a kernel loop device, into `backing` of PATH_MAX bytes. */
static bool read_backing(const char *sys_dir, const char *loop, char *backing)
{
	uc_auto_file FILE *file = NULL;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/block/%s/loop/backing_file", sys_dir, loop);
	file = fopen(path, "re");
	if (!file || !fgets(backing, PATH_MAX, file))
		return false;
	backing[strcspn(backing, "\n")] = '\0';
	return true;
}

bool uc_kernel_loop(const char *sys_dir, const struct stat *file, char *name, size_t size)
{
	uc_auto_dir DIR *blocks = NULL;
	const struct dirent *entry;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/block", sys_dir);
	blocks = opendir(path);
	while (blocks && (entry = readdir(blocks))) {
		char backing[PATH_MAX];
		struct stat st;

		if (strncmp(entry->d_name, "loop", 4) != 0 ||
		    !read_backing(sys_dir, entry->d_name, backing) || stat(backing, &st) < 0 ||
		    !is_same(&st, file))
			continue;
		snprintf(name, size, "%s", entry->d_name);
		return true;
	}
	return false;
}
