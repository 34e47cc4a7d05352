/* SPDX-License-Identifier: MIT */
#ifndef UC_CAUSE_H
#define UC_CAUSE_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "host.h"

/* Why this machine refuses something, and what mends it: an error and `doctor` say the same. */
struct uc_cause {
	enum uc_code code;
	int errnum;       /* what the kernel said; 0: nothing */
	char text[256];   /* what is wrong */
	char remedy[128]; /* a command that mends it, as it can be typed; "": there is none */
	char advice[128]; /* what else to do; "": nothing */
};

void uc_cause_text(struct uc_cause *cause, enum uc_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Whoever is not root gets it with sudo before it. */
void uc_cause_remedy(struct uc_cause *cause, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void uc_cause_advice(struct uc_cause *cause, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* One line of it: what is wrong, the errno in words, and what to do. */
int uc_fail_cause(struct uc_error *err, const struct uc_cause *cause);

/* The control device cannot be opened: there is no driver, or as uc_cause_open(). */
void uc_cause_control(const struct uc_host *host, int errnum, struct uc_cause *ret_cause);

/* No io_uring can be made. */
void uc_cause_io_uring(const struct uc_host *host, int errnum, struct uc_cause *ret_cause);

/* Whether this process is not root to the driver; `what` is for the text. */
bool uc_cause_not_root(const struct uc_host *host, const char *what, struct uc_cause *ret_cause);

/* Whether a parameter of the driver lets it take no more than the `count` devices that there are.
 */
bool uc_cause_ublks_max(const struct uc_host *host, size_t count, struct uc_cause *ret_cause);

/* The driver refused a command with EPERM, EACCES or EBUSY; `what` names command and device. */
void uc_cause_refused(const struct uc_host *host, int errnum, const char *what,
		      struct uc_cause *ret_cause);

/* A node or file of ours cannot be opened. */
void uc_cause_open(const struct uc_host *host, const char *path, int errnum,
		   struct uc_cause *ret_cause);
/* The same as an error. */
int uc_fail_open(struct uc_error *err, const struct uc_host *host, const char *path, int errnum);

/* A file of the user's cannot be opened. */
int uc_fail_file(struct uc_error *err, const char *file, int errnum);

/* Whether the directory of our records is not what it must be. One that is not there is fine. */
bool uc_cause_run_dir(const struct uc_host *host, struct uc_cause *ret_cause);

#endif
