/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cleanup.h"
#include "cmd.h"
#include "load.h"
#include "openmetrics.h"
#include "pace.h"
#include "size.h"

enum { OPT_ID = 2, OPT_INTERVAL, OPT_COUNT, OPT_QUEUES, OPT_OPENMETRICS };

struct stats {
	struct selection selection;
	struct table_options table;
	uint64_t interval; /* ns; 0: once, since the counters began */
	uint64_t count;    /* of intervals; 0: without end */
	bool queues;
	bool openmetrics;
};

static const struct poptOption stats_options[] = {
	{"id", 'n', POPT_ARG_STRING, NULL, OPT_ID, "device id", "ID"},
	{"interval", 'i', POPT_ARG_STRING, NULL, OPT_INTERVAL,
	 "what happens in so many seconds, again and again", "SECONDS"},
	{"count", 'c', POPT_ARG_STRING, NULL, OPT_COUNT, "end after so many intervals", "COUNT"},
	{"queues", 'q', POPT_ARG_NONE, NULL, OPT_QUEUES, "a row for each queue, too", NULL},
	{"openmetrics", '\0', POPT_ARG_NONE, NULL, OPT_OPENMETRICS,
	 "write what OpenMetrics and Prometheus read", NULL},
	{NULL, '\0', POPT_ARG_INCLUDE_TABLE, (void *)(uintptr_t)table_option_table, 0, NULL, NULL},
	POPT_TABLEEND,
};

static int take_operand(void *ctx, const char *text, struct uc_error *err)
{
	struct stats *stats = ctx;

	return select_text(&stats->selection, text, err);
}

static int take_option(void *ctx, int option, const char *arg, struct uc_error *err)
{
	struct stats *stats = ctx;

	switch (option) {
	case OPT_ID:
		return take_operand(ctx, arg, err);
	case OPT_INTERVAL:
		return pace_interval(arg, &stats->interval, err);
	case OPT_COUNT:
		return uc_number_parse(arg, "--count", 1, UINT32_MAX, &stats->count, err);
	case OPT_QUEUES:
		stats->queues = true;
		return 0;
	case OPT_OPENMETRICS:
		stats->openmetrics = true;
		return 0;
	default:
		return table_option(&stats->table, option, arg, err);
	}
}

static void stats_help(void)
{
	table_help(&load_columns);
	printf("With --interval: %s\n", load_table(true, false).defaults);
}

static int check(const struct stats *stats, struct uc_error *err)
{
	const struct table table = load_table(stats->interval > 0, stats->queues);

	if (stats->count && !stats->interval)
		return uc_fail(err, UC_USAGE, EINVAL, "--count needs --interval");
	if (stats->openmetrics && (stats->interval || stats->queues || stats->table.json ||
				   stats->table.raw || *stats->table.columns || stats->table.all))
		return uc_fail(err, UC_USAGE, EINVAL,
			       "--openmetrics has all counters of each queue, and takes no "
			       "other option");
	return table_check(&table, &stats->table, err);
}

static int print_loads(const struct stats *stats, const struct samples *before,
		       const struct samples *now, struct uc_error *err)
{
	uc_auto_free struct load *loads = NULL;
	struct table table = load_table(before != NULL, stats->queues);
	int ret;

	ret = loads_make(before, now, stats->queues, &loads, &table.nr_rows, err);
	table.rows = loads;
	return ret < 0 ? ret : table_print(&table, &stats->table, err);
}

static int print_once(const struct stats *stats, struct uc_error *err)
{
	auto_samples struct samples now = {0};
	int ret = samples_take(&stats->selection, false, &now, err);

	if (ret < 0)
		return ret;
	if (!stats->openmetrics)
		return print_loads(stats, NULL, &now, err);
	openmetrics_print(&now);
	return 0;
}

/* Whether it can be written on. Who has had enough of us is no failure. */
static bool is_written(void)
{
	if (fflush(stdout) == 0)
		return true;
	if (errno == EPIPE) {
		/* What is still to be written goes nowhere, without an error. */
		clearerr(stdout);
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
	}
	return false;
}

/* One interval: 1 when it was the last. */
static int print_next(const struct stats *stats, struct pace *pace, struct samples *before,
		      struct uc_error *err)
{
	struct samples now = {0};
	int signal;
	int ret;

	if (pace_wait(pace, -1, &signal) == PACE_SIGNAL)
		return 1;
	ret = samples_take(&stats->selection, true, &now, err);
	if (ret < 0)
		return ret;
	ret = print_loads(stats, before, &now, err);
	samples_free(before);
	*before = now;
	return ret < 0 ? ret : !is_written();
}

static int print_intervals(const struct stats *stats, struct uc_error *err)
{
	static const int signals[] = {SIGINT, SIGTERM, 0};
	auto_samples struct samples before = {0};
	struct pace pace;
	int ret;

	(void)signal(SIGPIPE, SIG_IGN);
	ret = pace_start(&pace, stats->interval, signals, err);
	if (ret == 0)
		ret = samples_take(&stats->selection, false, &before, err);
	for (uint64_t i = 0; ret == 0 && (i < stats->count || !stats->count); i++)
		ret = print_next(stats, &pace, &before, err);
	pace_stop(&pace);
	return ret < 0 ? ret : 0;
}

static int stats_run(const struct uc_host *host, int argc, const char **argv, struct uc_error *err)
{
	struct stats stats = {.selection = {.host = host}};
	const struct option_parser parser = {
		.command = &stats_command,
		.take = take_option,
		.operand = take_operand,
		.ctx = &stats,
		.more_help = stats_help,
	};
	int ret = options_parse(&parser, argc, argv, err);

	if (ret == 0)
		ret = check(&stats, err);
	if (ret == 0) {
		stats.table.one_line = stats.interval > 0;
		ret = stats.interval ? print_intervals(&stats, err) : print_once(&stats, err);
	}
	select_free(&stats.selection);
	return ret;
}

const struct command stats_command = {
	.name = "stats",
	.summary = "show what devices did, or do in each interval",
	.synopsis = "[OPTION...] [ID|NAME|PATH...]",
	.options = stats_options,
	.table = &load_columns,
	.operands = OPERAND_DEVICES,
	.run = stats_run,
};
