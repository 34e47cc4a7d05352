/* SPDX-License-Identifier: MIT */
/* `ublk`: the front door, and the commands that need few words. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "compat.h"
#include "lifecycle.h"
#include "select.h"
#include "size.h"

#define NAME "ublk"

/* A result: it failed, and that has been said. */
#define SAID 1

/* Returns 0, SAID, or a negative errno with *err set. */
typedef int run_fn(const struct uc_host *host, int argc, char **argv, struct uc_error *err);

/* What `del` and `list` say. */
struct choice {
	const char *number; /* NULL: none */
	bool all;
	bool async;
	bool verbose;
};

static int parse_choice(int argc, char **argv, const char *letters, struct choice *ret_choice,
			struct uc_error *err)
{
	static const struct option long_options[] = {
		{"number", required_argument, NULL, 'n'},
		{"all", no_argument, NULL, 'a'},
		{"async", no_argument, NULL, 'A'},
		{"verbose", no_argument, NULL, 'v'},
		{NULL, 0, NULL, 0},
	};
	uint64_t id;
	int option;

	optind = 0;
	opterr = 0;
	while ((option = getopt_long(argc, argv, letters, long_options, NULL)) != -1) {
		if (option == ':')
			return uc_fail(err, UC_USAGE, EINVAL, "option '%s' needs an argument",
				       argv[optind - 1]);
		/* Of the long ones each command has some. */
		if (option == '?' || (option != 'A' && !strchr(letters, option)) ||
		    (option == 'A' && strchr(letters, 'v')))
			return uc_fail(err, UC_USAGE, EINVAL, "unknown option '%s'",
				       argv[optind - 1]);
		if (option == 'n')
			ret_choice->number = optarg;
		ret_choice->all |= option == 'a';
		ret_choice->async |= option == 'A';
		ret_choice->verbose |= option == 'v';
	}
	if (optind < argc)
		return uc_fail(err, UC_USAGE, EINVAL, "unexpected argument '%s'", argv[optind]);
	return ret_choice->number
		       ? uc_number_parse(ret_choice->number, "-n", 0, UC_ID_MAX, &id, err)
		       : 0;
}

/* --- list --- */

struct list {
	struct selection selection;
	bool named;
	bool verbose;
};

static int list_one(void *ctx, const struct uc_ref *ref, struct uc_error *err)
{
	const struct list *list = ctx;
	const int ret = compat_print(list->selection.host, ref->id, list->verbose, err);

	/* Gone since we listed it. */
	return !list->named && uc_device_is_out_of_sight(list->selection.host, ret) ? 0 : ret;
}

static int run_list(const struct uc_host *host, int argc, char **argv, struct uc_error *err)
{
	static const struct command as = {.name = "list"};
	struct outcome outcome = {.command = &as};
	struct choice choice = {0};
	struct list list = {.selection = {.host = host}};
	int ret = parse_choice(argc, argv, ":n:va", &choice, err);

	list.named = choice.number;
	list.verbose = choice.verbose;
	if (ret == 0)
		ret = list.named ? select_text(&list.selection, choice.number, err)
				 : select_all(&list.selection, err);
	if (ret == 0)
		ret = select_each(&list.selection, &outcome, list_one, &list, err);
	select_free(&list.selection);
	return ret;
}

/* --- add and recover --- */

/*
 * The other end of what `add` prints: a process that reads the path and prints the device in its
 * place. A handler in the foreground cannot, since it has left all mounts behind. A device that
 * cannot be told of is taken away again.
 */
static int tell(const struct uc_host *host, int fd)
{
	static const struct command as = {.name = "add"};
	uc_auto_file FILE *in = fdopen(fd, "re");
	struct uc_error err = {0};
	char line[256];
	struct uc_ref ref;
	int ret;

	/* Nothing comes if `add` has failed, and has said so. */
	if (!in || !fgets(line, sizeof(line), in))
		return 0;
	line[strcspn(line, "\n")] = '\0';
	ret = uc_device_parse(host, line, &ref, &err);
	if (ret == 0)
		ret = compat_print(host, ref.id, false, &err);
	if (ret == 0 && fflush(stdout) == 0)
		return 0;
	if (ret == 0)
		(void)uc_fail(&err, UC_FAILED, EIO, "cannot write to standard output");
	print_failure(&as, &err);
	ref = uc_device_ref(host, ref.id);
	(void)uc_del(host, &ref, true, NULL);
	return exit_status(&err);
}

/* From now on our standard output is what it reads. */
static int start_teller(const struct uc_host *host, pid_t *ret_pid, struct uc_error *err)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return uc_fail_errno(err, errno, "pipe");
	pid = fork();
	if (pid == 0) {
		/* A device that is there has to be told of, or taken away, whatever comes. */
		signal(SIGINT, SIG_IGN);
		signal(SIGTERM, SIG_IGN);
		signal(SIGHUP, SIG_IGN);
		signal(SIGPIPE, SIG_IGN);
		close(ends[1]);
		_exit(tell(host, ends[0]));
	}
	if (pid > 0)
		dup2(ends[1], STDOUT_FILENO);
	close(ends[0]);
	close(ends[1]);
	*ret_pid = pid;
	return pid < 0 ? uc_fail_errno(err, errno, "fork") : 0;
}

