/* SPDX-License-Identifier: MIT */
/* `ublk add` and `ublk recover`: what they say, in the words of ublkctl. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "compat.h"
#include "ctrl.h"
#include "machine.h"
#include "recovery.h"
#include "size.h"

#define SECTOR 512U

enum {
	OPT_UNPRIVILEGED = 0x100,
	OPT_USER_COPY,
	OPT_MAX_IO,
	OPT_BUFFERED,
	OPT_FOREGROUND,
	OPT_DEBUG_MASK,
	OPT_QUIET,
	OPT_SHARED,
};

/* What stands on the command line, not yet looked at. */
struct said {
	const char *type, *number, *queues, *depth, *threads, *max_io, *file, *offset;
	bool recovery, reissue, fail_io; /* "-r 0" is false */
	bool zero_copy, user_copy, buffered, unprivileged, foreground;
};

/* Names of one option differ between releases, and between the tools of this family. */
static const struct option long_options[] = {
	{"type", required_argument, NULL, 't'},
	{"number", required_argument, NULL, 'n'},
	{"queues", required_argument, NULL, 'q'},
	{"depth", required_argument, NULL, 'd'},
	{"uring_comp", optional_argument, NULL, 'u'},
	{"need_get_data", optional_argument, NULL, 'g'},
	{"get_data", optional_argument, NULL, 'g'},
	{"user_recovery", optional_argument, NULL, 'r'},
	{"user-recovery", optional_argument, NULL, 'r'},
	{"recovery", optional_argument, NULL, 'r'},
	{"user_recovery_fail_io", optional_argument, NULL, 'e'},
	{"recovery_fail_io", optional_argument, NULL, 'e'},
	{"user_recovery_reissue", optional_argument, NULL, 'i'},
	{"recovery_reissue", optional_argument, NULL, 'i'},
	{"zerocopy", no_argument, NULL, 'z'},
	{"zero_copy", no_argument, NULL, 'z'},
	{"threads_per_queue", required_argument, NULL, 'T'},
	{"seq_tags", no_argument, NULL, 'S'},
	{"batch-io", no_argument, NULL, 'b'},
	{"file", required_argument, NULL, 'f'},
	{"offset", required_argument, NULL, 'o'},
	{"buffered_io", no_argument, NULL, OPT_BUFFERED},
	{"usercopy", no_argument, NULL, OPT_USER_COPY},
	{"user_copy", no_argument, NULL, OPT_USER_COPY},
	{"unprivileged", no_argument, NULL, OPT_UNPRIVILEGED},
	{"max_io_buf_bytes", required_argument, NULL, OPT_MAX_IO},
	{"foreground", no_argument, NULL, OPT_FOREGROUND},
	{"debug_mask", required_argument, NULL, OPT_DEBUG_MASK},
	{"quiet", no_argument, NULL, OPT_QUIET},
	{"shmem_zc", no_argument, NULL, OPT_SHARED},
	{"htlb", required_argument, NULL, OPT_SHARED},
	{"rdonly_shmem_buf", no_argument, NULL, OPT_SHARED},
	{NULL, 0, NULL, 0},
};

static bool is_number(const char *text)
{
	return text && *text && strspn(text, "0123456789") == strlen(text);
}

/* "-r 1", "-r1", "-r 0", and "-r" alone, which some of the tools had as a flag. */
static int take_switch(int argc, char **argv, int option, bool *ret_on, struct uc_error *err)
{
	const char *value = optarg;

	if (!value && optind < argc && is_number(argv[optind]))
		value = argv[optind++];
	if (value && !is_number(value))
		return uc_fail(err, UC_USAGE, EINVAL, "-%c: '%s' is neither 0 nor 1", option,
			       value);
	*ret_on = !value || strspn(value, "0") != strlen(value);
	return 0;
}

static int take_type(struct said *said, const char *name, struct uc_error *err)
{
	said->type = name;
	if (strcmp(name, "null") == 0 || strcmp(name, "loop") == 0)
		return 0;
	return uc_fail(err, UC_USAGE, EINVAL,
		       "there is no type '%s' here, only null and loop; 'ublkctl targets' lists "
		       "what 'ublkctl add' has",
		       name);
}

static int refuse_word(const char *word, const char *instead, struct uc_error *err)
{
	return uc_fail(err, UC_USAGE, EINVAL, "%s is not done here; %s", word, instead);
}

