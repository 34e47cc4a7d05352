/* SPDX-License-Identifier: MIT */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *uc_errno_text(int errnum)
{
	const char *text = strerrordesc_np(errnum);

	return text ? text : "Unknown error";
}

static enum uc_code code_of_errno(int errnum)
{
	switch (errnum) {
	case EPERM:
	case EACCES:
		return UC_PERMISSION;
	case ENODEV:
		return UC_NO_DEVICE;
	case EBUSY:
		return UC_BUSY;
	case EEXIST:
		return UC_DIFFERS;
	case EOPNOTSUPP:
		return UC_UNSUPPORTED;
	case ETIMEDOUT:
		return UC_TIMEOUT;
	default:
		return UC_FAILED;
	}
}

static void fill(struct uc_error *err, enum uc_code code, int errnum, const char *fmt, va_list ap)
{
	err->code = (int32_t)code;
	err->errnum = errnum;
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
}

int uc_fail(struct uc_error *err, enum uc_code code, int errnum, const char *fmt, ...)
{
	va_list ap;

	if (err) {
		va_start(ap, fmt);
		fill(err, code, errnum, fmt, ap);
		va_end(ap);
	}
	return -errnum;
}

int uc_fail_errno(struct uc_error *err, int errnum, const char *fmt, ...)
{
	va_list ap;
	size_t used;

	if (err) {
		va_start(ap, fmt);
		fill(err, code_of_errno(errnum), errnum, fmt, ap);
		va_end(ap);
		used = strlen(err->text);
		snprintf(err->text + used, sizeof(err->text) - used, ": %s", uc_errno_text(errnum));
	}
	return -errnum;
}

int uc_wrap(struct uc_error *err, const char *fmt, ...)
{
	char inner[UC_ERROR_TEXT];
	va_list ap;
	size_t used;

	if (!err)
		return -EIO;
	memcpy(inner, err->text, sizeof(inner));
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof(err->text) - used, ": %s", inner);
	return -err->errnum;
}
