/* SPDX-License-Identifier: MIT */
/* How the program ends. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd.h"

void print_failure(const struct command *command, const struct uc_error *err)
{
	fprintf(stderr, "ublkctl: %s: %s", command->name, err->text);
	if (err->code == UC_USAGE)
		fprintf(stderr, " (see 'ublkctl %s --help')", command->name);
	fputc('\n', stderr);
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
	fprintf(stderr, "ublkctl: cannot write standard output: %s\n",
		uc_errno_text(errno ? errno : EIO));
	_exit(UC_FAILED);
}

void check_stdout_at_exit(void)
{
	atexit(close_stdout);
}
