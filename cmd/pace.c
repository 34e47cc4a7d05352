/* SPDX-License-Identifier: MIT */
#include "pace.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "deadline.h"

#define MIN_S 0.1
#define MAX_S 3600.0

int pace_interval(const char *text, uint64_t *ret_ns, struct uc_error *err)
{
	char *end;
	double seconds;

	/* No sign, no exponent, no nan. */
	if (!*text || text[strspn(text, "0123456789.")])
		return uc_fail(err, UC_USAGE, EINVAL,
			       "--interval: '%s' is not a number of seconds such as 2 or 0.5",
			       text);
	seconds = strtod(text, &end);
	if (*end)
		return uc_fail(err, UC_USAGE, EINVAL,
			       "--interval: '%s' is not a number of seconds such as 2 or 0.5",
			       text);
	if (seconds < MIN_S || seconds > MAX_S)
		return uc_fail(err, UC_USAGE, ERANGE,
			       "--interval: '%s' is out of range; give seconds from 0.1 to 3600",
			       text);
	*ret_ns = (uint64_t)(seconds * 1e9);
	return 0;
}

int pace_start(struct pace *pace, uint64_t interval, const int *signals, struct uc_error *err)
{
	sigset_t set;

	sigemptyset(&set);
	while (*signals)
		sigaddset(&set, *signals++);
	sigprocmask(SIG_BLOCK, &set, NULL);
	pace->signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (pace->signals < 0)
		return uc_fail_errno(err, errno, "signals");
	pace->interval = interval;
	pace->next = uc_now() + interval;
	return 0;
}

void pace_stop(struct pace *pace)
{
	if (pace->signals >= 0)
		close(pace->signals);
}

/* The moments do not drift; those that were missed are left out. */
static void step(struct pace *pace)
{
	const uint64_t now = uc_now();

	pace->next += pace->interval;
	if (pace->next <= now)
		pace->next = now + pace->interval;
}

enum pace_event pace_wait(struct pace *pace, int input, int *ret_signal)
{
	struct pollfd fds[] = {{.fd = pace->signals, .events = POLLIN},
			       {.fd = input, .events = POLLIN}};
	struct signalfd_siginfo info;
	int ready;

	do {
		const unsigned left = uc_left_ms(pace->next);

		ready = left ? poll(fds, 2, (int)left) : 0;
	} while (ready < 0 && errno == EINTR);
	if (ready <= 0) {
		step(pace);
		return PACE_TIME;
	}
	if (!fds[0].revents)
		return PACE_INPUT;
	*ret_signal = read(pace->signals, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo
									       : SIGINT;
	return PACE_SIGNAL;
}
