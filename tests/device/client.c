/* SPDX-License-Identifier: MIT */
/*
 * What the device tests need of a client and dd cannot do.
 *
 *   client peek DEVICE OFFSET LENGTH FILE
 *	One direct read into a buffer full of 'E'. Prints how it went, a number of bytes or the name
 *of an errno, and leaves in FILE what the buffer holds then: whatever reached the client's memory.
 *
 *   client number DEVICE FIRST COUNT LOG
 *	Fills blocks FIRST to FIRST+COUNT-1 with their number, one by one, each with a flush, and
 *puts each number in LOG (synchronously) after its flush was acknowledged and not before.
 *
 *   client numbered DEVICE NUMBER
 *	Is the block of that number there, whole?
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ALIGNMENT 4096U
#define BLOCK     8192U

static int fail(const char *what)
{
	fprintf(stderr, "client: %s: %s\n", what, strerror(errno));
	return 1;
}

static void *buffer_of(size_t len, int byte)
{
	void *buffer = aligned_alloc(ALIGNMENT, (len + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);

	if (!buffer)
		abort();
	return memset(buffer, byte, len);
}

static int save(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, data, len) != (ssize_t)len)
		return fail(path);
	return close(fd);
}

static int peek(char **args)
{
	const off_t offset = (off_t)strtoull(args[1], NULL, 0);
	const size_t len = strtoul(args[2], NULL, 0);
	int fd = open(args[0], O_RDONLY | O_DIRECT);
	void *buffer = buffer_of(len, 'E');
	ssize_t got;

	if (fd < 0)
		return fail(args[0]);
	got = pread(fd, buffer, len, offset);
	if (got < 0)
		printf("%s\n", strerrorname_np(errno));
	else
		printf("%zd\n", got);
	return save(args[3], buffer, len);
}

static void make_block(uint64_t *words, uint64_t number)
{
	for (size_t i = 0; i < BLOCK / sizeof(*words); i++)
		words[i] = number * BLOCK + i + 1;
}

/* Through the page cache if the device is one of a file system, past it if not: as the user says.
 */
static int number(char **args)
{
	const uint64_t first = strtoull(args[1], NULL, 0);
	const uint64_t end = first + strtoull(args[2], NULL, 0);
	int fd = open(args[0], O_WRONLY | O_DIRECT);
	int log = open(args[3], O_WRONLY | O_CREAT | O_APPEND | O_SYNC, 0600);
	uint64_t *block = buffer_of(BLOCK, 0);

	if (fd < 0 || log < 0)
		return fail("open");
	for (uint64_t n = first; n < end; n++) {
		make_block(block, n);
		if (pwrite(fd, block, BLOCK, (off_t)(n * BLOCK)) != BLOCK || fdatasync(fd) < 0)
			return fail(args[0]);
		if (dprintf(log, "%llu\n", (unsigned long long)n) < 0)
			return fail(args[3]);
	}
	return 0;
}

static int numbered(char **args)
{
	const uint64_t n = strtoull(args[1], NULL, 0);
	int fd = open(args[0], O_RDONLY);
	uint64_t *wanted = buffer_of(BLOCK, 0);
	uint64_t *found = buffer_of(BLOCK, 0);

	if (fd < 0 || pread(fd, found, BLOCK, (off_t)(n * BLOCK)) != BLOCK)
		return fail(args[0]);
	make_block(wanted, n);
	return memcmp(wanted, found, BLOCK) ? 3 : 0;
}

int main(int argc, char **argv)
{
	if (argc == 6 && strcmp(argv[1], "peek") == 0)
		return peek(argv + 2);
	if (argc == 6 && strcmp(argv[1], "number") == 0)
		return number(argv + 2);
	if (argc == 4 && strcmp(argv[1], "numbered") == 0)
		return numbered(argv + 2);
	fputs("client: see the head of client.c\n", stderr);
	return 2;
}
