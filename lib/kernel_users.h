/* SPDX-License-Identifier: MIT */
#ifndef UC_KERNEL_USERS_H
#define UC_KERNEL_USERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/* Who uses a file or disk within the kernel: no process has it open, and no lock tells. */

/* Swap: `path` of PATH_MAX bytes is what it was named by. */
bool uc_kernel_swap(const struct stat *file, char *path);

/* A loop device that lies on it: `name` is "loop0". */
bool uc_kernel_loop(const char *sys_dir, const struct stat *file, char *name, size_t size);

#endif
