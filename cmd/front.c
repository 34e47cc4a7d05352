/* SPDX-License-Identifier: MIT */
/* The front door: global options, the command's name, and how a command's failure ends. */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "busy.h"
#include "cmd.h"
#include "compat.h"
#include "known.h"
#include "log.h"

#define ENTRY(name) &name##_command,

const struct command *const commands[] = {COMMANDS(ENTRY) NULL};

struct front {
	struct uc_host host;
	const char *name; /* the command word, or NULL */
	int index;        /* of the command word in argv */
	bool answered;    /* --help or --version: there is nothing else to do */
	char error[UC_ERROR_TEXT];
};

static const struct argp_option front_options[] = {
	{"timeout", 't', "SECONDS", 0, "Bound of what is done to each device (default 10)", 0},
	{"help", 'h', NULL, 0, "Show this help", -1},
	{"version", 'V', NULL, 0, "Show the version", -1},
	{0},
};

void known_front(struct known *known)
{
	for (const struct argp_option *o = front_options; o->name; o++)
		known_add(known, &(struct known_option){.name = o->name,
							.letter = (char)o->key,
							.argument = o->arg,
							.help = o->doc});
}

const struct command *command_find(const char *name)
{
	for (size_t i = 0; commands[i]; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return strcmp(complete_command.name, name) == 0 ? &complete_command : NULL;
}

static error_t fail(struct front *front, const char *text)
{
	snprintf(front->error, sizeof(front->error), "%s", text);
	return EINVAL;
}

/* What follows on the command line does not matter any more. */
static error_t answered(struct front *front, struct argp_state *state)
{
	front->answered = true;
	state->next = state->argc;
	return 0;
}

static error_t parse_front(int key, char *arg, struct argp_state *state)
{
	struct front *front = state->input;
	struct uc_error err = {0};

	switch (key) {
	case 't':
		return timeout_parse(arg, &front->host.timeout_ms, &err) < 0 ? fail(front, err.text)
									     : 0;
	case 'h':
		front_help();
		return answered(front, state);
	case 'V':
		puts("ublkctl " UBLKCTL_VERSION);
		return answered(front, state);
	case ARGP_KEY_ARG:
		/* The rest belongs to the command, options and all. */
		front->name = arg;
		front->index = state->next - 1;
		state->next = state->argc;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The list of commands in --help is made from the commands themselves. */
static char *help_filter(int key, const char *text, void *input)
{
	char *list = NULL;
	size_t size = 0;
	FILE *out;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)(uintptr_t)text;
	out = open_memstream(&list, &size);
	if (!out)
		return NULL;
	fputs("Commands:\n", out);
	for (size_t i = 0; commands[i]; i++)
		fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\nExit statuses:\n", out);
	for (size_t i = 0; exit_meanings[i]; i++)
		fprintf(out, "  %zu  %s\n", i, exit_meanings[i]);
	fputs("\n'ublkctl COMMAND --help' tells more of one, and its page ublkctl-COMMAND(8) all.",
	      out);
	fclose(out);
	return list;
}

static const struct argp front_argp = {
	.options = front_options,
	.parser = parse_front,
	.args_doc = "COMMAND [ARGUMENT...]",
	.doc = "Administer userspace block devices (ublk).\v",
	.help_filter = help_filter,
};

void front_help(void)
{
	static char name[] = "ublkctl";

	argp_help(&front_argp, stdout, ARGP_HELP_STD_HELP & ~ARGP_HELP_EXIT_OK, name);
}

static void log_to_stderr(int priority, const char *line)
{
	(void)priority;
	print_problem("%s", line);
}

static int run_command(struct front *front, const struct command *command, int argc, char **argv)
{
	struct uc_error err = {.code = UC_FAILED, .errnum = EIO, .text = "failed"};
	char program[64];

	snprintf(program, sizeof(program), "ublkctl %s", command->name);
	argv[front->index] = program;
	timeout_find(argc - front->index, argv + front->index, &front->host.timeout_ms);
	if (command->run(&front->host, argc - front->index, (const char **)argv + front->index,
			 &err) >= 0)
		return 0;
	print_failure(command, &err);
	return exit_status(&err);
}

/* What argp stopped at, when it was not one of our own checks. */
static const char *explain(struct front *front, char **argv, int next)
{
	if (!front->error[0])
		snprintf(front->error, sizeof(front->error),
			 "option '%s' is unknown, or its argument is missing or unwanted",
			 argv[next > 1 ? next - 1 : 1]);
	return front->error;
}

/*
 * Nothing that is opened later may get one of these numbers: what is printed would go to the image
 * file, and the handler puts /dev/null there. The wrong direction: using it fails, as it should.
 */
static void fill_standard_files(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)!open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

/*
 * What is to go on when the root file system has been found is left alone by systemd for this; see
 * https://systemd.io/ROOT_STORAGE_DAEMONS. Elsewhere it would only keep a system from its end.
 */
static void mark_initramfs(const struct uc_host *host, char **argv)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/etc/initrd-release", host->root ? host->root : "");
	if (argv[0][0] && access(path, F_OK) == 0)
		argv[0][0] = '@';
}

int ublkctl_main(const struct uc_host *host, int argc, char **argv)
{
	struct front front = {.host = *host};
	const struct command *command;
	bool compat;
	int next = 1;

	fill_standard_files();
	check_stdout_at_exit();
	uc_log_to(log_to_stderr);
	if (argc < 1)
		return UC_USAGE;
	compat = compat_is_meant(argv[0]);
	mark_initramfs(host, argv);
	if (compat)
		return compat_main(host, argc, argv);
	busy_tell();
	/* Its own messages have two lines, ours has one; and without them it prints no help. */
	if (argp_parse(&front_argp, argc, argv, ARGP_IN_ORDER | ARGP_NO_ERRS | ARGP_NO_HELP, &next,
		       &front)) {
		print_problem("%s (see 'ublkctl --help')", explain(&front, argv, next));
		return UC_USAGE;
	}
	if (front.answered)
		return 0;
	if (!front.name) {
		print_problem("no command given (see 'ublkctl --help')");
		return UC_USAGE;
	}
	command = command_find(front.name);
	if (!command) {
		print_problem("'%.200s' is not a command (see 'ublkctl --help')", front.name);
		return UC_USAGE;
	}
	return run_command(&front, command, argc, argv);
}
