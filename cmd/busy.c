/* SPDX-License-Identifier: MIT */
#include "busy.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "deadline.h"
#include "progress.h"
#include "table.h"

#define SECOND UINT64_C(1000000000)
#define AGAIN  (10 * SECOND)

/* What is to be seen on stderr. */
static struct {
	bool terminal;
	int width;      /* of the line that is there to be wiped out; 0: none */
	uint64_t since; /* of silence */
	char last[192];
} screen;

void busy_hide(void)
{
	if (screen.width)
		fprintf(stderr, "\r%*s\r", screen.width, "");
	screen.width = 0;
}

/* Each line ends with dots, so that who reads them can tell them from failures. */
static void print(const struct uc_progress *p)
{
	char line[320];
	char done[32];
	char total[32];

	if (p->total) {
		human_size(p->done, done, sizeof(done));
		human_size(p->total, total, sizeof(total));
		snprintf(line, sizeof(line), "ublkctl: %s, %s of %s ...", p->what, done, total);
	} else {
		snprintf(line, sizeof(line), "ublkctl: %s, up to %u s more ...", p->what,
			 (uc_left_ms(p->deadline) + 999) / 1000);
	}
	make_printable(line);
	busy_hide();
	screen.width = screen.terminal ? (int)strlen(line) : 0;
	fprintf(stderr, "%s%s", line, screen.terminal ? "" : "\n");
}

static void tell(const struct uc_progress *p)
{
	const uint64_t now = uc_now();
	uint64_t quiet = SECOND;

	if (!p) {
		busy_hide();
		return;
	}
	if (!screen.terminal && strcmp(p->what, screen.last) == 0)
		quiet = AGAIN;
	if (now - screen.since < quiet)
		return;
	print(p);
	screen.since = now;
	snprintf(screen.last, sizeof(screen.last), "%s", p->what);
}

void busy_tell(void)
{
	screen.terminal = isatty(STDERR_FILENO) == 1;
	screen.since = uc_now();
	screen.last[0] = '\0';
	uc_progress_to(tell);
}
