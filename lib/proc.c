/* SPDX-License-Identifier: MIT */
#include "proc.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"

static FILE *open_proc(pid_t pid, const char *file)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	return fopen(path, "re");
}

/* The fields of /proc/PID/stat behind the name, in `line`; NULL: there is no such process. */
static const char *read_stat(pid_t pid, char *line, size_t size)
{
	uc_auto_file FILE *file = open_proc(pid, "stat");
	const char *end;

	if (!file || !fgets(line, (int)size, file))
		return NULL;
	/* The name in parentheses may hold anything, also ") ": count from the last one. */
	end = strrchr(line, ')');
	return end ? end + 1 : NULL;
}

/* -ESRCH: there is no such process, or it is a zombie. -EIO: that cannot be told. */
static int read_start_time(pid_t pid, uint64_t *ret_start)
{
	char line[1024];
	const char *fields = read_stat(pid, line, sizeof(line));
	char state;

	if (!fields)
		return kill(pid, 0) < 0 && errno == ESRCH ? -ESRCH : -EIO;
	/* proc(5): state is field 3, starttime field 22. */
	if (sscanf(fields,
		   " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
		   "%" SCNu64,
		   &state, ret_start) != 2)
		return -EIO;
	return state == 'Z' || state == 'X' ? -ESRCH : 0;
}

uint64_t uc_proc_start_time(pid_t pid)
{
	uint64_t start;

	return read_start_time(pid, &start) == 0 ? start : 0;
}

bool uc_proc_has_died(pid_t pid, uint64_t start)
{
	uint64_t now;
	const int ret = read_start_time(pid, &now);

	return ret == -ESRCH || (ret == 0 && now != start);
}

pid_t uc_proc_parent(pid_t pid)
{
	char line[1024];
	const char *fields = read_stat(pid, line, sizeof(line));
	pid_t parent;

	/* proc(5): ppid is field 4. */
	return fields && sscanf(fields, " %*c %d", &parent) == 1 ? parent : 0;
}

/* Whether SIGKILL is on its way to the process. */
static bool is_killed(pid_t pid)
{
	uc_auto_file FILE *file = open_proc(pid, "status");
	char line[256];
	uint64_t pending;

	while (file && fgets(line, sizeof(line), file))
		if ((sscanf(line, "SigPnd: %" SCNx64, &pending) == 1 ||
		     sscanf(line, "ShdPnd: %" SCNx64, &pending) == 1) &&
		    (pending & (UINT64_C(1) << (SIGKILL - 1))))
			return true;
	return false;
}

bool uc_proc_is_dying(pid_t pid)
{
	/* PF_EXITING, PF_DUMPCORE and PF_SIGNALED of include/linux/sched.h, for years the same. */
	const uint64_t out = 0x4 | 0x200 | 0x400;
	char line[1024];
	const char *fields = read_stat(pid, line, sizeof(line));
	uint64_t flags;

	/* proc(5): flags is field 9. */
	return !fields || sscanf(fields, " %*s %*s %*s %*s %*s %*s %" SCNu64, &flags) != 1 ||
	       (flags & out) || is_killed(pid);
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	if ((a->st_mode & S_IFMT) != (b->st_mode & S_IFMT))
		return false;
	/* With the driver model a node is a regular file. */
	return S_ISREG(a->st_mode) ? a->st_dev == b->st_dev && a->st_ino == b->st_ino
				   : a->st_rdev == b->st_rdev;
}

/* With O_PATH it is named, and not open. */
static bool is_path_only(pid_t pid, const char *fd)
{
	uc_auto_file FILE *file = NULL;
	unsigned flags = 0;
	char info[64];
	char line[64];

	snprintf(info, sizeof(info), "fdinfo/%.20s", fd);
	file = open_proc(pid, info);
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "flags: %o", &flags) == 1)
			break;
	return flags & O_PATH;
}

void uc_proc_name(pid_t pid, char *buf, size_t size)
{
	uc_auto_file FILE *file = open_proc(pid, "comm");

	if (!file || !fgets(buf, (int)size, file))
		snprintf(buf, size, "?");
	buf[strcspn(buf, "\n")] = '\0';
}

void uc_proc_cpus(pid_t pid, pid_t tid, char *buf, size_t size)
{
	static const char key[] = "Cpus_allowed_list:";
	uc_auto_file FILE *file = NULL;
	char task[64];
	char line[512];

	buf[0] = '\0';
	snprintf(task, sizeof(task), "task/%d/status", tid);
	file = open_proc(pid, task);
	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, key, sizeof(key) - 1) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(buf, size, "%s",
			 line + sizeof(key) - 1 + strspn(line + sizeof(key) - 1, " \t"));
		return;
	}
}

bool uc_proc_has_thread(pid_t pid, pid_t tid)
{
	char task[64];

	snprintf(task, sizeof(task), "/proc/%d/task/%d", pid, tid);
	return access(task, F_OK) == 0;
}

int uc_proc_take_file(pid_t pid, uint64_t start, int fd)
{
	/* Opened first: what is looked at then cannot be another process. */
	uc_auto_close int pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	int mine;

	if (pidfd < 0 || uc_proc_start_time(pid) != start)
		return -ESRCH;
	mine = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	return mine < 0 ? -errno : mine;
}

/* Whether the file, as the process has it open, holds a lock on that byte; see proc(5). */
static bool has_lock(pid_t pid, const char *fd, off_t offset)
{
	uc_auto_file FILE *file = NULL;
	long long start;
	char info[64];
	char line[256];

	snprintf(info, sizeof(info), "fdinfo/%.20s", fd);
	file = open_proc(pid, info);
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "lock: %*d: %*s %*s %*s %*d %*s %lld", &start) == 1 &&
		    start == offset)
			return true;
	return false;
}

/* The first open file of the process that is this one, and has the lock if `lock` is not NULL. */
static bool has_file(pid_t pid, const struct stat *node, const off_t *lock)
{
	uc_auto_dir DIR *dir = NULL;
	const struct dirent *entry;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		struct stat st;

		if (fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && is_same(&st, node) &&
		    (lock ? has_lock(pid, entry->d_name, *lock)
			  : !is_path_only(pid, entry->d_name)))
			return true;
	}
	return false;
}

bool uc_proc_has_open(pid_t pid, const struct stat *node)
{
	return has_file(pid, node, NULL);
}

static pid_t find(const struct stat *node, const off_t *lock, pid_t except)
{
	uc_auto_dir DIR *dir = opendir("/proc");
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		pid_t pid = isdigit((unsigned char)entry->d_name[0]) ? atoi(entry->d_name) : 0;

		if (pid > 0 && pid != except && has_file(pid, node, lock))
			return pid;
	}
	return 0;
}

pid_t uc_proc_find_opener(const struct stat *node, pid_t except)
{
	return find(node, NULL, except);
}

pid_t uc_proc_find_locker(const struct stat *file, off_t offset, pid_t except)
{
	return find(file, &offset, except);
}
