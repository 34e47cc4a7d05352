/* SPDX-License-Identifier: MIT */
/* Where in the kernel a process is: /proc/PID/task/TID/stack, else wchan. */
#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "proc.h"

/* So many functions of a stack say enough. */
#define NR_FRAMES 4
#define MAX_TASKS 1024

struct place {
	char text[120];  /* functions, the innermost first; "" when unknown */
	bool in_driver;  /* one of all functions of the stack is ublk_drv's */
	bool is_stuck;   /* signals do not end its sleep */
	bool is_stopped; /* by a signal */
};

static FILE *open_task(pid_t pid, pid_t tid, const char *file)
{
	char path[96];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", pid, tid, file);
	return fopen(path, "re");
}

static char state_of(pid_t pid, pid_t tid)
{
	uc_auto_file FILE *file = open_task(pid, tid, "stat");
	char line[512];
	const char *rest;

	if (!file || !fgets(line, sizeof(line), file))
		return 'X';
	/* The name in parentheses may hold anything. */
	rest = strrchr(line, ')');
	return rest && rest[1] == ' ' ? rest[2] : 'X';
}

static void append(struct place *p, const char *function)
{
	const size_t used = strlen(p->text);

	snprintf(p->text + used, sizeof(p->text) - used, "%s%s", used ? " < " : "", function);
}

/* Lines like "[<0>] ublk_ctrl_del_dev+0x12/0x80 [ublk_drv]". */
static void read_stack(FILE *file, struct place *p)
{
	char line[256];
	char function[64];

	for (unsigned n = 0; fgets(line, sizeof(line), file);) {
		if (sscanf(line, "[<%*[^>]>] %63[A-Za-z0-9_.]", function) != 1)
			continue;
		p->in_driver |= strncmp(function, "ublk_", 5) == 0;
		/* The innermost ones, and the first of the driver's. */
		if (n < NR_FRAMES || (p->in_driver && !strstr(p->text, "ublk_")))
			append(p, function);
		n++;
	}
}

static void look(pid_t pid, pid_t tid, struct place *ret_place)
{
	uc_auto_file FILE *stack = open_task(pid, tid, "stack");
	uc_auto_file FILE *wchan = NULL;
	const char state = state_of(pid, tid);
	struct place p = {.is_stuck = state == 'D', .is_stopped = state == 'T' || state == 't'};
	char function[64];

	if (stack)
		read_stack(stack, &p);
	if (!p.text[0])
		wchan = open_task(pid, tid, "wchan");
	if (wchan && fscanf(wchan, "%63[A-Za-z0-9_.]", function) == 1 && strcmp(function, "0") != 0)
		append(&p, function);
	*ret_place = p;
}

static int weight(const struct place *p)
{
	return p->in_driver * 4 + p->is_stuck * 2 + p->is_stopped;
}

/* The most telling thread. False: there is no such process. */
static bool find(pid_t pid, struct place *ret_place)
{
	uc_auto_dir DIR *dir = NULL;
	const struct dirent *entry;
	struct place p;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir || state_of(pid, pid) == 'X')
		return false;
	look(pid, pid, ret_place);
	for (unsigned n = 0; n < MAX_TASKS && (entry = readdir(dir)); n++) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		look(pid, atoi(entry->d_name), &p);
		if (weight(&p) > weight(ret_place))
			*ret_place = p;
	}
	return true;
}

bool uc_proc_where(pid_t pid, char *buf, size_t size)
{
	struct place p;
	char name[64];

	if (!find(pid, &p)) {
		snprintf(buf, size, "process %d is gone", pid);
		return false;
	}
	uc_proc_name(pid, name, sizeof(name));
	if (p.is_stopped)
		snprintf(buf, size, "process %d (%s) is stopped by a signal", pid, name);
	else if (p.text[0])
		snprintf(buf, size, "process %d (%s) is in %s", pid, name, p.text);
	else
		snprintf(buf, size, "process %d (%s) is running", pid, name);
	return p.is_stopped || p.is_stuck;
}

void uc_proc_where_self(char *buf, size_t size)
{
	struct place p;

	buf[0] = '\0';
	if (find(getpid(), &p) && p.in_driver)
		snprintf(buf, size, "in %s", p.text);
}
