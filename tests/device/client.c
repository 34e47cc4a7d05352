/* SPDX-License-Identifier: MIT */
/*
 * What the device tests need of a client and dd cannot do, and what takes too many programs, since
 * starting one is what costs under emulation. Nothing of it waits for longer than a minute.
 *
 *   client fill DEVICE LETTER:OFFSET:LENGTH...
 *	Writes that letter there, each in one call.
 *
 *   client peek DEVICE OFFSET:LENGTH WANTED...
 *	Reads, each into a buffer full of 'E'. How it went (a number of bytes or the name of an
 *	errno) and what the buffer holds then, whatever reached the client's memory (letters with
 *	their counts, 0 as '.'), so "4096 A100.3996" or "EIO E4096", must match a regular
 *	expression. All are done; says which did not.
 *
 *   client holes DEVICE
 *	Letters in the first MiB, of which parts are zeroed in every way that a client has.
 *
 *   client verify DEVICE
 *	Threads write the first 8 MiB in pieces of many sizes, twice, and read them in others.
 *
 *   client load DEVICE
 *	Threads read and write until there is an error; says when they are at it, and then which.
 *
 *   client race DEVICE FILE
 *	FILE, which DEVICE lies on, is cut and grown while threads read what is there no more and
 *	others write P elsewhere. None may see a P, nor anything but the file's bytes if it
 *	succeeds.
 *
 *   client number DEVICE FIRST COUNT LOG
 *	Fills blocks FIRST to FIRST+COUNT-1 with their number, one by one, each with a flush, and
 *	puts each number in LOG (synchronously) after its flush was acknowledged and not before.
 *
 *   client insist DEVICE COUNT LOG
 *	The same from 0, but a write or flush that fails is done again until it does not, and ends
 *	on SIGTERM. Says when each failed (seconds since the epoch), and then how many were done.
 *
 *   client numbered DEVICE LOG
 *	Is the block of each number in LOG there, whole? Says how many are, or which is not.
 */
#include "client.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <regex.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ALIGNMENT 4096U
#define BLOCK     8192U

_Noreturn void client_fail(const char *what)
{
	fprintf(stderr, "client: %s: %s\n", what, strerror(errno));
	exit(1);
}

int client_open(const char *path, int flags)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISBLK(st.st_mode))
		flags |= O_DIRECT;
	const int fd = open(path, flags);

	if (fd < 0)
		client_fail(path);
	return fd;
}

void *client_buffer(size_t len, int byte)
{
	void *buffer = aligned_alloc(ALIGNMENT, (len + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);

	if (!buffer)
		abort();
	return memset(buffer, byte, len);
}

/* OFFSET:LENGTH */
static size_t parse_range(const char *arg, off_t *ret_offset)
{
	char *end;

	*ret_offset = (off_t)strtoull(arg, &end, 0);
	return *end == ':' ? strtoul(end + 1, NULL, 0) : 0;
}

static int fill(char **args)
{
	const int fd = client_open(*args, O_WRONLY);

	while (*++args) {
		off_t offset;
		const size_t len = parse_range(*args + 2, &offset);
		void *buffer = client_buffer(len, **args);

		if (pwrite(fd, buffer, len, offset) != (ssize_t)len)
			client_fail(*args);
		free(buffer);
	}
	return 0;
}

/* "A100.3996" */
static void put_runs(FILE *out, const char *data, size_t len)
{
	for (size_t i = 0, start = 0; i < len; i++) {
		if (i + 1 < len && data[i + 1] == data[start])
			continue;
		if (isalpha((unsigned char)data[start]))
			fputc(data[start], out);
		else
			fputs(data[start] ? "?" : ".", out);
		fprintf(out, "%zu", i + 1 - start);
		start = i + 1;
	}
}

/* What a read came to, to be freed. */
static char *read_and_tell(int fd, const char *range)
{
	off_t offset;
	const size_t len = parse_range(range, &offset);
	char *buffer = client_buffer(len, 'E');
	const ssize_t got = pread(fd, buffer, len, offset);
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		abort();
	if (got < 0)
		fprintf(out, "%s ", strerrorname_np(errno));
	else
		fprintf(out, "%zd ", got);
	put_runs(out, buffer, len);
	fclose(out);
	free(buffer);
	return text;
}

/* All of the text */
static bool matches(const char *text, const char *pattern)
{
	regmatch_t all;
	regex_t regex;
	bool found;

	if (regcomp(&regex, pattern, REG_EXTENDED))
		abort();
	found = regexec(&regex, text, 1, &all, 0) == 0 && all.rm_so == 0 && !text[all.rm_eo];
	regfree(&regex);
	return found;
}

static int peek(char **args)
{
	const int fd = client_open(args[0], O_RDONLY);
	int status = 0;

	for (args++; args[0] && args[1]; args += 2) {
		char *text = read_and_tell(fd, args[0]);

		if (!matches(text, args[1])) {
			printf("a read of %s: %s is not %s\n", args[0], text, args[1]);
			status = 1;
		}
		free(text);
	}
	return status;
}

static int holes(char **args)
{
	const size_t len = 1U << 20;
	const int fd = client_open(*args, O_RDWR);
	uint64_t discarded[] = {64U << 10, 64U << 10};
	uint64_t zeroed[] = {(192U << 10) - 512, (128U << 10) + 1024};
	char *wanted = client_buffer(len, 'A');
	char *found = client_buffer(len, 'E');

	if (pwrite(fd, wanted, len, 0) != (ssize_t)len)
		client_fail("write");
	if (ioctl(fd, BLKDISCARD, discarded) < 0)
		client_fail("BLKDISCARD");
	if (ioctl(fd, BLKZEROOUT, zeroed) < 0)
		client_fail("BLKZEROOUT");
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 512 << 10, 64 << 10) < 0)
		client_fail("punching a hole");
	if (fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 640 << 10, 128 << 10) < 0)
		client_fail("zeroing a range");
	memset(wanted + discarded[0], 0, discarded[1]);
	memset(wanted + zeroed[0], 0, zeroed[1]);
	memset(wanted + (512U << 10), 0, 64U << 10);
	memset(wanted + (640U << 10), 0, 128U << 10);
	if (pread(fd, found, len, 0) != (ssize_t)len)
		client_fail("read");
	if (memcmp(wanted, found, len) == 0)
		return 0;
	put_runs(stdout, found, len);
	return 1;
}

