/* SPDX-License-Identifier: MIT */
/*
 * interrupt --list FILE -- COMMAND...: runs a command under ptrace(2) and lists each system call
 * that it and its descendants begin, as "ROLE:N NAME". ROLE is who makes it: 0 is the command, 0.1
 * its second child, 0.1.0 the first child of that; threads are counted with children. N counts from
 * 0, in each process from its start or its exec, in the command from its exec.
 *
 * interrupt --at 'ROLE:N [NAME]' --do WHAT [--list FILE] -- COMMAND...: the same, and when that
 * call begins: kill          kills who makes it, before it is done kill-command  kills the command
 * instead during=MS     kills who makes it so many ms after it has begun, if it takes so long INT,
 * TERM     sends that signal to the command's process group, as a terminal does ENOSPC ...    lets
 * it fail so, without being done FILE has only that one line then; none, if the call was not
 * reached.
 *
 * Ends when the command has; what else it has started goes on by itself. Exit status: the
 * command's, 128 + a signal's number, or 125 when something is wrong here.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define BROKEN 125
/* As tests/model/model.h has it. */
#define MODEL_MARK 0x6d6f

/* One process or thread that is traced. */
struct tracee {
	struct tracee *next;
	pid_t pid;
	char role[128]; /* "": its parent's report of it is still to come */
	unsigned children, calls;
	bool waits;  /* in its first stop, until it has a role */
	bool inside; /* the driver model, whose calls would be the kernel's doing */
	int fail;    /* the errno that the call it is in is to give */
};

enum action {
	ACTION_LIST,
	ACTION_KILL,
	ACTION_KILL_COMMAND,
	ACTION_DURING,
	ACTION_SIGNAL,
	ACTION_FAIL
};

static struct tracee *tracees;
static pid_t command;
static const char *at;
static enum action action;
static int argument; /* a signal, an errno or milliseconds, as action has it */
static FILE *list;
static volatile pid_t victim;
static bool begun; /* the command is the one that was asked for, and no copy of this any more */

static struct tracee *find(pid_t pid)
{
	struct tracee *t;

	for (t = tracees; t; t = t->next)
		if (t->pid == pid)
			return t;
	t = calloc(1, sizeof(*t));
	if (!t)
		err(BROKEN, "memory");
	t->pid = pid;
	t->next = tracees;
	tracees = t;
	return t;
}

static void forget(pid_t pid)
{
	for (struct tracee **t = &tracees; *t; t = &(*t)->next) {
		struct tracee *gone = *t;

		if (gone->pid != pid)
			continue;
		*t = gone->next;
		free(gone);
		return;
	}
}

/* To the next call's begin or end. One that has died meanwhile says so itself. */
static void go_on(pid_t pid, int signal)
{
	if (ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(long)signal) < 0 && errno != ESRCH)
		err(BROKEN, "PTRACE_SYSCALL");
}

static void kill_victim(int signal)
{
	(void)signal;
	kill(victim, SIGKILL);
}

static void set_result(pid_t pid, bool begins, int errnum)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, pid, NULL, &regs) < 0)
		return;
	if (begins)
		regs.orig_rax = (unsigned long long)-1;
	else
		regs.rax = (unsigned long long)-errnum;
	ptrace(PTRACE_SETREGS, pid, NULL, &regs);
}

static void act(struct tracee *t)
{
	struct itimerval timer = {.it_value = {argument / 1000, argument % 1000 * 1000L}};

	switch (action) {
	case ACTION_LIST:
		break;
	case ACTION_KILL:
		kill(t->pid, SIGKILL);
		break;
	case ACTION_KILL_COMMAND:
		kill(command, SIGKILL);
		break;
	case ACTION_DURING:
		victim = t->pid;
		setitimer(ITIMER_REAL, &timer, NULL);
		break;
	case ACTION_SIGNAL:
		kill(-command, argument);
		break;
	case ACTION_FAIL:
		t->fail = argument;
		set_result(t->pid, true, 0);
		break;
	}
}

/* Opening to read is told apart: it changes nothing. */
static bool only_reads(const char *name, const uint64_t *args)
{
	return name && strcmp(name, "openat") == 0 && (args[2] & (O_ACCMODE | O_CREAT)) == O_RDONLY;
}

/* "0.1:17 openat(O_RDONLY)" */
static void describe(struct tracee *t, uint64_t number, const uint64_t *args, char *buf,
		     size_t size)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)number);

	snprintf(buf, size, "%s:%u %s%s", t->role, t->calls++, name ? name : "?",
		 only_reads(name, args) ? "(O_RDONLY)" : "");
	free(name);
}

/* Whether that is the point asked for, which may leave out the name. */
static bool is_wanted(const char *here)
{
	const size_t len = strchr(at, ' ') ? strlen(here) : strcspn(here, " ");

	return strncmp(here, at, len) == 0 && at[len] == '\0';
}

static void call_begins(struct tracee *t, uint64_t number, const uint64_t *args)
{
	char here[192];

	if (number == SYS_getpriority && args[0] == MODEL_MARK) {
		t->inside = args[1];
		return;
	}
	if (t->inside)
		return;
	describe(t, number, args, here, sizeof(here));
	if (!begun || (action != ACTION_LIST && !is_wanted(here)))
		return;
	if (list)
		fprintf(list, "%s\n", here);
	act(t);
}

