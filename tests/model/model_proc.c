/* SPDX-License-Identifier: MIT */
/* Processes as the driver sees them: whether they live, and which files they hold. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "model_priv.h"

/* Of this process; a child inherits it, as it does with a kernel. */
static struct {
	bool known;
	uint32_t uid;
} user;

void model_be_user(uint32_t uid)
{
	user.known = true;
	user.uid = uid;
}

bool model_proc_is_admin(void)
{
	return user.known ? user.uid == 0 : !model_state->cfg.unprivileged;
}

uint32_t model_proc_uid(void)
{
	return user.known ? user.uid : getuid();
}

static FILE *open_proc(const char *pid, const char *name)
{
	char path[64];
	FILE *file;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", pid, name);
	fd = openat(model_proc_fd(), path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	file = fdopen(fd, "r");
	if (!file)
		close(fd);
	return file;
}

/* State letter and start time from /proc/PID/stat; false: there is no such process. */
static bool read_stat(const char *pid, char *ret_state, uint64_t *ret_start)
{
	uc_auto_file FILE *file = open_proc(pid, "stat");
	char line[1024];
	const char *rest;

	if (!file || !fgets(line, sizeof(line), file))
		return false;
	/* The command name may hold anything, a parenthesis too. */
	rest = strrchr(line, ')');
	return rest && sscanf(rest + 1,
			      " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
			      "%*d %*d %*d %" SCNu64,
			      ret_state, ret_start) == 2;
}

struct model_proc model_proc_self(void)
{
	struct model_proc self = {.pid = getpid()};
	char state;

	read_stat("self", &state, &self.start);
	return self;
}

bool model_proc_alive(const struct model_proc *proc)
{
	uint64_t start;
	char pid[16];
	char state;

	if (proc->pid <= 0)
		return false;
	snprintf(pid, sizeof(pid), "%d", proc->pid);
	if (read_stat(pid, &state, &start))
		return start == proc->start && state != 'Z' && state != 'X';
	/* Who does not even see itself must not take others for dead. */
	return !read_stat("self", &state, &start);
}

void model_proc_enter(void)
{
	const struct model_proc self = model_proc_self();
	struct model_proc *procs = model_state->procs;
	struct model_proc *vacant = NULL;

	for (unsigned i = 0; i < MODEL_PROCS; i++) {
		if (procs[i].pid == self.pid) {
			procs[i] = self;
			return;
		}
		if (!vacant && !model_proc_alive(&procs[i]))
			vacant = &procs[i];
	}
	if (!vacant) {
		fprintf(stderr, "model: more than %u processes\n", MODEL_PROCS);
		abort();
	}
	*vacant = self;
}

static bool has_fd(const char *pid, uint64_t st_dev, uint64_t ino)
{
	uc_auto_dir DIR *dir = NULL;
	char path[64];
	struct dirent *entry;
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/fd", pid);
	fd = openat(model_proc_fd(), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	while (dir && (entry = readdir(dir)))
		if (fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && st.st_ino == ino &&
		    st.st_dev == st_dev)
			return true;
	return false;
}

/* By inode number and name only: some file systems show another device number in maps. */
static bool has_map(const char *pid, uint64_t ino)
{
	uc_auto_file FILE *file = open_proc(pid, "maps");
	char line[MODEL_PATH + 128];
	uint64_t line_ino;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%*s %*s %*s %*s %" SCNu64, &line_ino) == 1 && line_ino == ino &&
		    strstr(line, "/ublkc"))
			return true;
	return false;
}

bool model_proc_hold(uint64_t st_dev, uint64_t ino)
{
	for (unsigned i = 0; i < MODEL_PROCS; i++) {
		const struct model_proc *proc = &model_state->procs[i];
		char pid[16];

		snprintf(pid, sizeof(pid), "%d", proc->pid);
		if (model_proc_alive(proc) && (has_fd(pid, st_dev, ino) || has_map(pid, ino)))
			return true;
	}
	return false;
}
