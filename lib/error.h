/* SPDX-License-Identifier: MIT */
#ifndef UC_ERROR_H
#define UC_ERROR_H

#include <stdint.h>

/*
 * What went wrong, as a caller can act on it. The values are the documented exit statuses, so
 * that turning one into the other is one function in cmd/ and never a table to keep in step.
 */
enum uc_code {
	UC_OK = 0,
	UC_FAILED = 1,      /* an operation failed for a reason of its own */
	UC_USAGE = 2,       /* the request itself is wrong */
	UC_UNSUPPORTED = 3, /* this kernel's driver lacks it */
	UC_PERMISSION = 4,
	UC_NO_DRIVER = 5,
	UC_NO_DEVICE = 6,
	UC_BUSY = 7,
	UC_DIFFERS = 8, /* exists, and is not what was asked for */
	UC_TIMEOUT = 9,
};

#define UC_ERROR_TEXT 400

/*
 * One failure: fixed size, no pointers and no allocation, so that it crosses the ready pipe from
 * the handler process as it is. Functions take it last, set it only when they fail, and return a
 * negative errno. The text is one line without a newline: what failed, why, what to do.
 */
struct uc_error {
	int32_t code;
	int32_t errnum;
	char text[UC_ERROR_TEXT];
};

/* Sets *err (which may be NULL) and returns -errnum. errnum must be positive. */
int uc_fail(struct uc_error *err, enum uc_code code, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* As uc_fail(), with the code that errnum usually means and ": <errno in words>" appended. */
int uc_fail_errno(struct uc_error *err, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "context: " before the text of a failure on its way up. Returns -err->errnum. */
int uc_wrap(struct uc_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The words for an errno value: static storage, never NULL, thread safe. */
const char *uc_errno_text(int errnum);

#endif
