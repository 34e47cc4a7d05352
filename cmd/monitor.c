/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "cmd.h"
#include "handler.h"
#include "node.h"
#include "select.h"
#include "table.h"
#include "watch.h"

enum { OPT_ID = 2, OPT_JSON };

struct monitor {
	struct selection selection;
	bool json;
	int signal_fd;
	bool ended; /* nobody wants more */
	int errnum; /* standard output cannot be written */
};

static const struct poptOption monitor_options[] = {
	{"id", 'n', POPT_ARG_STRING, NULL, OPT_ID, "device id", "ID"},
	{"json", 'J', POPT_ARG_NONE, NULL, OPT_JSON, "write a JSON document a line", NULL},
	POPT_TABLEEND,
};

/* Of JSON; what a person reads is made by describe(). */
static const char *const names[] = {
	[UC_WATCH_PRESENT] = "present",
	[UC_WATCH_ADDED] = "added",
	[UC_WATCH_STARTED] = "started",
	[UC_WATCH_RESIZED] = "resized",
	[UC_WATCH_STOPPED] = "stopped",
	[UC_WATCH_REMOVED] = "removed",
	[UC_WATCH_HANDLER_STARTED] = "handler-started",
	[UC_WATCH_HANDLER_ENDED] = "handler-ended",
	[UC_WATCH_STATE] = "state",
	[UC_WATCH_LOST] = "lost",
};

static int take_operand(void *ctx, const char *text, struct uc_error *err)
{
	struct monitor *m = ctx;

	return select_text(&m->selection, text, err);
}

static int take_option(void *ctx, int option, const char *arg, struct uc_error *err)
{
	struct monitor *m = ctx;

	if (option == OPT_ID)
		return take_operand(ctx, arg, err);
	m->json = true;
	return 0;
}

/* --- lines --- */

/* 2026-11-25T08:02:11.123+01:00 */
static void format_time(char *buf, size_t size)
{
	struct timespec now;
	struct tm tm;
	char date[32];
	char zone[8];

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	strftime(zone, sizeof(zone), "%z", &tm);
	snprintf(buf, size, "%s.%03ld%.3s:%s", date, now.tv_nsec / 1000000, zone, zone + 3);
}

/* Waits for room, or for the end: a reader may have stopped reading. */
static bool may_write(struct monitor *m)
{
	struct pollfd fds[] = {
		{.fd = STDOUT_FILENO, .events = POLLOUT},
		{.fd = m->signal_fd, .events = POLLIN},
	};

	while (poll(fds, 2, -1) < 0)
		;
	m->ended |= fds[1].revents != 0;
	return !m->ended;
}

/* Not by stdio: a line is written at once, and whoever does not read it is no failure. */
static void write_line(struct monitor *m, const char *text)
{
	char line[2048];
	size_t len;

	snprintf(line, sizeof(line) - 1, "%s", text);
	len = strlen(line);
	line[len++] = '\n';
	for (size_t done = 0; done < len && !m->ended && may_write(m);) {
		ssize_t n = write(STDOUT_FILENO, line + done, len - done);

		if (n >= 0) {
			done += (size_t)n;
		} else if (errno != EINTR && errno != EAGAIN) {
			m->ended = true;
			m->errnum = errno == EPIPE ? 0 : errno;
		}
	}
}

static void add_text(struct json_object *doc, const char *key, const char *text)
{
	json_object_object_add(doc, key, text ? json_object_new_string(text) : NULL);
}

static void add_number(struct json_object *doc, const char *key, uint64_t number, bool known)
{
	json_object_object_add(doc, key, known ? json_object_new_uint64(number) : NULL);
}

/* event: NULL for what is not of a device. All lines have the same members. */
static void tell_json(struct monitor *m, const char *time, const char *what, const char *device,
		      const struct uc_watch_event *event)
{
	uc_auto_json struct json_object *doc = document_new();
	const bool there = event && event->what != UC_WATCH_REMOVED;

	add_text(doc, "time", time);
	add_text(doc, "event", what);
	add_number(doc, "id", event ? event->id : 0, event);
	add_text(doc, "device", event ? device : NULL);
	add_text(doc, "name", event && event->name[0] ? event->name : NULL);
	add_text(doc, "state", there ? uc_device_state_name(event->state) : NULL);
	add_number(doc, "pid", event ? (uint64_t)event->pid : 0, event && event->pid > 0);
	add_number(doc, "size", event ? event->size : 0, event && event->size);
	write_line(m, json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PLAIN |
								  JSON_C_TO_STRING_NOSLASHESCAPE));
}

