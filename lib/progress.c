/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "deadline.h"

#define TICK_MS 100

static uc_progress_sink current_sink;
static const struct uc_progress *current;

void uc_progress_to(uc_progress_sink sink)
{
	current_sink = sink;
}

void uc_progress_begin(struct uc_progress *progress, uint64_t deadline, const char *fmt, ...)
{
	va_list ap;

	*progress = (struct uc_progress){.outer = current, .begun = uc_now(), .deadline = deadline};
	va_start(ap, fmt);
	vsnprintf(progress->what, sizeof(progress->what), fmt, ap);
	va_end(ap);
	current = progress;
}

void uc_progress_end(struct uc_progress *progress)
{
	current = progress->outer;
	if (current_sink)
		current_sink(NULL);
}

void uc_progress_tick(void)
{
	if (current_sink && current)
		current_sink(current);
}

int uc_progress_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	const uint64_t deadline = uc_deadline(timeout_ms < 0 ? 0 : (unsigned)timeout_ms);
	int ret;

	do {
		const unsigned left = uc_left_ms(deadline);

		/* Nobody is to be told: one long sleep. */
		if (!current_sink || !current)
			return poll(fds, count, timeout_ms < 0 ? -1 : (int)left);
		ret = poll(fds, count, timeout_ms >= 0 && left < TICK_MS ? (int)left : TICK_MS);
		uc_progress_tick();
	} while (ret == 0 && (timeout_ms < 0 || uc_left_ms(deadline) > 0));
	return ret;
}
