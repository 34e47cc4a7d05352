/* SPDX-License-Identifier: MIT */
#ifndef UC_IDENTITY_H
#define UC_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What a file or disk is, whatever path leads to it. A file: its inode, and which of those that had
 * the number; a disk: its device number, and which of those that had it (/sys/block/X/diskseq).
 */
struct uc_identity {
	bool known;
	bool is_disk;
	uint64_t device;     /* a disk's own, a file's file system's */
	uint64_t inode;      /* of a file */
	uint64_t generation; /* of the inode or the disk; 0: nobody tells */
};

/* Of an open file; not known if it is neither. */
struct uc_identity uc_identity_of(int fd);

/* Of what the path leads to now. */
struct uc_identity uc_identity_of_path(const char *path);

/* Both are known, and the same as far as can be told. */
bool uc_identity_is_same(const struct uc_identity *a, const struct uc_identity *b);

/*
 * The path as it was given, made absolute; links in it stay, since they may be what lasts
 * (/dev/disk/by-id). Only what is another's or gone later is followed: /dev/fd/5, /proc/self/fd/5.
 * To be freed; NULL: no memory.
 */
char *uc_path_lasting(const char *path);

/* For a message: "inode 12 of device 8:1", "disk 8:16 (number 5 since boot)". */
#define UC_IDENTITY_TEXT 96
void uc_identity_format(const struct uc_identity *identity, char *buf, size_t size);

#endif
