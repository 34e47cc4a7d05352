/* SPDX-License-Identifier: MIT */
/* The client's threads: see the head of client.c. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

#define NR_THREADS 8U
#define MIB        (1U << 20)
#define SECTOR     512U

struct worker {
	pthread_t thread;
	uint64_t random; /* state of the generator */
	char *buffer;    /* a MiB, and a page to begin anywhere in */
	unsigned index;
	int fd;
};

static uint32_t next_random(struct worker *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (uint32_t)(w->random >> 16);
}

/* All open it before any begins: by then it may be about to go. */
static void run_threads(const char *device, void *(*function)(void *))
{
	struct worker workers[NR_THREADS] = {0};

	for (unsigned i = 0; i < NR_THREADS; i++) {
		struct worker *w = &workers[i];

		w->index = i;
		w->random = 88172645463325252U + i;
		w->fd = client_open(device, O_RDWR);
		w->buffer = client_buffer(MIB + 4096, 0);
	}
	for (unsigned i = 0; i < NR_THREADS; i++)
		if (pthread_create(&workers[i].thread, NULL, function, &workers[i]))
			abort();
	for (unsigned i = 0; i < NR_THREADS; i++)
		pthread_join(workers[i].thread, NULL);
}

/* --- verify --- */

static size_t random_size(struct worker *w, size_t max)
{
	static const size_t sizes[] = {SECTOR,    7 * SECTOR, 4096,      4096,       8192,
				       5U * 4096, 64U << 10,  64U << 10, 256U << 10, 512U << 10};
	const size_t size = sizes[next_random(w) % (sizeof(sizes) / sizeof(sizes[0]))];

	return size < max ? size : max;
}

/* What belongs into this word of the device; the same for no two words and passes. */
static uint64_t word_at(uint64_t offset, unsigned pass)
{
	return (offset + 1) * UINT64_C(0x9e3779b97f4a7c15) + pass;
}

static void make_words(char *data, uint64_t offset, size_t len, unsigned pass)
{
	for (size_t i = 0; i < len; i += sizeof(uint64_t)) {
		const uint64_t word = word_at(offset + i, pass);

		memcpy(data + i, &word, sizeof(word));
	}
}

static void check_words(const char *data, uint64_t offset, size_t len, unsigned pass)
{
	for (size_t i = 0; i < len; i += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, data + i, sizeof(word));
		if (word == word_at(offset + i, pass))
			continue;
		fprintf(stderr, "client: pass %u: byte %llu of a read of %zu at %llu is wrong\n",
			pass, (unsigned long long)i, len, (unsigned long long)offset);
		exit(1);
	}
}

/* One pass over the thread's MiB in pieces of any size, from anywhere in memory. */
static void go_over(struct worker *w, unsigned pass, bool writing)
{
	const uint64_t end = (w->index + 1) * (uint64_t)MIB;
	size_t len;

	for (uint64_t at = end - MIB; at < end; at += len) {
		char *data = w->buffer + next_random(w) % 8 * SECTOR;
		ssize_t done;

		len = random_size(w, end - at);
		if (writing)
			make_words(data, at, len, pass);
		done = writing ? pwrite(w->fd, data, len, (off_t)at)
			       : pread(w->fd, data, len, (off_t)at);
		if (done != (ssize_t)len)
			client_fail(writing ? "write" : "read");
		if (!writing)
			check_words(data, at, len, pass);
	}
}

static void *verifier(void *data)
{
	struct worker *w = data;

	for (unsigned pass = 0; pass < 2; pass++) {
		go_over(w, pass, true);
		go_over(w, pass, false);
	}
	return NULL;
}

int client_verify(char **args)
{
	run_threads(args[0], verifier);
	return 0;
}

/* --- load --- */

static _Atomic int first_error;

static void *loader(void *data)
{
	struct worker *w = data;
	ssize_t done = pread(w->fd, w->buffer, 4096, 0);

	if (w->index == NR_THREADS - 1) {
		puts("at it");
		fflush(stdout);
	}
	while (done == 4096) {
		const uint32_t n = next_random(w);
		const off_t at = (off_t)(n % 2048) * 4096;

		done = n & 4096 ? pread(w->fd, w->buffer, 4096, at)
				: pwrite(w->fd, w->buffer, 4096, at);
	}
	if (done < 0)
		first_error = errno;
	return NULL;
}

int client_load(char **args)
{
	run_threads(args[0], loader);
	puts(first_error ? strerrorname_np(first_error) : "the end");
	return 0;
}

/* --- race --- */

/* So long at least, and until a read has been answered: on a kernel that runs a process's threads
 * one after the other the readers may not get a turn before. The alarm of main() is the bound. */
#define RACE_MS 400

/* The first MiB is P's, the second full of A as long as it is there; what lies behind is not used.
 */
static atomic_bool over;
static atomic_uint failed, succeeded;

static void check_race(const char *data, size_t len, ssize_t got)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i] == 'A' || !data[i] || (got < 0 && data[i] == 'E'))
			continue;
		fprintf(stderr, "client: byte %zu of a read of %zu, result %zd, is %#x\n", i, len,
			got, data[i] & 0xff);
		exit(1);
	}
}

static void read_in_race(struct worker *w)
{
	const size_t len = (1 + next_random(w) % 128) * SECTOR;
	const off_t at = MIB + (off_t)(next_random(w) % (MIB / SECTOR)) * SECTOR;
	ssize_t got;

	memset(w->buffer, 'E', len);
	got = pread(w->fd, w->buffer, len, at);
	if (got < 0 && errno != EIO)
		client_fail("a read in the race");
	if (got >= 0 && got != (ssize_t)len) {
		fprintf(stderr, "client: %zd of %zu bytes\n", got, len);
		exit(1);
	}
	atomic_fetch_add(got < 0 ? &failed : &succeeded, 1);
	check_race(w->buffer, len, got);
}

static void *racer(void *data)
{
	struct worker *w = data;

	while (!over) {
		if (w->index % 4) {
			read_in_race(w);
			continue;
		}
		memset(w->buffer, 'P', 256U << 10);
		if (pwrite(w->fd, w->buffer, 256U << 10, w->index / 4 * (512 << 10)) < 0)
			client_fail("a write that is in nobody's way");
	}
	return NULL;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Straight in the file: a write through the device might meet its end. */
static void *cutter(void *data)
{
	const char *file = data;
	const int fd = client_open(file, O_RDWR);
	const uint64_t end = now_ms() + RACE_MS;
	const off_t size = lseek(fd, 0, SEEK_END);
	char *letters = client_buffer(MIB, 'A');

	for (unsigned n = 0; now_ms() < end || !succeeded; n++) {
		if (ftruncate(fd, MIB + n * 12345 % MIB) < 0 || ftruncate(fd, size) < 0 ||
		    pwrite(fd, letters, MIB, MIB) != MIB)
			client_fail(file);
	}
	over = true;
	return NULL;
}

int client_race(char **args)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, cutter, args[1]))
		abort();
	run_threads(args[0], racer);
	pthread_join(thread, NULL);
	printf("%u failed, %u succeeded\n", failed, succeeded);
	return succeeded ? 0 : 1;
}
