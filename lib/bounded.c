/* SPDX-License-Identifier: MIT */
#include "bounded.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "deadline.h"
#include "isolate.h"
#include "proc.h"
#include "progress.h"

#define RET_MAX 2048
#define REAP_MS 200

/* Less than PIPE_BUF, so it crosses the pipe whole or not at all. */
struct answer {
	int result;
	struct uc_error err;
	_Alignas(max_align_t) char ret[RET_MAX];
};

/* One that is stuck must hold up nobody: who reads our output, or waits for a lock of ours. */
static int let_go(int fd)
{
	(void)uc_isolate_stdio(NULL);
	if (fd > 3)
		fd = dup3(fd, 3, O_CLOEXEC);
	(void)close_range(4, ~0U, 0);
	return fd;
}

static _Noreturn void child(int fd, int (*work)(void *ctx, void *ret, struct uc_error *err),
			    void *ctx)
{
	struct answer answer = {0};

	/* What nobody owns any more is not to be done after the next owner's first look. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = let_go(fd);
	answer.result = work(ctx, answer.ret, &answer.err);
	/* The parent may have given up: then nobody reads, and nothing is left to do. */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)!write(fd, &answer, sizeof(answer));
	_exit(0);
}

static int await_answer(int fd, struct answer *answer, unsigned timeout_ms)
{
	const uint64_t deadline = uc_deadline(timeout_ms);
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	ssize_t len;
	int ret;

	do {
		ret = uc_progress_poll(&poll_fd, 1, (int)uc_left_ms(deadline));
	} while (ret < 0 && errno == EINTR);
	if (ret == 0)
		return -ETIMEDOUT;
	len = read(fd, answer, sizeof(*answer));
	return len == (ssize_t)sizeof(*answer) ? 0 : -EPIPE;
}

/* A process with an answer has only to exit, yet that waits for what it has left in the kernel. */
static void reap(pid_t pid)
{
	const uint64_t deadline = uc_deadline(REAP_MS);

	while (waitpid(pid, NULL, WNOHANG) == 0 && uc_left_ms(deadline) > 0)
		uc_sleep_ms(1);
}

int uc_bounded(int (*work)(void *ctx, void *ret, struct uc_error *err), void *ctx, void *ret,
	       size_t ret_len, unsigned timeout_ms, const char *what, struct uc_error *err)
{
	uc_auto_close int out = -1;
	char where[UC_WHERE_MAX];
	struct answer answer;
	int fds[2];
	pid_t pid;
	int res;

	if (ret_len > RET_MAX)
		return uc_fail_errno(err, EINVAL, "%s", what);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return uc_fail_errno(err, errno, "%s", what);
	out = fds[0];
	pid = fork();
	if (pid == 0)
		child(fds[1], work, ctx);
	close(fds[1]);
	if (pid < 0)
		return uc_fail_errno(err, errno, "%s: cannot start a process", what);

	res = await_answer(out, &answer, timeout_ms);
	if (res == -ETIMEDOUT) {
		(void)uc_proc_where(pid, where, sizeof(where));
		/* Not waited for: it may be stuck in the kernel, and init reaps it in the end. */
		(void)kill(pid, SIGKILL);
		return uc_fail(err, UC_TIMEOUT, ETIMEDOUT,
			       "%s did not end within %u ms: %s; see dmesg", what, timeout_ms,
			       where);
	}
	reap(pid);
	if (res < 0)
		return uc_fail(err, UC_FAILED, EPIPE, "%s: its process died", what);
	if (answer.result < 0) {
		if (err)
			*err = answer.err;
		return answer.result;
	}
	if (ret_len)
		memcpy(ret, answer.ret, ret_len);
	return answer.result;
}