static int take_more(struct said *said, int option, struct uc_error *err)
{
	switch (option) {
	case OPT_BUFFERED:
		said->buffered = true;
		return 0;
	case OPT_USER_COPY:
		said->user_copy = true;
		return 0;
	case OPT_UNPRIVILEGED:
		said->unprivileged = true;
		return 0;
	case OPT_MAX_IO:
		said->max_io = optarg;
		return 0;
	case OPT_FOREGROUND:
		said->foreground = true;
		return 0;
	case OPT_DEBUG_MASK:
	case OPT_QUIET:
		/* We print no such messages. */
		return 0;
	case OPT_SHARED:
		return refuse_word("memory shared with clients",
				   "use 'ublkctl add --shared-memory FILE'", err);
	case 'b':
		return refuse_word("--batch-io", "use 'ublkctl add --data-path batch-copy'", err);
	case 'S':
		return refuse_word("--seq_tags", "leave it out", err);
	default:
		return -EINVAL;
	}
}

static int take(struct said *said, int argc, char **argv, int option, struct uc_error *err)
{
	bool ignored;

	switch (option) {
	case 't':
		return take_type(said, optarg, err);
	case 'n':
		said->number = optarg;
		return 0;
	case 'q':
		said->queues = optarg;
		return 0;
	case 'd':
		said->depth = optarg;
		return 0;
	case 'T':
		said->threads = optarg;
		return 0;
	case 'f':
		said->file = optarg;
		return 0;
	case 'o':
		said->offset = optarg;
		return 0;
	case 'z':
		said->zero_copy = true;
		return 0;
	case 'r':
		return take_switch(argc, argv, option, &said->recovery, err);
	case 'i':
		return take_switch(argc, argv, option, &said->reissue, err);
	case 'e':
		return take_switch(argc, argv, option, &said->fail_io, err);
	case 'g':
	case 'u':
		/* How driver and handler talk, which clients see nothing of. */
		return take_switch(argc, argv, option, &ignored, err);
	default:
		return take_more(said, option, err);
	}
}

/* "add loop -f FILE" and "add -t loop FILE" are said in this family, too. */
static int take_operand(struct said *said, const char *text, struct uc_error *err)
{
	if (!said->type)
		return take_type(said, text, err);
	if (said->file || strcmp(said->type, "loop") != 0)
		return uc_fail(err, UC_USAGE, EINVAL, "unexpected argument '%s'", text);
	said->file = text;
	return 0;
}

static int parse(int argc, char **argv, struct said *said, struct uc_error *err)
{
	int option;
	int ret = 0;

	optind = 0;
	opterr = 0;
	while (ret == 0 && (option = getopt_long(argc, argv, ":t:n:q:d:u::g::r::e::i::zT:Sbf:o:",
						 long_options, NULL)) != -1) {
		if (option == '?')
			return uc_fail(err, UC_USAGE, EINVAL, "unknown option '%s'",
				       argv[optind - 1]);
		if (option == ':')
			return uc_fail(err, UC_USAGE, EINVAL, "option '%s' needs an argument",
				       argv[optind - 1]);
		ret = take(said, argc, argv, option, err);
	}
	for (int i = optind; ret == 0 && i < argc; i++)
		ret = take_operand(said, argv[i], err);
	return ret;
}

static void add_word(struct compat_words *words, const char *word)
{
	/* The last one stays NULL. */
	if (words->count < COMPAT_WORDS - 1)
		words->word[words->count++] = word;
}

static void add_option(struct compat_words *words, const char *option, const char *value)
{
	if (!value)
		return;
	add_word(words, option);
	add_word(words, value);
}

static void add_number(struct compat_words *words, int room, const char *option, uint64_t number)
{
	snprintf(words->number[room], COMPAT_TEXT, "%" PRIu64, number);
	add_option(words, option, words->number[room]);
}

/* The older tool took what it got of the driver, so that one script served machines of any size. */
static int add_limited(struct compat_words *words, int room, const char *option, const char *value,
		       uint64_t max, struct uc_error *err)
{
	uint64_t number;
	char what[8];

	if (!value)
		return 0;
	snprintf(what, sizeof(what), "-%c", option[2]);
	if (uc_number_parse(value, what, 1, UINT16_MAX, &number, err) < 0)
		return -EINVAL;
	add_number(words, room, option, max && number > max ? max : number);
	return 0;
}

