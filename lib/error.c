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

/* Room for a text with two paths in it, which err->text has not. */
#define WHOLE_TEXT 10240

/* What is too long loses its middle: the end says why it failed. */
static void store(struct uc_error *err, const char *text)
{
	static const char gap[] = " ... ";
	const size_t len = strlen(text);
	const size_t head = sizeof(err->text) / 2;
	const size_t tail = sizeof(err->text) - head - sizeof(gap);

	if (len < sizeof(err->text))
		memcpy(err->text, text, len + 1);
	else
		snprintf(err->text, sizeof(err->text), "%.*s%s%s", (int)head, text, gap,
			 text + len - tail);
}

int uc_fail(struct uc_error *err, enum uc_code code, int errnum, const char *fmt, ...)
{
	char text[WHOLE_TEXT];
	va_list ap;

	if (err) {
		va_start(ap, fmt);
		vsnprintf(text, sizeof(text), fmt, ap);
		va_end(ap);
		err->code = (int32_t)code;
		err->errnum = errnum;
		store(err, text);
	}
	return -errnum;
}

/* Puts ": tail" behind the text. */
static void append(char *text, size_t size, const char *tail)
{
	const size_t used = strlen(text);

	snprintf(text + used, size - used, ": %s", tail);
}

int uc_fail_errno(struct uc_error *err, int errnum, const char *fmt, ...)
{
	char text[WHOLE_TEXT];
	va_list ap;

	if (err) {
		va_start(ap, fmt);
		vsnprintf(text, sizeof(text) - UC_ERROR_TEXT - 2, fmt, ap);
		va_end(ap);
		append(text, sizeof(text), uc_errno_text(errnum));
		err->code = (int32_t)code_of_errno(errnum);
		err->errnum = errnum;
		store(err, text);
	}
	return -errnum;
}

int uc_wrap(struct uc_error *err, const char *fmt, ...)
{
	char text[WHOLE_TEXT];
	va_list ap;

	if (!err)
		return -EIO;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text) - UC_ERROR_TEXT - 2, fmt, ap);
	va_end(ap);
	append(text, sizeof(text), err->text);
	store(err, text);
	return -err->errnum;
}
