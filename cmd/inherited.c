/* SPDX-License-Identifier: MIT */
#include "inherited.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "isolate.h"

#define MAX_NAMED 16

/* The number in a path that leads to a file of ours; -1: it is none. */
static int named(const char *argument)
{
	static const char *const dirs[] = {"/dev/fd/", "/proc/self/fd/"};

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		const char *at = strstr(argument, dirs[i]);

		if (at)
			return atoi(at + strlen(dirs[i]));
	}
	return -1;
}

/* Those that stay, since files belong to the process. */
static int kept[MAX_NAMED];
static unsigned nr_kept;

void inherited_close(int argc, const char **argv)
{
	for (int i = 0; i < argc && nr_kept < MAX_NAMED; i++) {
		const int fd = named(argv[i]);

		if (fd > 2)
			kept[nr_kept++] = fd;
	}
	uc_close_all_but(kept, nr_kept);
}

void inherited_close_named(void)
{
	while (nr_kept)
		(void)close(kept[--nr_kept]);
}
