/* SPDX-License-Identifier: MIT */
#ifndef UC_CLEANUP_H
#define UC_CLEANUP_H

#include <dirent.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Locals that free themselves: `uc_auto_free char *line = NULL;`. Always initialise them. */
#define uc_auto_free  __attribute__((cleanup(uc_cleanup_free)))
#define uc_auto_close __attribute__((cleanup(uc_cleanup_close)))
#define uc_auto_file  __attribute__((cleanup(uc_cleanup_file)))
#define uc_auto_dir   __attribute__((cleanup(uc_cleanup_dir)))
#define uc_auto_json  __attribute__((cleanup(uc_cleanup_json)))

static inline void uc_cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void uc_cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void uc_cleanup_file(FILE **file)
{
	if (*file)
		fclose(*file);
}

static inline void uc_cleanup_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static inline void uc_cleanup_json(struct json_object **obj)
{
	json_object_put(*obj);
}

#endif
