/* SPDX-License-Identifier: MIT */
/* Processes as the driver sees them: whether they live, and which files they hold. */
#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "model_priv.h"

/* State letter and start time from /proc/PID/stat; false: there is no such process. */
static bool read_stat(int32_t pid, char *ret_state, uint64_t *ret_start)
{
	uc_auto_file FILE *file = NULL;
	char path[64];
	char line[1024];
	const char *rest;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
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

	read_stat(self.pid, &state, &self.start);
	return self;
}

bool model_proc_alive(const struct model_proc *proc)
{
	uint64_t start;
	char state;

	return proc->pid > 0 && read_stat(proc->pid, &state, &start) && start == proc->start &&
	       state != 'Z' && state != 'X';
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

static bool has_fd(int32_t pid, uint64_t st_dev, uint64_t ino)
{
	uc_auto_dir DIR *dir = NULL;
	char path[64];
	struct dirent *entry;
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && st.st_ino == ino &&
		    st.st_dev == st_dev)
			return true;
	return false;
}

/* By inode number and name only: some file systems show another device number in maps. */
static bool has_map(int32_t pid, uint64_t ino)
{
	uc_auto_file FILE *file = NULL;
	char path[64];
	char line[MODEL_PATH + 128];
	uint64_t line_ino;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	file = fopen(path, "re");
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

		if (proc->pid > 0 && model_proc_alive(proc) &&
		    (has_fd(proc->pid, st_dev, ino) || has_map(proc->pid, ino)))
			return true;
	}
	return false;
}
