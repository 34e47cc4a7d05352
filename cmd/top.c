/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cleanup.h"
#include "cmd.h"
#include "deadline.h"
#include "load.h"
#include "pace.h"
#include "screen.h"

#define DEFAULT_INTERVAL UINT64_C(2000000000)
#define FIRST_INTERVAL   UINT64_C(300000000) /* nobody likes to wait for the first look */
#define LINES_ABOVE      2                   /* title and headings */

enum { OPT_ID = 2, OPT_INTERVAL, OPT_QUEUES };

struct top {
	struct selection selection;
	uint64_t interval; /* ns */
	bool queues;
	struct pace pace;
	struct samples before, now; /* the last two looks; `now` is what is on the screen */
};

static const struct poptOption top_options[] = {
	{"id", 'n', POPT_ARG_STRING, NULL, OPT_ID, "device id", "ID"},
	{"interval", 'i', POPT_ARG_STRING, NULL, OPT_INTERVAL,
	 "seconds between two looks (default 2)", "SECONDS"},
	{"queues", 'q', POPT_ARG_NONE, NULL, OPT_QUEUES, "a row for each queue, too", NULL},
	POPT_TABLEEND,
};

static int take_operand(void *ctx, const char *text, struct uc_error *err)
{
	struct top *top = ctx;

	return select_text(&top->selection, text, err);
}

static int take_option(void *ctx, int option, const char *arg, struct uc_error *err)
{
	struct top *top = ctx;

	switch (option) {
	case OPT_ID:
		return take_operand(ctx, arg, err);
	case OPT_INTERVAL:
		return pace_interval(arg, &top->interval, err);
	default:
		top->queues = true;
		return 0;
	}
}

/* The busiest first; a device before its queues. */
static int by_load(const void *a, const void *b)
{
	const struct load *x = a;
	const struct load *y = b;
	const uint64_t m = load_requests(x);
	const uint64_t n = load_requests(y);

	if (m != n)
		return m < n ? 1 : -1;
	if (x->device != y->device)
		return x->device->info.dev_id > y->device->info.dev_id ? 1 : -1;
	return x->queue > y->queue ? 1 : -1;
}

static int draw(const struct top *top, struct uc_error *err)
{
	static const struct table_options options = {0};
	const unsigned lines = screen_lines();
	uc_auto_free struct load *loads = NULL;
	struct table table = load_table(true, top->queues);
	int ret;

	ret = loads_make(&top->before, &top->now, top->queues, &loads, &table.nr_rows, err);
	if (ret < 0)
		return ret;
	qsort(loads, table.nr_rows, sizeof(*loads), by_load);
	table.rows = loads;
	screen_clear();
	printf("ublkctl: %zu devices, every %g s; q quits\n", top->now.count,
	       (double)top->interval / 1e9);
	/* The last line ends with a newline, which must not scroll. */
	if (table.nr_rows + LINES_ABOVE >= lines)
		table.nr_rows = lines > LINES_ABOVE + 1 ? lines - LINES_ABOVE - 1 : 0;
	ret = table_print(&table, &options, err);
	if (ret == 0 && !screen_show())
		ret = uc_fail_errno(err, EIO, "the terminal");
	return ret;
}

static int look(struct top *top, struct uc_error *err)
{
	struct samples now = {0};
	int ret = samples_take(&top->selection, true, &now, err);

	if (ret < 0)
		return ret;
	samples_free(&top->before);
	top->before = top->now;
	top->now = now;
	return draw(top, err);
}

/* 1: the end. */
static int on_signal(const struct top *top, int signal, struct uc_error *err)
{
	if (signal == SIGTSTP) {
		screen_leave();
		raise(SIGSTOP);
		screen_enter();
	} else if (signal != SIGWINCH) {
		return 1;
	}
	return draw(top, err);
}

/* 1: the end, also when there will be no more keys. */
static int on_key(void)
{
	char key;

	return read(screen_keys(), &key, 1) != 1 || key == 'q' || key == 'Q';
}

static int go_on(struct top *top, struct uc_error *err)
{
	int signal;

	switch (pace_wait(&top->pace, screen_keys(), &signal)) {
	case PACE_SIGNAL:
		return on_signal(top, signal, err);
	case PACE_INPUT:
		return on_key();
	default:
		return look(top, err);
	}
}

static int watch(struct top *top, struct uc_error *err)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH, 0};
	int ret = samples_take(&top->selection, false, &top->now, err);

	if (ret == 0)
		ret = pace_start(&top->pace, top->interval, signals, err);
	if (ret < 0)
		return ret;
	if (top->interval > FIRST_INTERVAL)
		top->pace.next = uc_now() + FIRST_INTERVAL;
	screen_enter();
	ret = draw(top, err);
	while (ret == 0)
		ret = go_on(top, err);
	screen_leave();
	pace_stop(&top->pace);
	return ret < 0 ? ret : 0;
}

static int top_run(const struct uc_host *host, int argc, const char **argv, struct uc_error *err)
{
	struct top top = {.selection = {.host = host}, .interval = DEFAULT_INTERVAL};
	const struct option_parser parser = {
		.command = &top_command,
		.take = take_option,
		.operand = take_operand,
		.ctx = &top,
	};
	int ret = options_parse(&parser, argc, argv, err);

	if (ret == 0 && !screen_is_terminal())
		ret = uc_fail(err, UC_USAGE, ENOTTY,
			      "standard output is no terminal; use 'ublkctl stats --interval 2'");
	if (ret == 0)
		ret = watch(&top, err);
	samples_free(&top.before);
	samples_free(&top.now);
	select_free(&top.selection);
	return ret < 0 ? ret : 0;
}

const struct command top_command = {
	.name = "top",
	.summary = "show what devices do, live in a terminal",
	.synopsis = "[OPTION...] [ID|NAME|PATH...]",
	.options = top_options,
	.operands = OPERAND_DEVICES,
	.run = top_run,
};
