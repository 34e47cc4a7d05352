/* SPDX-License-Identifier: MIT */
#ifndef UC_LOG_H
#define UC_LOG_H

#include <syslog.h>

/* Receives one line without newline; priority is LOG_ERR, LOG_WARNING, LOG_NOTICE or LOG_INFO. */
typedef void (*uc_log_sink)(int priority, const char *line);

/* Where lines go from now on; until the first call they go nowhere. Set before threads start. */
void uc_log_to(uc_log_sink sink);

/* Sends lines to syslog, connecting now: /dev/log may be out of reach later. */
void uc_log_to_syslog(void);

/* Thread safe. Never on the I/O path. */
void uc_log(int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
