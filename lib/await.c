/* SPDX-License-Identifier: MIT */
#include "await.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "bounded.h"
#include "deadline.h"
#include "device.h"
#include "node.h"
#include "progress.h"
#include "watch.h"

static const struct {
	const char *name;
	unsigned state; /* of the driver */
} states[] = {
	[UC_AWAIT_LIVE] = {"LIVE", UBLK_S_DEV_LIVE},
	[UC_AWAIT_DEAD] = {"DEAD", UBLK_S_DEV_DEAD},
	[UC_AWAIT_QUIESCED] = {"QUIESCED", UBLK_S_DEV_QUIESCED},
	[UC_AWAIT_FAIL_IO] = {"FAIL_IO", UBLK_S_DEV_FAIL_IO},
	[UC_AWAIT_REMOVED] = {"REMOVED", UINT32_MAX},
};

struct await {
	const struct uc_host *host;
	const char *text;
	enum uc_await_state want;
	unsigned timeout_ms;
	uint64_t deadline;
	struct uc_ctrl *ctrl; /* NULL while there is no device */
	bool found;           /* the device had this id and cookie when it was first seen */
	uint32_t id;
	uint64_t cookie;
	char now[UC_ERROR_TEXT]; /* how it is instead */
};

static bool is_same(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if (toupper((unsigned char)(*a == '-' ? '_' : *a)) != *b)
			return false;
	return *a == *b;
}

int uc_await_parse(const char *text, enum uc_await_state *ret_state, struct uc_error *err)
{
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (is_same(text, states[i].name)) {
			*ret_state = (enum uc_await_state)i;
			return 0;
		}
	return uc_fail(err, UC_USAGE, EINVAL,
		       "--state: '%s' is not live, dead, quiesced, fail-io or removed", text);
}

/* --- a node that reads --- */

static bool reads(struct await *a, const struct uc_device *d)
{
	struct uc_node_look look = {*a->host, d->info.dev_id, d->logical_bs ? d->logical_bs : 512,
				    false};
	const unsigned left = uc_left_ms(a->deadline);

	look.host.timeout_ms = left;
	if (left &&
	    uc_bounded(uc_node_await_block, &look, NULL, 0, left, "reading the node", NULL) == 0)
		return true;
	snprintf(a->now, sizeof(a->now), "device %u is LIVE, but %s does not read", d->info.dev_id,
		 d->node);
	return false;
}

/* --- the device --- */

/* 1: that is what was waited for. 0: not yet. Else there is no use in waiting. */
static int judge_absent(struct await *a, const struct uc_error *why, struct uc_error *err)
{
	a->found = false;
	uc_ctrl_close(a->ctrl);
	a->ctrl = NULL;
	if (a->want == UC_AWAIT_REMOVED)
		return 1;
	snprintf(a->now, sizeof(a->now), "there is no device '%.64s'", a->text);
	if (a->want == UC_AWAIT_LIVE)
		return 0;
	*err = *why;
	return -why->errnum;
}

static int judge(struct await *a, const struct uc_device *d)
{
	if (d->info.state == states[a->want].state)
		return a->want != UC_AWAIT_LIVE || reads(a, d);
	snprintf(a->now, sizeof(a->now), "device %u is %s, not %s", d->info.dev_id,
		 uc_device_state_name(d->info.state), states[a->want].name);
	return 0;
}

/* The device that the text named when it was first looked for; later ones only if it has gone. */
static int find(struct await *a, struct uc_device *ret_device, struct uc_error *err)
{
	struct uc_ref ref = {.id = a->id};
	int ret = a->found ? 0 : uc_device_parse(a->host, a->text, &ref, err);

	a->id = ref.id;
	if (ret == 0 && !a->ctrl)
		ret = uc_ctrl_open(a->host, &a->ctrl, err);
	if (ret == 0)
		ret = uc_device_get(a->host, a->ctrl, a->id, ret_device, err);
	if (ret == 0 && a->found && ret_device->info.ublksrv_flags != a->cookie)
		return uc_fail(err, UC_NO_DEVICE, ENODEV,
			       "device %u was deleted, and another has its id", a->id);
	return ret;
}

static int look(struct await *a, struct uc_error *err)
{
	struct uc_device d = {0};
	struct uc_error why = {0};
	int ret = find(a, &d, &why);

	/* Without a driver there is no device either. */
	if (ret < 0 && (why.code == UC_NO_DEVICE || why.code == UC_NO_DRIVER))
		return judge_absent(a, &why, err);
	if (ret < 0) {
		*err = why;
		return ret;
	}
	a->found = true;
	a->cookie = d.info.ublksrv_flags;
	return judge(a, &d);
}

static int wait_for(struct await *a, struct uc_watch *watch, struct uc_error *err)
{
	uc_auto_progress struct uc_progress progress;
	bool watched = false;
	int ret;

	uc_progress_begin(&progress, a->deadline, "waiting for '%.64s' to be %s", a->text,
			  states[a->want].name);

	while ((ret = look(a, err)) == 0) {
		const unsigned left = uc_left_ms(a->deadline);

		if (left == 0)
			return uc_fail(err, UC_TIMEOUT, ETIMEDOUT, "after %u s %s",
				       a->timeout_ms / 1000, a->now);
		/* From now on also its handler is listened to. */
		if (a->found && !watched)
			ret = uc_watch_only(watch, a->id, err);
		else
			ret = uc_watch_step(watch, (int)left, err);
		if (ret < 0)
			return ret;
		uc_progress_tick();
		watched = a->found;
	}
	return ret < 0 ? ret : 0;
}

int uc_await(const struct uc_host *host, const char *text, enum uc_await_state state,
	     unsigned timeout_ms, struct uc_error *err)
{
	static const struct uc_watch_options options = {.impatient = true};
	uc_auto_watch struct uc_watch *watch = NULL;
	struct await a = {
		.host = host,
		.text = text,
		.want = state,
		.timeout_ms = timeout_ms,
		.deadline = uc_deadline(timeout_ms),
	};
	int ret = uc_watch_open(host, &options, &watch, err);

	if (ret == 0)
		ret = wait_for(&a, watch, err);
	uc_ctrl_close(a.ctrl);
	return ret;
}