/* True: it has told what there was to tell. */
static bool end_teller(pid_t pid)
{
	uc_auto_close int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int status = 0;

	/* Also for those that write to it at exit. */
	dup2(null, STDOUT_FILENO);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int run_add(const struct uc_host *host, int argc, char **argv, struct uc_error *err)
{
	struct compat_words words = {0};
	pid_t teller = -1;
	int ret = compat_serve_words(host, argc, argv, &words, err);

	if (ret == 0)
		ret = start_teller(host, &teller, err);
	if (ret < 0)
		return ret;
	ret = add_command.run(host, words.count, words.word, err);
	return end_teller(teller) || ret < 0 ? ret : SAID;
}

static int run_recover(const struct uc_host *host, int argc, char **argv, struct uc_error *err)
{
	struct compat_words words = {0};
	uint64_t id = 0;
	int ret = compat_serve_words(host, argc, argv, &words, err);

	if (ret == 0)
		ret = recover_command.run(host, words.count, words.word, err);
	/* It begins with "-n ID". */
	if (ret == 0)
		ret = uc_number_parse(words.word[2], "-n", 0, UC_ID_MAX, &id, err);
	return ret == 0 ? compat_print(host, (uint32_t)id, false, err) : ret;
}

/* --- del --- */

/* It always took devices in use away, and what is not there was no failure. */
static int run_del(const struct uc_host *host, int argc, char **argv, struct uc_error *err)
{
	static const struct command as = {.name = "del"};
	const char *words[8] = {"ublk del", "--force"};
	struct choice choice = {0};
	int count = 2;
	int ret = parse_choice(argc, argv, ":n:a", &choice, err);

	if (ret == 0 && !choice.number && !choice.all)
		ret = uc_fail(err, UC_USAGE, EINVAL, "no device: say -n ID, or -a for all");
	if (ret < 0)
		return ret;
	if (choice.async)
		words[count++] = "--lazy";
	words[count++] = choice.number ? "-n" : "-a";
	if (choice.number)
		words[count++] = choice.number;
	ret = del_command.run(host, count, words, err);
	if (ret < 0 && choice.number && err->code == UC_NO_DEVICE) {
		print_failure(&as, err);
		return 0;
	}
	return ret;
}

/* --- the rest --- */

static int run_features(const struct uc_host *host, int argc, char **argv, struct uc_error *err)
{
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	uint64_t features = 0;
	int ret = 0;

	if (argc > 1)
		return uc_fail(err, UC_USAGE, EINVAL, "unexpected argument '%s'", argv[1]);
	ret = uc_ctrl_open(host, &ctrl, err);
	if (ret == 0)
		ret = uc_ctrl_get_features(ctrl, &features, err);
	if (ret == 0)
		compat_print_features(features);
	return ret;
}

static int run_set_affinity(const struct uc_host *host, int argc, char **argv, struct uc_error *err)
{
	(void)host;
	(void)argc;
	(void)argv;
	return uc_fail(
		err, UC_USAGE, EINVAL,
		"it is not done here for one queue; 'ublkctl set --cpus LIST ID' does it for "
		"all queues of a device");
}

static int run_help(const struct uc_host *host, int argc, char **argv, struct uc_error *err)
{
	(void)host;
	(void)argc;
	(void)argv;
	(void)err;
	puts("Usage: " NAME " COMMAND [OPTION...]\n"
	     "The grammar and the output of an older tool, done by ublkctl; see ublk(8).\n"
	     "\n"
	     "  add -t null|loop [-n ID] [-q QUEUES] [-d DEPTH] [-z] [-r [0|1]] [-i [0|1]] [-e "
	     "[0|1]]\n"
	     "      [--usercopy] [--unprivileged] [--max_io_buf_bytes BYTES] [-T THREADS] "
	     "[--foreground]\n"
	     "      -t loop: -f FILE [--buffered_io] [-o SECTORS]\n"
	     "  del -n ID | -a  [--async]\n"
	     "  list [-n ID] [-v]\n"
	     "  recover -n ID\n"
	     "  features\n"
	     "  help");
	return 0;
}

static int run_version(const struct uc_host *host, int argc, char **argv, struct uc_error *err)
{
	(void)host;
	(void)argc;
	(void)argv;
	(void)err;
	puts(NAME " (ublkctl " UBLKCTL_VERSION ")");
	return 0;
}

static const struct {
	const char *name;
	run_fn *run;
} compat_commands[] = {
	{"add", run_add},           {"del", run_del},           {"list", run_list},
	{"recover", run_recover},   {"features", run_features}, {"set_affinity", run_set_affinity},
	{"help", run_help},         {"--help", run_help},       {"-h", run_help},
	{"--version", run_version}, {"-v", run_version},
};

bool compat_is_meant(const char *argv0)
{
	const char *slash = strrchr(argv0, '/');

	return strcmp(slash ? slash + 1 : argv0, NAME) == 0;
}

int compat_main(const struct uc_host *host, int argc, char **argv)
{
	struct uc_error err = {.code = UC_FAILED, .errnum = EIO, .text = "failed"};

	speak_as(NAME);
	if (argc < 2) {
		print_problem("no command given (see '" NAME " help')");
		return UC_USAGE;
	}
	for (size_t i = 0; i < sizeof(compat_commands) / sizeof(compat_commands[0]); i++) {
		const struct command as = {.name = argv[1]};
		int ret;

		if (strcmp(argv[1], compat_commands[i].name) != 0)
			continue;
		ret = compat_commands[i].run(host, argc - 1, argv + 1, &err);
		if (ret < 0)
			print_failure(&as, &err);
		return ret == SAID ? UC_FAILED : ret < 0 ? exit_status(&err) : 0;
	}
	print_problem("'%.200s' is not a command (see '" NAME " help')", argv[1]);
	return UC_USAGE;
}
