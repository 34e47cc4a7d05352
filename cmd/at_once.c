/* SPDX-License-Identifier: MIT */
/* The same for several devices, each in a process of its own: most of it is waiting. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "failures.h"
#include "select.h"

/* Processes at a time: more only wait for the driver's one mutex. */
#define MANY 16

/* What a process says of its device; less than PIPE_BUF, so it comes whole or not at all. */
struct answer {
	int result;
	struct uc_error err;
};

struct turn {
	struct outcome_device device; /* as it was before */
	struct answer answer;
	pid_t pid;
	int fd; /* -1: it was not begun, or is over */
};

struct at_once {
	struct selection *selection;
	select_one *one;
	void *ctx;
	struct turn *turns; /* of each device */
};

static _Noreturn void work(const struct at_once *a, size_t i, int fd)
{
	const struct uc_host *host = a->selection->host;
	struct uc_host in_time = uc_host_within(host, host->timeout_ms);
	struct answer answer = {0};

	a->selection->host = &in_time;
	answer.result = a->one(a->ctx, &a->selection->refs[i], &answer.err);
	_exit(write(fd, &answer, sizeof(answer)) == (ssize_t)sizeof(answer) ? 0 : 1);
}

static int begin(const struct at_once *a, size_t i)
{
	struct turn *turn = &a->turns[i];
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return uc_fail_errno(&turn->answer.err, errno, "pipe");
	turn->pid = fork();
	if (turn->pid == 0)
		work(a, i, fds[1]);
	close(fds[1]);
	turn->fd = fds[0];
	if (turn->pid > 0)
		return 0;
	close(fds[0]);
	turn->fd = -1;
	return uc_fail_errno(&turn->answer.err, errno, "cannot start a process");
}

/* Each has its own bound, and is waited for as long as it takes. */
static void end(struct turn *turn)
{
	struct answer *answer = &turn->answer;
	ssize_t len;

	if (turn->fd < 0)
		return;
	do {
		len = read(turn->fd, answer, sizeof(*answer));
	} while (len < 0 && errno == EINTR);
	if (len != (ssize_t)sizeof(*answer))
		answer->result =
			uc_fail(&answer->err, UC_FAILED, EIO,
				"the process that saw to device %u has died", turn->device.id);
	close(turn->fd);
	turn->fd = -1;
	(void)waitpid(turn->pid, NULL, 0);
}

int select_each_at_once(struct selection *selection, struct outcome *outcome, select_one *one,
			void *ctx, struct uc_error *err)
{
	struct failures failures = {.command = outcome->command, .err = err};
	struct at_once a = {selection, one, ctx, calloc(selection->count, sizeof(*a.turns))};
	uc_auto_free struct turn *turns = a.turns;

	/* One needs no process, and a dry run tells more than an answer holds. */
	if (selection->count < 2 || outcome->dry_run || !turns)
		return select_each(selection, outcome, one, ctx, err);
	for (size_t i = 0; i < selection->count; i++) {
		outcome_begin(outcome, selection->host, selection->ids[i]);
		turns[i].device = outcome->device;
		turns[i].fd = -1;
	}
	for (size_t i = 0; i < selection->count; i++) {
		if (i >= MANY)
			end(&turns[i - MANY]);
		turns[i].answer.result = begin(&a, i);
	}
	for (size_t i = 0; i < selection->count; i++) {
		end(&turns[i]);
		outcome->device = turns[i].device;
		outcome_note(outcome, turns[i].answer.result, &turns[i].answer.err);
		failures_add(&failures, turns[i].answer.result, &turns[i].answer.err);
	}
	return failures_end(&failures);
}
