/* SPDX-License-Identifier: MIT */
/* What is to be done so that there is a device as a line says. */
#include <errno.h>
#include <stdio.h>

#include "name.h"
#include "plan.h"
#include "present.h"
#include "recover.h"

/* Of a handler that has just died the driver may not know yet. */
static int settle(const struct uc_host *host, struct uc_device *d, struct uc_error *err)
{
	const uint32_t id = d->info.dev_id;
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	struct ublksrv_ctrl_dev_info info;
	int ret = uc_ctrl_open(host, &ctrl, err);

	if (ret == 0)
		ret = uc_recover_settle(host, ctrl, id, &info, err);
	return ret == 0 && info.state != d->info.state ? uc_device_get(host, ctrl, id, d, err)
						       : ret;
}

static int compare(const struct tab_line *line, const struct uc_device *d, struct uc_error *err)
{
	struct serve wanted = line->add.serve;

	/* A handler in the foreground has somebody else who replaces it. */
	wanted.spec.respawn &= d->record.respawn;
	return present_compare(&wanted, d, err);
}

static void decide(const struct tab_line *line, const struct uc_device *d, struct step *step)
{
	struct uc_error difference;

	snprintf(step->device, sizeof(step->device), "%s", d->node);
	if (uc_device_is_stopped(d)) {
		step->act = ACT_START;
		snprintf(step->why, sizeof(step->why), "it was stopped");
	} else if (d->info.state == UBLK_S_DEV_DEAD) {
		step->act = ACT_REMAKE;
		snprintf(step->why, sizeof(step->why),
			 "its handler is dead, and it cannot be started again");
	} else if (d->info.state != UBLK_S_DEV_LIVE) {
		step->act = ACT_RECOVER;
		snprintf(step->why, sizeof(step->why), "it is %s, without a handler",
			 uc_device_state_name(d->info.state));
	} else if (compare(line, d, &difference) < 0) {
		step->act = ACT_DIFFERS;
		snprintf(step->why, sizeof(step->why), "%s", difference.text);
	} else {
		step->act = ACT_NONE;
		snprintf(step->why, sizeof(step->why), "it is there");
	}
}

int plan_up(const struct uc_host *host, const struct tab_line *line, struct step *step,
	    struct uc_device *ret_device, struct uc_error *err)
{
	int ret = uc_name_find(host, line->name, ret_device, err);

	if (ret == 0)
		ret = settle(host, ret_device, err);
	if (ret == 0) {
		decide(line, ret_device, step);
	} else if (ret == -ENODEV) {
		step->act = ACT_ADD;
		snprintf(step->why, sizeof(step->why), "it is not there");
		ret = 0;
	}
	return ret;
}
