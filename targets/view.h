/* SPDX-License-Identifier: MIT */
#ifndef UC_VIEW_H
#define UC_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A file's page cache, mapped. The driver can copy straight between it and a request, which spares
 * the buffer and the read or write call, but a page that is not there is fetched (or allocated)
 * inside the copy, where nobody can wait for it, and hears of an error.
 *
 * A file of a memory file system stays there. Its view remembers which pages hold data, so that
 * reading a hole allocates nothing, and touches each page before it is used, so that a file that
 * was cut or a full file system shows here. Any other file's pages come and go: only reads of what
 * is in memory at the moment use the view.
 */
struct uc_view {
	char *map;           /* byte 0 of the file; NULL: there is no view */
	size_t size;         /* bytes mapped */
	uint64_t *known;     /* a bit per page that holds data; NULL: not a memory file system */
	uint64_t *populated; /* with known: a bit per window whose pages are mapped */
};

/* Maps the first `size` bytes of the file. -errno: it cannot be mapped, and there is no view. */
int uc_view_open(struct uc_view *view, int fd, uint64_t size, bool read_only);

/*
 * Where these bytes are, or NULL when they are not to be used through the view: they are behind its
 * end (the file has grown since), not in memory, not in the file any more, or there is no room for
 * them. Any thread may ask.
 */
void *uc_view_for_reading(const struct uc_view *view, uint64_t offset, size_t len);
void *uc_view_for_writing(const struct uc_view *view, uint64_t offset, size_t len);

/* This range is about to become a hole. */
void uc_view_forget(const struct uc_view *view, uint64_t offset, size_t len);

/* Takes a half-made or zeroed one. */
void uc_view_close(struct uc_view *view);

#endif
