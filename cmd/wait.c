/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "await.h"
#include "cleanup.h"
#include "cmd.h"
#include "device.h"
#include "outcome.h"
#include "size.h"

#define MAX_TIMEOUT_S 86400

enum { OPT_ID = 2, OPT_STATE, OPT_TIMEOUT };

struct wait {
	struct outcome outcome;
	char *device;
	enum uc_await_state state;
	bool has_state;
	unsigned timeout_ms;
};

static const struct poptOption wait_options[] = {
	{"id", 'n', POPT_ARG_STRING, NULL, OPT_ID, "device id", "ID"},
	{"state", 's', POPT_ARG_STRING, NULL, OPT_STATE, "what to wait for",
	 "live|dead|quiesced|fail-io|removed"},
	{"timeout", 't', POPT_ARG_STRING, NULL, OPT_TIMEOUT,
	 "how long to wait (default: that of the program)", "SECONDS"},
	{NULL, '\0', POPT_ARG_INCLUDE_TABLE, (void *)(uintptr_t)outcome_json_table, 0, NULL, NULL},
	POPT_TABLEEND,
};

static int take_operand(void *ctx, const char *text, struct uc_error *err)
{
	struct wait *w = ctx;

	if (w->device)
		return uc_fail(err, UC_USAGE, EINVAL, "unexpected argument '%s'", text);
	w->device = strdup(text);
	return w->device ? 0 : uc_fail_errno(err, ENOMEM, "options");
}

static int take_option(void *ctx, int option, const char *arg, struct uc_error *err)
{
	struct wait *w = ctx;
	uint64_t seconds = 0;
	int ret;

	switch (option) {
	case OPT_ID:
		return take_operand(ctx, arg, err);
	case OPT_STATE:
		w->has_state = true;
		return uc_await_parse(arg, &w->state, err);
	default:
		ret = uc_number_parse(arg, "--timeout", 1, MAX_TIMEOUT_S, &seconds, err);
		w->timeout_ms = (unsigned)seconds * 1000;
		return ret;
	}
}

/* Which device it is may be known only before the wait, or only after it. */
static void find(struct wait *w, const struct uc_host *host)
{
	struct uc_ref ref;

	if (!*w->outcome.device.node && uc_device_parse(host, w->device, &ref, NULL) == 0)
		outcome_begin(&w->outcome, host, ref.id);
}

static int wait_for(struct wait *w, const struct uc_host *host, struct uc_error *err)
{
	int ret;

	w->outcome.device.id = UC_ID_ANY;
	find(w, host);
	ret = uc_await(host, w->device, w->state, w->timeout_ms, err);
	find(w, host);
	if (ret == 0 || err->code != UC_USAGE)
		outcome_note(&w->outcome, ret < 0 ? ret : OUTCOME_KEPT, err);
	return ret;
}

static int wait_run(const struct uc_host *host, int argc, const char **argv, struct uc_error *err)
{
	struct wait w = {
		.outcome = {.command = &wait_command, .kept = "awaited"},
		.timeout_ms = host->timeout_ms,
	};
	const struct option_parser parser = {
		.command = &wait_command,
		.take = take_option,
		.operand = take_operand,
		.ctx = &w,
		.outcome = &w.outcome,
	};
	int ret = options_parse(&parser, argc, argv, err);

	if (ret == 0 && !w.device)
		ret = uc_fail(err, UC_USAGE, EINVAL, "no device: give an id, a name or a path");
	else if (ret == 0 && !w.has_state)
		ret = uc_fail(err, UC_USAGE, EINVAL,
			      "nothing to wait for: give --state live, dead, quiesced, fail-io or "
			      "removed");
	if (ret == 0)
		ret = wait_for(&w, host, err);
	free(w.device);
	return outcome_end(&w.outcome, ret, err);
}

const struct command wait_command = {
	.name = "wait",
	.summary = "wait until a device is live, dead, quiesced, fail-io or removed",
	.synopsis = "--state STATE [OPTION...] ID|NAME|PATH",
	.options = wait_options,
	.operands = OPERAND_DEVICE,
	.run = wait_run,
};
