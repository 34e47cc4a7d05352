/* SPDX-License-Identifier: MIT */
/* How the program ends. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"

static const char *speaker = "ublkctl";

void speak_as(const char *name)
{
	speaker = name;
}

void print_problem(const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	/* A file's name may hold anything; it stays one line, and no terminal's command. */
	for (char *c = line; *c; c++)
		if (iscntrl((unsigned char)*c))
			*c = '?';
	fprintf(stderr, "%s: %s\n", speaker, line);
}

void print_failure(const struct command *command, const struct uc_error *err)
{
	/* EBADMSG: what a file says is wrong, and no help of ours tells what it should say. */
	if (err->code != UC_USAGE || err->errnum == EBADMSG)
		print_problem("%s: %s", command->name, err->text);
	else if (strcmp(speaker, "ublkctl") == 0)
		print_problem("%s: %s (see 'ublkctl %s --help')", command->name, err->text,
			      command->name);
	else
		print_problem("%s: %s (see '%s help')", command->name, err->text, speaker);
}

int exit_status(const struct uc_error *err)
{
	/* uc_code's values are the documented statuses. */
	return err->code > UC_OK && err->code <= UC_TIMEOUT ? (int)err->code : UC_FAILED;
}

static void close_stdout(void)
{
	const int broken = ferror(stdout);

	errno = 0;
	if (fclose(stdout) == 0 && !broken)
		return;
	/* A script must not take half a list for a whole one. EPIPE: nobody wants the rest. */
	if (errno == EPIPE)
		_exit(UC_FAILED);
	print_problem("cannot write standard output: %s", uc_errno_text(errno ? errno : EIO));
	_exit(UC_FAILED);
}

void check_stdout_at_exit(void)
{
	atexit(close_stdout);
}
