/* SPDX-License-Identifier: MIT */
#include "screen.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* Another screen than that of the shell, no cursor, long lines cut; and the same undone. */
#define ENTER "\033[?1049h\033[?25l\033[?7l"
#define LEAVE "\033[?7h\033[?25h\033[?1049l"
#define CLEAR "\033[H\033[J"

static struct termios saved;
static bool has_keys;

bool screen_is_terminal(void)
{
	return isatty(STDOUT_FILENO);
}

void screen_enter(void)
{
	struct termios raw;

	has_keys = tcgetattr(STDIN_FILENO, &saved) == 0;
	if (has_keys) {
		raw = saved;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	fputs(ENTER, stdout);
}

void screen_leave(void)
{
	fputs(LEAVE, stdout);
	(void)fflush(stdout);
	if (has_keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &saved);
}

int screen_keys(void)
{
	return has_keys ? STDIN_FILENO : -1;
}

unsigned screen_lines(void)
{
	struct winsize size;

	/* A line that nobody knows the size of: as terminals were. */
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0)
		return 24;
	return size.ws_row;
}

void screen_clear(void)
{
	fputs(CLEAR, stdout);
}

bool screen_show(void)
{
	return fflush(stdout) == 0;
}
