/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "await.h"
#include "cleanup.h"
#include "cmd.h"
#include "size.h"

#define MAX_TIMEOUT_S 86400

enum { OPT_ID = 2, OPT_STATE, OPT_TIMEOUT };

struct wait {
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

static int wait_run(const struct uc_host *host, int argc, const char **argv, struct uc_error *err)
{
	struct wait w = {.timeout_ms = host->timeout_ms};
	const struct option_parser parser = {
		.command = &wait_command,
		.take = take_option,
		.operand = take_operand,
		.ctx = &w,
	};
	int ret = options_parse(&parser, argc, argv, err);

	if (ret == 0 && !w.device)
		ret = uc_fail(err, UC_USAGE, EINVAL, "no device: give an id, a name or a path");
	else if (ret == 0 && !w.has_state)
		ret = uc_fail(err, UC_USAGE, EINVAL,
			      "nothing to wait for: give --state live, dead, quiesced, fail-io or "
			      "removed");
	if (ret == 0)
		ret = uc_await(host, w.device, w.state, w.timeout_ms, err);
	free(w.device);
	return ret;
}

const struct command wait_command = {
	.name = "wait",
	.summary = "wait until a device is live, dead, quiesced, fail-io or removed",
	.synopsis = "--state STATE [OPTION...] ID|NAME|PATH",
	.options = wait_options,
	.operands = OPERAND_DEVICE,
	.run = wait_run,
};
