/* SPDX-License-Identifier: MIT */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>

static uc_log_sink current_sink;

void uc_log_to(uc_log_sink sink)
{
	current_sink = sink;
}

static void to_syslog(int priority, const char *line)
{
	syslog(priority, "%s", line);
}

void uc_log_to_syslog(void)
{
	openlog("ublkctl", LOG_PID | LOG_NDELAY, LOG_DAEMON);
	uc_log_to(to_syslog);
}

void uc_log(int priority, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	if (!current_sink)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	current_sink(priority, line);
}
