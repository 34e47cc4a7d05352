/* SPDX-License-Identifier: MIT */
#ifndef UC_MOUNTS_H
#define UC_MOUNTS_H

#include <stdbool.h>
#include <sys/types.h>

struct uc_mount {
	char where[256]; /* the directory, as seen there */
	pid_t pid;       /* a process that sees it; 0: this one does */
};

/*
 * Where a block device is mounted: in our mount namespace, else in any other that belongs to a
 * process that can be seen. False: nowhere.
 */
bool uc_mount_find(dev_t rdev, struct uc_mount *ret_mount);

#endif
