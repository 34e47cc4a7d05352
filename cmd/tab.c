/* SPDX-License-Identifier: MIT */
#include "tab.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cause.h"
#include "cleanup.h"
#include "failures.h"

#define MAX_BYTES  (1U << 20)
#define MAX_ERRORS 100U

static void free_line(struct tab_line *line)
{
	add_free(&line->add);
	free(line->options);
	free(line->text);
}

void tab_free(struct tab *tab)
{
	for (size_t i = 0; i < tab->nr_lines; i++)
		free_line(&tab->lines[i]);
	free(tab->lines);
	free(tab->errors);
	free(tab->path);
	*tab = (struct tab){0};
}

struct tab_line *tab_find(const struct tab *tab, const char *name)
{
	for (size_t i = 0; i < tab->nr_lines; i++)
		if (tab->lines[i].name && strcmp(tab->lines[i].name, name) == 0)
			return &tab->lines[i];
	return NULL;
}

int tab_fail(const struct tab *tab, const struct tab_error *error, struct uc_error *err)
{
	/* Not EINVAL: the command line is right, and its help is none. */
	return uc_fail(err, UC_USAGE, EBADMSG, "%s:%u:%u: %s", tab->path, error->line,
		       error->column, error->text);
}

int tab_tell_errors(const struct tab *tab, const struct command *command, struct uc_error *err)
{
	struct failures failures = {.command = command, .err = err};

	for (size_t i = 0; i < tab->nr_errors; i++) {
		struct uc_error mine;

		failures_add(&failures, tab_fail(tab, &tab->errors[i], &mine), &mine);
	}
	return failures_end(&failures);
}

int tab_complain(struct tab *tab, unsigned line, unsigned column, const char *fmt, ...)
{
	struct tab_error *more = realloc(tab->errors, (tab->nr_errors + 1) * sizeof(*more));
	const bool last = tab->nr_errors + 1 == MAX_ERRORS;
	va_list ap;

	if (!more)
		return -ENOMEM;
	tab->errors = more;
	more += tab->nr_errors++;
	*more = (struct tab_error){.line = line, .column = column};
	va_start(ap, fmt);
	vsnprintf(more->text, sizeof(more->text),
		  last ? "so many errors that the rest is not read" : fmt, ap);
	va_end(ap);
	return last ? -E2BIG : 0;
}

static int parse_text(struct tab *tab, const char *text, size_t len)
{
	unsigned number = 0;
	int ret = 0;

	while (ret == 0 && len) {
		const char *end = memchr(text, '\n', len);
		const size_t line = end ? (size_t)(end - text) : len;

		ret = tab_parse_line(tab, ++number, text, line);
		text += line + (end != NULL);
		len -= line + (end != NULL);
	}
	return ret == -E2BIG ? 0 : ret;
}

/* As it is now; one that is a pipe, or far too large, was named by mistake. */
static int read_file(const char *path, char **ret_text, size_t *ret_len, struct uc_error *err)
{
	uc_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return uc_fail(err, UC_FAILED, ENOENT,
			       "%s does not exist; ublktab(5) tells what it has to say", path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return uc_fail_file(err, path, errno);
	if (!S_ISREG(st.st_mode) || st.st_size > MAX_BYTES)
		return uc_fail(err, UC_FAILED, EINVAL, "%s: it is %s; name another", path,
			       S_ISREG(st.st_mode) ? "larger than 1M" : "no regular file");
	*ret_text = malloc(MAX_BYTES);
	if (!*ret_text)
		return uc_fail_errno(err, ENOMEM, "%s", path);
	*ret_len = 0;
	while ((n = read(fd, *ret_text + *ret_len, MAX_BYTES - *ret_len)) > 0)
		*ret_len += (size_t)n;
	return n < 0 ? uc_fail_file(err, path, errno) : 0;
}

int tab_read(const struct uc_host *host, const char *file, struct tab *ret_tab,
	     struct uc_error *err)
{
	uc_auto_free char *text = NULL;
	size_t len = 0;
	int ret;

	*ret_tab = (struct tab){0};
	if (asprintf(&ret_tab->path, "%s%s", file || !host->root ? "" : host->root,
		     file ? file : "/etc/ublktab") < 0) {
		ret_tab->path = NULL;
		return uc_fail_errno(err, ENOMEM, "ublktab");
	}
	ret = read_file(ret_tab->path, &text, &len, err);
	if (ret < 0)
		return ret;
	ret = parse_text(ret_tab, text, len);
	return ret < 0 ? uc_fail_errno(err, -ret, "%s", ret_tab->path) : 0;
}