static void make_block(uint64_t *words, uint64_t number)
{
	for (size_t i = 0; i < BLOCK / sizeof(*words); i++)
		words[i] = number * BLOCK + i + 1;
}

static volatile sig_atomic_t told_to_end;

static void on_term(int signal)
{
	(void)signal;
	told_to_end = 1;
}

/* The number's block, and a flush of it. */
static bool put_number(int fd, uint64_t n)
{
	static uint64_t *block;

	if (!block)
		block = client_buffer(BLOCK, 0);
	make_block(block, n);
	return pwrite(fd, block, BLOCK, (off_t)(n * BLOCK)) == BLOCK && fdatasync(fd) == 0;
}

static void say_failure(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	printf("%lld.%06ld %s\n", (long long)now.tv_sec, now.tv_nsec / 1000, strerror(errno));
	fflush(stdout);
	usleep(5000);
}

static uint64_t put_numbers(const char *device, uint64_t first, uint64_t end, const char *log_name,
			    bool insist)
{
	const int fd = open(device, O_WRONLY | O_DIRECT);
	const int log = open(log_name, O_WRONLY | O_CREAT | O_APPEND | O_SYNC, 0600);
	uint64_t n;

	if (fd < 0 || log < 0)
		client_fail("open");
	for (n = first; n < end && !told_to_end; n++) {
		while (!put_number(fd, n)) {
			if (!insist)
				client_fail(device);
			say_failure();
		}
		if (dprintf(log, "%llu\n", (unsigned long long)n) < 0)
			client_fail(log_name);
	}
	return n - first;
}

static int number(char **args)
{
	const uint64_t first = strtoull(args[1], NULL, 0);

	put_numbers(args[0], first, first + strtoull(args[2], NULL, 0), args[3], false);
	return 0;
}

static int insist(char **args)
{
	uint64_t count;

	signal(SIGTERM, on_term);
	count = put_numbers(args[0], 0, strtoull(args[1], NULL, 0), args[2], true);
	printf("done %llu\n", (unsigned long long)count);
	return 0;
}

static int numbered(char **args)
{
	const int fd = client_open(args[0], O_RDONLY);
	FILE *log = fopen(args[1], "re");
	uint64_t *wanted = client_buffer(BLOCK, 0);
	uint64_t *found = client_buffer(BLOCK, 0);
	unsigned long long n;
	unsigned count = 0;

	if (!log)
		client_fail(args[1]);
	for (; fscanf(log, "%llu\n", &n) == 1; count++) {
		if (pread(fd, found, BLOCK, (off_t)(n * BLOCK)) != BLOCK)
			client_fail(args[0]);
		make_block(wanted, n);
		if (memcmp(wanted, found, BLOCK) == 0)
			continue;
		printf("block %llu, acknowledged as number %u, is not there\n", n, count);
		return 3;
	}
	printf("%u blocks\n", count);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(char **args);
	int min, max; /* arguments */
} modes[] = {
	{"fill", fill, 2, 100},          {"peek", peek, 3, 100},       {"holes", holes, 1, 1},
	{"verify", client_verify, 1, 1}, {"load", client_load, 1, 1},  {"race", client_race, 2, 2},
	{"number", number, 4, 4},        {"numbered", numbered, 2, 2}, {"insist", insist, 3, 3},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(argv[1], modes[i].name) != 0 || argc - 2 < modes[i].min ||
		    argc - 2 > modes[i].max)
			continue;
		if (modes[i].run != number && modes[i].run != insist)
			alarm(60);
		return modes[i].run(argv + 2);
	}
	fputs("client: see the head of client.c\n", stderr);
	return 2;
}
