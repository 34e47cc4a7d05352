/* SPDX-License-Identifier: MIT */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include <popt.h>
#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "host.h"

struct table;

/* What a command takes besides options. */
enum operands {
	OPERAND_NONE,
	OPERAND_DEVICE,
	OPERAND_DEVICES,
	OPERAND_COMMAND,
	OPERAND_LINES, /* names of lines of /etc/ublktab */
	OPERAND_VERB,  /* what to do with that file; see ublktab.h */
};

/* One command of the program: each file of this directory named after one ends in its struct. */
struct command {
	const char *name;
	const char *summary;  /* one line, lower case, no full stop */
	const char *synopsis; /* what follows the name in a usage line */

	/* What --help, completion and the tests against drift know of it: */
	const struct poptOption *options; /* its own, besides those that every command has */
	const struct table *table;        /* whose columns -o chooses, or NULL */
	enum operands operands;
	bool serves; /* takes the options of serve.h and of a target, too */

	/* argv[0] is "ublkctl NAME". Returns 0, or a negative errno with *err set. */
	int (*run)(const struct uc_host *host, int argc, const char **argv, struct uc_error *err);
};

/* All commands in the order of listings. One more is a file that ends in its NAME_command, and a
 * line here. */
#define COMMANDS(X)                                                                                \
	X(add)                                                                                     \
	X(list)                                                                                    \
	X(show)                                                                                    \
	X(stats)                                                                                   \
	X(top)                                                                                     \
	X(monitor)                                                                                 \
	X(wait)                                                                                    \
	X(set)                                                                                     \
	X(resize)                                                                                  \
	X(stop)                                                                                    \
	X(start)                                                                                   \
	X(recover)                                                                                 \
	X(upgrade)                                                                                 \
	X(del)                                                                                     \
	X(up)                                                                                      \
	X(down)                                                                                    \
	X(ublktab)                                                                                 \
	X(gc)                                                                                      \
	X(doctor)                                                                                  \
	X(features)                                                                                \
	X(targets)                                                                                 \
	X(help)

#define DECLARE_COMMAND(name) extern const struct command name##_command;
COMMANDS(DECLARE_COMMAND)

/* The same, ended by NULL. */
extern const struct command *const commands[];
const struct command *command_find(const char *name);

/* The program: parses the global options, runs one command, returns the exit status. */
int ublkctl_main(const struct uc_host *host, int argc, char **argv);

/* Prints the help of the whole program on stdout. */
void front_help(void);

/* By which name the program has been called, and speaks; `name` is not copied. */
void speak_as(const char *name);

/* One line on stderr, after the program's name. */
void print_problem(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The one line on stderr that a failure of a command gets. */
void print_failure(const struct command *command, const struct uc_error *err);

/* The exit status that a failure is documented to have; the only place that decides it. */
int exit_status(const struct uc_error *err);

/* Makes a failure to write standard output a failure of the program, with a message. */
void check_stdout_at_exit(void);

/*
 * Option parsing for one command. take() gets each option's value and argument; operand() gets
 * what is no option, after all options, and is NULL for a command that takes no operands.
 */
struct option_parser {
	const struct command *command;
	const struct poptOption *options; /* NULL: the command's own and no others */
	int (*take)(void *ctx, int option, const char *arg, struct uc_error *err);
	int (*operand)(void *ctx, const char *text, struct uc_error *err);
	void *ctx;
	/* After the options in --help; NULL: the columns of the command's table, if it has one. */
	void (*more_help)(void);
};

/* --timeout of the program and of each command, in milliseconds. */
int timeout_parse(const char *arg, unsigned *ret_ms, struct uc_error *err);

/* The same out of a command's arguments, before they are parsed: *ms stays if there is none. */
void timeout_find(int argc, char **argv, unsigned *ms);

/* Returns 0 (go on), 1 (--help was given, and printed) or a negative errno. */
int options_parse(const struct option_parser *parser, int argc, const char **argv,
		  struct uc_error *err);

#endif
