/* SPDX-License-Identifier: MIT */
#include "view.h"

#include <errno.h>
#include <linux/magic.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

/* asm-generic/mman-common.h */
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

#define PAGE      4096U
#define WORD_BITS 64U
/* What is mapped at once when a page of it is first read: a page table's worth. */
#define WINDOW (2U << 20)
/* Reading less than this is faster through the fd than after asking mincore(). */
#define MIN_CHECKED (32U << 10)
/* Of one question to mincore(): the largest request. */
#define MAX_PAGES (((32U << 20) / PAGE) + 1)

/* Where a thread goes on when a page that it touches is not there. */
static _Thread_local sigjmp_buf *landing;

static void on_sigbus(int sig)
{
	if (landing)
		siglongjmp(*landing, 1);
	/* Not ours: as if there were no handler. */
	signal(sig, SIG_DFL);
	raise(sig);
}

/* Apart from its caller, whose locals a jump back would leave unsure. */
__attribute__((noinline)) static void touch_pages(char *begin, const char *end, bool writing)
{
	for (char *p = begin; p < end; p = (char *)(((uintptr_t)p | (PAGE - 1)) + 1)) {
		/* A write that changes nothing, also if others write there meanwhile. */
		if (writing)
			__atomic_fetch_or(p, 0, __ATOMIC_RELAXED);
		else
			(void)__atomic_load_n(p, __ATOMIC_RELAXED);
	}
}

/* Sees to it that each page is there; for writing, that it is the file's own and not a hole. */
static bool touch(char *begin, const char *end, bool writing)
{
	sigjmp_buf here;
	const bool faulted = sigsetjmp(here, 0) != 0;

	if (!faulted) {
		landing = &here;
		touch_pages(begin, end, writing);
	}
	landing = NULL;
	return !faulted;
}

struct pages {
	size_t first, end;
};

static struct pages pages_of(uint64_t offset, size_t len)
{
	return (struct pages){.first = offset / PAGE, .end = (offset + len + PAGE - 1) / PAGE};
}

/* The bits of one word that stand for pages of the range. */
static uint64_t mask_of(struct pages range, size_t word)
{
	const size_t base = word * WORD_BITS;
	uint64_t mask = UINT64_MAX;

	if (range.first > base)
		mask &= UINT64_MAX << (range.first - base);
	if (range.end < base + WORD_BITS)
		mask &= UINT64_MAX >> (base + WORD_BITS - range.end);
	return mask;
}

static bool are_known(const struct uc_view *view, struct pages range)
{
	for (size_t w = range.first / WORD_BITS; w * WORD_BITS < range.end; w++) {
		const uint64_t mask = mask_of(range, w);

		if ((__atomic_load_n(&view->known[w], __ATOMIC_RELAXED) & mask) != mask)
			return false;
	}
	return true;
}

static void set_known(const struct uc_view *view, struct pages range)
{
	for (size_t w = range.first / WORD_BITS; w * WORD_BITS < range.end; w++) {
		const uint64_t mask = mask_of(range, w);

		/* Mostly they are, and looking is cheaper. */
		if ((__atomic_load_n(&view->known[w], __ATOMIC_RELAXED) & mask) != mask)
			__atomic_fetch_or(&view->known[w], mask, __ATOMIC_RELAXED);
	}
}

static bool are_in_memory(const struct uc_view *view, struct pages range)
{
	unsigned char resident[MAX_PAGES];
	const size_t count = range.end - range.first;

	if (count > MAX_PAGES ||
	    mincore(view->map + range.first * PAGE, count * PAGE, resident) < 0)
		return false;
	for (size_t i = 0; i < count; i++)
		if (!(resident[i] & 1))
			return false;
	return true;
}

/*
 * Page tables are filled by a window at a time, since a fault for every page costs more than the
 * copy of its data. Only where there is no hole, which would be filled too.
 */