static void call_stop(struct tracee *t)
{
	struct __ptrace_syscall_info info = {0};

	if (ptrace(PTRACE_GET_SYSCALL_INFO, t->pid, (void *)sizeof(info), &info) >= 0) {
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
			call_begins(t, info.entry.nr, info.entry.args);
		} else if (info.op == PTRACE_SYSCALL_INFO_EXIT && t->fail) {
			set_result(t->pid, false, t->fail);
			t->fail = 0;
		}
	}
	go_on(t->pid, 0);
}

static void child_stop(struct tracee *parent)
{
	unsigned long pid = 0;
	struct tracee *child;

	if (ptrace(PTRACE_GETEVENTMSG, parent->pid, NULL, &pid) == 0) {
		child = find((pid_t)pid);
		snprintf(child->role, sizeof(child->role), "%.100s.%u", parent->role,
			 parent->children++);
		if (child->waits)
			go_on(child->pid, 0);
	}
	go_on(parent->pid, 0);
}

static void stopped(struct tracee *t, int status)
{
	int signal = WSTOPSIG(status);

	switch (status >> 16) {
	case 0:
		if (signal == (SIGTRAP | 0x80))
			call_stop(t);
		else
			go_on(t->pid, signal);
		break;
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		child_stop(t);
		break;
	case PTRACE_EVENT_EXEC:
		t->calls = 0;
		begun = true;
		go_on(t->pid, 0);
		break;
	case PTRACE_EVENT_STOP:
		if (signal != SIGTRAP) {
			ptrace(PTRACE_LISTEN, t->pid, NULL, NULL);
		} else if (!t->role[0]) {
			t->waits = true;
		} else {
			go_on(t->pid, 0);
		}
		break;
	default:
		go_on(t->pid, 0);
	}
}

/* Until the command has ended: its wait status */
static int trace(void)
{
	int status;

	for (;;) {
		pid_t pid = waitpid(-1, &status, __WALL);

		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			err(BROKEN, "waitpid");
		if (WIFSTOPPED(status)) {
			stopped(find(pid), status);
			continue;
		}
		forget(pid);
		if (pid == command)
			return status;
	}
}

static void begin(char **argv)
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
			     PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
	int ready[2];
	char byte;

	if (pipe(ready) < 0)
		err(BROKEN, "pipe");
	command = fork();
	if (command < 0)
		err(BROKEN, "fork");
	if (command == 0) {
		setpgid(0, 0);
		close(ready[1]);
		if (read(ready[0], &byte, 1) != 1)
			_exit(BROKEN);
		close(ready[0]);
		if (list)
			close(fileno(list));
		execvp(argv[0], argv);
		err(BROKEN, "%s", argv[0]);
	}
	setpgid(command, command);
	strcpy(find(command)->role, "0");
	if (ptrace(PTRACE_SEIZE, command, NULL, (void *)options) < 0 ||
	    ptrace(PTRACE_INTERRUPT, command, NULL, NULL) < 0)
		err(BROKEN, "PTRACE_SEIZE");
	if (write(ready[1], "", 1) != 1)
		err(BROKEN, "pipe");
	close(ready[0]);
	close(ready[1]);
}

static void parse_action(const char *what)
{
	static const struct {
		const char *name;
		enum action action;
		int argument;
	} known[] = {
		{"kill", ACTION_KILL, 0},        {"kill-command", ACTION_KILL_COMMAND, 0},
		{"INT", ACTION_SIGNAL, SIGINT},  {"TERM", ACTION_SIGNAL, SIGTERM},
		{"ENOSPC", ACTION_FAIL, ENOSPC}, {"EIO", ACTION_FAIL, EIO},
		{"EMFILE", ACTION_FAIL, EMFILE}, {"ENOMEM", ACTION_FAIL, ENOMEM},
	};

	if (strncmp(what, "during=", 7) == 0) {
		action = ACTION_DURING;
		argument = atoi(what + 7);
		return;
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(what, known[i].name) != 0)
			continue;
		action = known[i].action;
		argument = known[i].argument;
		return;
	}
	errx(BROKEN, "unknown: --do %s", what);
}

int main(int argc, char **argv)
{
	int status, i;

	for (i = 1; i + 1 < argc && strcmp(argv[i], "--") != 0; i += 2) {
		if (strcmp(argv[i], "--list") == 0)
			list = fopen(argv[i + 1], "we");
		else if (strcmp(argv[i], "--at") == 0)
			at = argv[i + 1];
		else if (strcmp(argv[i], "--do") == 0)
			parse_action(argv[i + 1]);
		else
			errx(BROKEN, "unknown: %s", argv[i]);
	}
	if (i + 1 >= argc || !at != (action == ACTION_LIST))
		errx(BROKEN,
		     "usage: interrupt [--list FILE] [--at ROLE:N --do WHAT] -- COMMAND...");
	signal(SIGALRM, kill_victim);
	begin(argv + i + 1);
	status = trace();
	if (list && fclose(list) != 0)
		err(BROKEN, "the list");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