static void describe(const struct uc_watch_event *event, char *buf, size_t size)
{
	const char *state = uc_device_state_name(event->state);
	char human[32];

	human_size(event->size, human, sizeof(human));
	switch (event->what) {
	case UC_WATCH_PRESENT:
		if (event->pid)
			snprintf(buf, size, "present, %s, handler %d", state, event->pid);
		else
			snprintf(buf, size, "present, %s, no handler", state);
		break;
	case UC_WATCH_STARTED:
		snprintf(buf, size, "started, %s", human);
		break;
	case UC_WATCH_RESIZED:
		snprintf(buf, size, "resized to %s", human);
		break;
	case UC_WATCH_HANDLER_STARTED:
		snprintf(buf, size, "handler %d started", event->pid);
		break;
	case UC_WATCH_HANDLER_ENDED:
		snprintf(buf, size, "handler %d ended", event->pid);
		break;
	case UC_WATCH_STATE:
		snprintf(buf, size, "is %s", state);
		break;
	default:
		snprintf(buf, size, "%s", names[event->what]);
	}
}

static void tell_text(struct monitor *m, const char *time, const char *device,
		      const struct uc_watch_event *event)
{
	const bool named = event->name[0];
	char what[64];
	char line[512];

	describe(event, what, sizeof(what));
	snprintf(line, sizeof(line), "%s %s%s%s%s: %s", time, device, named ? " (" : "",
		 event->name, named ? ")" : "", what);
	/* A record may say anything; it stays one line, and no terminal's command. */
	for (char *c = line; *c; c++)
		if (iscntrl((unsigned char)*c))
			*c = '?';
	write_line(m, line);
}

/* What is not of a device. */
static void tell_all(struct monitor *m, const char *time, const char *what, const char *text)
{
	char line[512];

	if (m->json) {
		tell_json(m, time, what, NULL, NULL);
	} else {
		snprintf(line, sizeof(line), "%s %s", time, text);
		write_line(m, line);
	}
}

static void tell(void *ctx, const struct uc_watch_event *event)
{
	struct monitor *m = ctx;
	char device[64];
	char time[64];

	format_time(time, sizeof(time));
	uc_node_block_path(m->selection.host, event->id, device, sizeof(device));
	if (event->what == UC_WATCH_LOST)
		tell_all(m, time, names[event->what],
			 "events were lost; what has changed meanwhile follows");
	else if (m->json)
		tell_json(m, time, names[event->what], device, event);
	else
		tell_text(m, time, device, event);
}

/* --- the command --- */

/* From here on nothing is missed. */
static void tell_watching(struct monitor *m)
{
	char time[64];

	format_time(time, sizeof(time));
	tell_all(m, time, "watching", "watching");
}

/* Whoever may not ask the driver would see nothing, and wonder why. */
static int check_driver(const struct uc_host *host, struct uc_error *err)
{
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	struct uc_error why = {0};
	int ret = uc_ctrl_open(host, &ctrl, &why);

	/* It may be loaded yet. */
	if (ret == 0 || why.code == UC_NO_DRIVER)
		return 0;
	*err = why;
	return ret;
}

static int watch(const struct uc_host *host, struct monitor *m, struct uc_error *err)
{
	const struct uc_watch_options options = {
		.all = true,
		.ids = m->selection.ids,
		.nr_ids = m->selection.count,
		.tell = tell,
		.ctx = m,
	};
	uc_auto_watch struct uc_watch *watch = NULL;
	int ret = uc_watch_open(host, &options, &watch, err);

	if (ret == 0)
		ret = uc_watch_stop_at(watch, m->signal_fd, false, err);
	if (ret == 0)
		ret = uc_watch_stop_at(watch, STDOUT_FILENO, true, err);
	if (ret == 0)
		tell_watching(m);
	while (ret == 0 && !m->ended)
		ret = uc_watch_step(watch, -1, err);
	if (m->errnum)
		return uc_fail_errno(err, m->errnum, "cannot write standard output");
	return ret < 0 ? ret : 0;
}

static int monitor_run(const struct uc_host *host, int argc, const char **argv,
		       struct uc_error *err)
{
	struct monitor m = {.selection = {.host = host}, .signal_fd = -1};
	const struct option_parser parser = {
		.command = &monitor_command,
		.take = take_option,
		.operand = take_operand,
		.ctx = &m,
	};
	int ret = options_parse(&parser, argc, argv, err);

	(void)signal(SIGPIPE, SIG_IGN);
	if (ret == 0)
		ret = check_driver(host, err);
	if (ret == 0)
		ret = uc_handler_block_signals(&m.signal_fd, err);
	if (ret == 0)
		ret = watch(host, &m, err);
	uc_cleanup_close(&m.signal_fd);
	select_free(&m.selection);
	return ret;
}

const struct command monitor_command = {
	.name = "monitor",
	.summary = "tell what becomes of devices and their handlers, as it happens",
	.synopsis = "[OPTION...] [ID|NAME|PATH...]",
	.options = monitor_options,
	.operands = OPERAND_DEVICES,
	.run = monitor_run,
};