static void populate(const struct uc_view *view, uint64_t offset)
{
	const size_t window = offset / WINDOW;
	const size_t begin = window * WINDOW;
	const size_t len = view->size - begin < WINDOW ? view->size - begin : WINDOW;
	uint64_t *word = &view->populated[window / WORD_BITS];
	const uint64_t bit = UINT64_C(1) << window % WORD_BITS;

	if ((__atomic_load_n(word, __ATOMIC_RELAXED) & bit) ||
	    !are_known(view, pages_of(begin, len)))
		return;
	/* Whether or not it works: it only saves time. */
	(void)madvise(view->map + begin, len, MADV_POPULATE_READ);
	__atomic_fetch_or(word, bit, __ATOMIC_RELAXED);
}

void *uc_view_for_reading(const struct uc_view *view, uint64_t offset, size_t len)
{
	const struct pages range = pages_of(offset, len);
	char *begin = view->map + offset;

	if (offset + len > view->size)
		return NULL;
	if (!view->known)
		return len >= MIN_CHECKED && are_in_memory(view, range) ? begin : NULL;
	if (!are_known(view, range))
		return NULL;
	populate(view, offset);
	return touch(begin, begin + len, false) ? begin : NULL;
}

void *uc_view_for_writing(const struct uc_view *view, uint64_t offset, size_t len)
{
	char *begin = view->map + offset;

	/* Elsewhere a page made dirty by a mapping is a journal's work, inside the copy. */
	if (!view->known || offset + len > view->size || !touch(begin, begin + len, true))
		return NULL;
	set_known(view, pages_of(offset, len));
	return begin;
}

void uc_view_forget(const struct uc_view *view, uint64_t offset, size_t len)
{
	struct pages range = pages_of(offset, len);

	/* The file may have grown, and the range with it. */
	if (range.end > view->size / PAGE + 1)
		range.end = view->size / PAGE + 1;
	for (size_t w = range.first / WORD_BITS; view->known && w * WORD_BITS < range.end; w++)
		__atomic_fetch_and(&view->known[w], ~mask_of(range, w), __ATOMIC_RELAXED);
}

static bool is_in_memory_for_good(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

static size_t bits_size(const struct uc_view *view, size_t unit)
{
	return (view->size / unit / WORD_BITS + 1) * sizeof(uint64_t);
}

/* Address space; memory only for the parts that are used. NULL: none left. */
static uint64_t *new_bits(const struct uc_view *view, size_t unit)
{
	void *bits = mmap(NULL, bits_size(view, unit), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return bits == MAP_FAILED ? NULL : bits;
}

static void learn(struct uc_view *view, int fd)
{
	off_t data = lseek(fd, 0, SEEK_DATA);

	while (data >= 0 && (size_t)data < view->size) {
		off_t hole = lseek(fd, data, SEEK_HOLE);

		if (hole < 0 || (size_t)hole > view->size)
			hole = (off_t)view->size;
		set_known(view, pages_of((uint64_t)data, (size_t)(hole - data)));
		data = lseek(fd, hole, SEEK_DATA);
	}
}

static int remember_data(struct uc_view *view, int fd)
{
	const struct sigaction action = {.sa_handler = on_sigbus, .sa_flags = SA_NODEFER};

	view->known = new_bits(view, PAGE);
	view->populated = new_bits(view, WINDOW);
	if (!view->known || !view->populated)
		return -ENOMEM;
	learn(view, fd);
	return sigaction(SIGBUS, &action, NULL) < 0 ? -errno : 0;
}

int uc_view_open(struct uc_view *view, int fd, uint64_t size, bool read_only)
{
	const int prot = PROT_READ | (read_only ? 0 : PROT_WRITE);
	void *map = mmap(NULL, size, prot, MAP_SHARED, fd, 0);
	int ret = 0;

	if (map == MAP_FAILED)
		return -errno;
	view->map = map;
	view->size = size;
	if (is_in_memory_for_good(fd))
		ret = remember_data(view, fd);
	if (ret < 0)
		uc_view_close(view);
	return ret;
}

void uc_view_close(struct uc_view *view)
{
	if (view->known)
		munmap(view->known, bits_size(view, PAGE));
	if (view->populated)
		munmap(view->populated, bits_size(view, WINDOW));
	if (view->map)
		munmap(view->map, view->size);
	memset(view, 0, sizeof(*view));
}