static int add_data_path(const struct uc_host *host, const struct said *said,
			 struct compat_words *words, struct uc_error *err)
{
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	uint64_t features = 0;
	int ret;

	if (said->zero_copy && said->user_copy)
		return uc_fail(err, UC_USAGE, EINVAL, "-z and --usercopy exclude each other");
	if (said->user_copy)
		add_option(words, "--data-path", "user-copy");
	if (!said->zero_copy)
		return 0;
	ret = uc_ctrl_open(host, &ctrl, err);
	if (ret == 0)
		ret = uc_ctrl_get_features(ctrl, &features, err);
	add_option(words, "--data-path", features & UBLK_F_AUTO_BUF_REG ? "auto-reg" : "zero-copy");
	return ret;
}

static int add_recovery(const struct said *said, struct compat_words *words, struct uc_error *err)
{
	if (said->reissue && said->fail_io)
		return uc_fail(err, UC_USAGE, EINVAL,
			       "-i and -e exclude each other: requests are either issued again or "
			       "fail");
	if (said->reissue || said->fail_io || said->recovery)
		add_option(words, "--recovery",
			   uc_recovery_name(said->reissue   ? UC_RECOVERY_REISSUE
					    : said->fail_io ? UC_RECOVERY_FAIL
							    : UC_RECOVERY_QUEUE));
	return 0;
}

/* Of a new device alone: the driver keeps all this of one that is recovered. */
static int add_device_words(const struct uc_host *host, const struct said *said,
			    struct compat_words *words, struct uc_error *err)
{
	int ret = add_limited(words, 0, "--queues", said->queues, uc_machine_cpus(host), err);

	if (ret == 0)
		ret = add_limited(words, 1, "--depth", said->depth, UBLK_MAX_QUEUE_DEPTH, err);
	add_option(words, "--threads", said->threads);
	add_option(words, "--max-io-size", said->max_io);
	/* As the driver does, which drops it for whoever is privileged anyway. */
	if (said->unprivileged && host->unprivileged)
		add_word(words, "--unprivileged");
	if (said->foreground)
		add_word(words, "--foreground");
	if (ret == 0)
		ret = add_recovery(said, words, err);
	return ret == 0 ? add_data_path(host, said, words, err) : ret;
}

/* What is behind the device. */
static int add_target_words(const struct said *said, struct compat_words *words,
			    struct uc_error *err)
{
	uint64_t sectors;

	add_option(words, "-t", said->type);
	add_option(words, "-f", said->file);
	if (said->buffered)
		add_option(words, "--direct-io", "off");
	if (!said->offset)
		return 0;
	if (uc_number_parse(said->offset, "--offset", 0, INT64_MAX / SECTOR, &sectors, err) < 0)
		return -EINVAL;
	add_number(words, 2, "--offset", sectors * SECTOR);
	return 0;
}

int compat_serve_words(const struct uc_host *host, int argc, char **argv,
		       struct compat_words *ret_words, struct uc_error *err)
{
	const bool is_new = strcmp(argv[0], "add") == 0;
	struct said said = {0};
	uint64_t id;
	int ret = parse(argc, argv, &said, err);

	if (ret < 0)
		return ret;
	if (is_new && !said.type)
		return uc_fail(err, UC_USAGE, EINVAL, "no type: say -t null or -t loop");
	if (!is_new && (!said.number || said.foreground))
		return uc_fail(err, UC_USAGE, EINVAL,
			       said.number ? "--foreground goes with add only"
					   : "no device: say -n ID");
	/* -1: any. */
	if (said.number && (!is_new || strcmp(said.number, "-1") != 0)) {
		if (uc_number_parse(said.number, "-n", 0, UC_ID_MAX, &id, err) < 0)
			return -EINVAL;
	} else {
		said.number = NULL;
	}
	ret_words->count = 0;
	add_word(ret_words, is_new ? "ublk add" : "ublk recover");
	add_option(ret_words, "-n", said.number);
	ret = add_target_words(&said, ret_words, err);
	if (ret == 0 && is_new)
		ret = add_device_words(host, &said, ret_words, err);
	return ret;
}
