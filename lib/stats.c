/* SPDX-License-Identifier: MIT */
#include "stats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cause.h"
#include "cleanup.h"

static void stats_path(const struct uc_host *host, uint32_t id, char *buf, size_t size)
{
	snprintf(buf, size, "%s/%u.stats", host->run_dir, id);
}

/* While it is made; a reader looks at whole ones only. */
static void new_path(const struct uc_host *host, uint32_t id, char *buf, size_t size)
{
	snprintf(buf, size, "%s/.%u.stats.new", host->run_dir, id);
}

static size_t stats_size(uint32_t nr_threads)
{
	return sizeof(struct uc_stats) + nr_threads * sizeof(struct uc_thread_stats);
}

static bool is_sound(const struct uc_stats *stats, size_t size)
{
	return stats->magic == UC_STATS_MAGIC && stats->version == UC_STATS_VERSION &&
	       stats->stride == sizeof(struct uc_thread_stats) &&
	       stats->nr_threads <= UC_MAX_THREADS && stats_size(stats->nr_threads) == size;
}

/*
 * Word by word, since read() may copy bytes, and half of one count and half of the next are none.
 * Nobody makes the file shorter meanwhile: a handler makes another in its place.
 */
static int copy_words(int fd, size_t size, struct uc_stats *ret_stats)
{
	const uint64_t *from = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	uint64_t *to = (uint64_t *)ret_stats;

	if (from == MAP_FAILED)
		return -errno;
	for (size_t i = 0; i < size / sizeof(*to); i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	munmap((void *)(uintptr_t)from, size);
	return 0;
}

int uc_stats_read(const struct uc_host *host, uint32_t id, struct uc_stats **ret_stats)
{
	uc_auto_free struct uc_stats *stats = NULL;
	uc_auto_close int fd = -1;
	char path[512];
	struct stat st;
	size_t size;
	int ret;

	stats_path(host, id, path, sizeof(path));
	/* Not blocking: whatever is in its place, nobody waits for it. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	size = (size_t)st.st_size;
	if (!S_ISREG(st.st_mode) || size < sizeof(*stats) || size > stats_size(UC_MAX_THREADS) ||
	    size % UC_CACHE_LINE)
		return -EINVAL;
	stats = aligned_alloc(UC_CACHE_LINE, size);
	if (!stats)
		return -ENOMEM;
	ret = copy_words(fd, size, stats);
	if (ret < 0)
		return ret;
	if (!is_sound(stats, size))
		return -EINVAL;
	*ret_stats = stats;
	stats = NULL;
	return 0;
}

/* Of the counters that only grow; they are words from `reads` to the end. */
#define NR_COUNTERS                                                                                \
	((sizeof(struct uc_thread_stats) - offsetof(struct uc_thread_stats, reads)) /              \
	 sizeof(uint64_t))

void uc_stats_add(struct uc_thread_stats *sum, const struct uc_thread_stats *more)
{
	uint64_t *to = &sum->reads;
	const uint64_t *from = &more->reads;

	sum->in_flight += more->in_flight;
	for (size_t i = 0; i < NR_COUNTERS; i++)
		to[i] += from[i];
}

void uc_stats_subtract(struct uc_thread_stats *now, const struct uc_thread_stats *before)
{
	uint64_t *to = &now->reads;
	const uint64_t *from = &before->reads;

	for (size_t i = 0; i < NR_COUNTERS; i++)
		to[i] -= from[i];
}

static uint64_t new_life(void)
{
	uint64_t life = 0;

	/* Never 0, so that it is another life than an earlier version's in any case. */
	(void)!getrandom(&life, sizeof(life), 0);
	return life | 1;
}

/* A file of that size, mapped; on failure there is none. */
static int make_file(const struct uc_host *host, const char *path, size_t size,
		     struct uc_stats **ret_stats, struct uc_error *err)
{
	uc_auto_close int fd = -1;
	struct uc_stats *stats;
	int ret;

	/* A writer that died may have left it. */
	(void)unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return uc_fail_open(err, host, path, errno);
	/* Reserved now: a full file system must not turn into SIGBUS in a queue thread. */
	ret = posix_fallocate(fd, 0, (off_t)size);
	if (ret) {
		(void)unlink(path);
		return uc_fail_errno(err, ret, "%s", path);
	}
	stats = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (stats == MAP_FAILED) {
		ret = errno;
		(void)unlink(path);
		return uc_fail_errno(err, ret, "%s: cannot map it", path);
	}
	*ret_stats = stats;
	return 0;
}

static int make_stats(const struct uc_host *host, uint32_t id, uint32_t nr_threads,
		      struct uc_stats **ret_stats, struct uc_error *err)
{
	struct uc_stats *stats = NULL;
	char made[512];
	char path[512];
	int ret;

	stats_path(host, id, path, sizeof(path));
	new_path(host, id, made, sizeof(made));
	ret = make_file(host, made, stats_size(nr_threads), &stats, err);
	if (ret < 0 || !stats)
		return ret;
	stats->magic = UC_STATS_MAGIC;
	stats->version = UC_STATS_VERSION;
	stats->nr_threads = nr_threads;
	stats->stride = sizeof(struct uc_thread_stats);
	stats->life = new_life();
	if (rename(made, path) < 0) {
		ret = uc_fail_errno(err, errno, "%s", path);
		(void)unlink(made);
		uc_stats_unmap(stats);
		return ret;
	}
	*ret_stats = stats;
	return 0;
}

/* The file of the server before, or NULL if it is none for so many threads. */
static struct uc_stats *map_old(const struct uc_host *host, uint32_t id, uint32_t nr_threads)
{
	const size_t size = stats_size(nr_threads);
	uc_auto_close int fd = -1;
	struct uc_stats *stats;
	char path[512];
	struct stat st;

	stats_path(host, id, path, sizeof(path));
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (size_t)st.st_size != size ||
	    posix_fallocate(fd, 0, st.st_size) != 0)
		return NULL;
	stats = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (stats == MAP_FAILED)
		return NULL;
	if (is_sound(stats, size))
		return stats;
	munmap(stats, size);
	return NULL;
}

/*
 * Threads say themselves who they are; what was in flight, nobody answers for any more. A thread's
 * queue is the same as before, and a reader must not find all of them in the first until they have
 * begun.
 */
static void go_on_with(struct uc_stats *stats)
{
	for (uint32_t i = 0; i < stats->nr_threads; i++) {
		stats->threads[i].in_flight = 0;
		stats->threads[i].tid = 0;
	}
}

/* First the life, so that nobody takes the difference to what was before. */
static void begin_anew(struct uc_stats *stats)
{
	__atomic_store_n(&stats->life, new_life(), __ATOMIC_SEQ_CST);
	memset(stats->threads, 0, stats->nr_threads * sizeof(stats->threads[0]));
}

int uc_stats_create(const struct uc_host *host, uint32_t id, uint32_t nr_threads, bool go_on,
		    struct uc_stats **ret_stats, struct uc_error *err)
{
	struct uc_stats *stats = map_old(host, id, nr_threads);

	if (!stats)
		return make_stats(host, id, nr_threads, ret_stats, err);
	if (go_on)
		go_on_with(stats);
	else
		begin_anew(stats);
	*ret_stats = stats;
	return 0;
}

void uc_stats_unmap(struct uc_stats *stats)
{
	if (stats)
		munmap(stats, stats_size(stats->nr_threads));
}

void uc_stats_remove(const struct uc_host *host, uint32_t id)
{
	char path[512];

	stats_path(host, id, path, sizeof(path));
	(void)unlink(path);
	new_path(host, id, path, sizeof(path));
	(void)unlink(path);
}
