/* SPDX-License-Identifier: MIT */
#ifndef CMD_TAB_H
#define CMD_TAB_H

#include <stdbool.h>
#include <stddef.h>

#include "add.h"

/*
 * /etc/ublktab: devices that shall be there, one a line, as ublktab(5) describes it. A file is
 * parsed whole, and every error in it is kept; what it says is not done here.
 */

struct tab_error {
	unsigned line, column; /* from 1, bytes */
	char text[UC_ERROR_TEXT];
};

struct tab_line {
	unsigned number; /* in the file, from 1 */
	bool broken;     /* an error is about it: only number, name and the flags count */

	/* The fields, without escapes; "" if there is none. */
	const char *name;
	const char *target;
	const char *source;
	char *options; /* but this as it is written */

	bool noauto;        /* not by --all, nor at boot */
	bool nofail;        /* a failure does not count */
	bool netdev;        /* _netdev: what is behind it needs the network */
	bool initrd_attach; /* x-initrd.attach: is made by the initramfs, and stays until the end */

	/* What `add` would have been asked for. */
	struct add add;
	char *text; /* what the fields point into */
};

struct tab {
	char *path;
	struct tab_line *lines; /* no comments, nor blank ones */
	size_t nr_lines;
	struct tab_error *errors;
	size_t nr_errors;
};

/*
 * Parses `file`; NULL: the host's /etc/ublktab. Returns 0 whatever is in it; -ENOENT: there is
 * none. To be freed with tab_free() in either case.
 */
int tab_read(const struct uc_host *host, const char *file, struct tab *ret_tab,
	     struct uc_error *err);
void tab_free(struct tab *tab);
#define auto_tab __attribute__((cleanup(tab_free)))

/* The line of that name, broken or not; NULL: there is none. */
struct tab_line *tab_find(const struct tab *tab, const char *name);

/* "FILE:LINE:COLUMN: text", as the failure that a command ends with; its status is 2. */
int tab_fail(const struct tab *tab, const struct tab_error *error, struct uc_error *err);

/* All errors, as failures of the command; 0 if there is none. */
int tab_tell_errors(const struct tab *tab, const struct command *command, struct uc_error *err);

/* For the parser: keeps an error. -ENOMEM, or -E2BIG: there are so many that it should stop. */
int tab_complain(struct tab *tab, unsigned line, unsigned column, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* For the parser: appends the line, if it says anything. Returns as tab_complain(), or 0. */
int tab_parse_line(struct tab *tab, unsigned number, const char *text, size_t len);

#endif
