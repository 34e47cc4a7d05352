/* SPDX-License-Identifier: MIT */
#include "stats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cause.h"
#include "cleanup.h"

static void stats_path(const struct uc_host *host, uint32_t id, char *buf, size_t size)
{
	snprintf(buf, size, "%s/%u.stats", host->run_dir, id);
}

static size_t round_up(size_t n, size_t unit)
{
	return (n + unit - 1) / unit * unit;
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

int uc_stats_read(const struct uc_host *host, uint32_t id, struct uc_stats **ret_stats)
{
	uc_auto_free struct uc_stats *stats = NULL;
	uc_auto_close int fd = -1;
	char path[512];
	struct stat st;
	ssize_t len;

	stats_path(host, id, path, sizeof(path));
	/* Not blocking: whatever is in its place, nobody waits for it. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || (size_t)st.st_size < sizeof(*stats) ||
	    (size_t)st.st_size > stats_size(UC_MAX_THREADS))
		return -EINVAL;
	stats = aligned_alloc(UC_CACHE_LINE, round_up((size_t)st.st_size, UC_CACHE_LINE));
	if (!stats)
		return -ENOMEM;
	len = pread(fd, stats, (size_t)st.st_size, 0);
	if (len != st.st_size || !is_sound(stats, (size_t)len))
		return -EINVAL;
	*ret_stats = stats;
	stats = NULL;
	return 0;
}

/* Threads say themselves who they are; what was in flight, nobody answers for any more. */
static void take_over(struct uc_stats *stats, const struct uc_stats *before)
{
	for (uint32_t i = 0; i < stats->nr_threads; i++) {
		stats->threads[i] = before->threads[i];
		stats->threads[i].in_flight = 0;
		stats->threads[i].tid = 0;
		stats->threads[i].qid = 0;
	}
}

int uc_stats_create(const struct uc_host *host, uint32_t id, uint32_t nr_threads, bool go_on,
		    struct uc_stats **ret_stats, struct uc_error *err)
{
	const size_t size = stats_size(nr_threads);
	uc_auto_free struct uc_stats *before = NULL;
	uc_auto_close int fd = -1;
	struct uc_stats *stats;
	char path[512];

	stats_path(host, id, path, sizeof(path));
	if (go_on)
		(void)uc_stats_read(host, id, &before);
	/* Never truncate what a reader may have mapped: a new file under the old name. */
	(void)unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return uc_fail_open(err, host, path, errno);
	/* Reserved now: a full file system must not turn into SIGBUS in a queue thread. */
	int ret = posix_fallocate(fd, 0, (off_t)size);
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
	stats->magic = UC_STATS_MAGIC;
	stats->version = UC_STATS_VERSION;
	stats->nr_threads = nr_threads;
	stats->stride = sizeof(struct uc_thread_stats);
	if (before && before->nr_threads == nr_threads)
		take_over(stats, before);
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
}
