/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>

#include "again.h"
#include "cleanup.h"
#include "inherited.h"
#include "lock.h"
#include "plan.h"
#include "recover.h"

enum { OPT_FOREGROUND = 2, OPT_DIFF };

struct up {
	struct plan plan;
	bool foreground;
};

static const struct poptOption up_options[] = {
	{NULL, '\0', POPT_ARG_INCLUDE_TABLE, (void *)(uintptr_t)plan_option_table, 0, NULL, NULL},
	{"diff", '\0', POPT_ARG_NONE, NULL, OPT_DIFF, "the same as --dry-run", NULL},
	{"foreground", '\0', POPT_ARG_NONE, NULL, OPT_FOREGROUND,
	 "serve the one device in this process until SIGTERM or SIGINT", NULL},
	POPT_TABLEEND,
};

static int take_option(void *ctx, int option, const char *arg, struct uc_error *err)
{
	struct up *up = ctx;

	if (option == OPT_DIFF)
		up->plan.outcome.dry_run = true;
	else if (option == OPT_FOREGROUND)
		up->foreground = true;
	else
		return plan_option(&up->plan, option, arg, err);
	return 0;
}

static int take_operand(void *ctx, const char *text, struct uc_error *err)
{
	struct up *up = ctx;

	return plan_name(&up->plan, text, err);
}

/* There is nothing to be said of it. */
static int tell_nobody(void *ctx, const struct uc_added *added)
{
	(void)ctx;
	(void)added;
	return 0;
}

static int make(const struct uc_host *host, const struct up *up, const struct step *step,
		const struct uc_device *d, struct add *add, struct uc_error *err)
{
	const struct uc_ref ref = uc_device_ref_of(d);
	int ret = step->act == ACT_REMAKE ? uc_del(host, &ref, false, err) : 0;

	if (ret < 0 && ret != -ENODEV)
		return ret;
	add->serve.spec.foreground = up->foreground;
	/* Whoever started us does that. */
	add->serve.spec.respawn &= !up->foreground;
	return add_make(host, add, tell_nobody, err);
}

/* A keeper, or another `up`, may have been faster. */
static int look_again(const struct uc_host *host, const struct tab_line *line, struct step *step,
		      struct uc_device *d)
{
	return plan_up(host, line, step, d, NULL) == 0 &&
			       (step->act == ACT_NONE || step->act == ACT_DIFFERS)
		       ? 0
		       : -EBUSY;
}

static int bring_back(const struct uc_host *host, const struct up *up, struct tab_line *line,
		      const struct step *step, struct uc_device *d, struct uc_error *err)
{
	const struct serve serve = {
		.spec = {.foreground = up->foreground,
			 .respawn = line->add.serve.spec.respawn && !up->foreground}};
	const struct again again = {.serve = &serve, .ready = tell_nobody};
	const struct uc_ref ref = uc_device_ref_of(d);
	struct step now = *step;
	int ret = step->act == ACT_START ? again_start(host, &again, &ref, err)
					 : again_recover(host, &again, &ref, err);

	if (ret < 0 && (up->foreground || look_again(host, line, &now, d) < 0))
		return ret;
	return 0;
}

/* A device keeps what it was made with, also while it is out of service. */
static int tell_difference(const struct uc_host *host, const struct tab_line *line,
			   struct uc_error *err)
{
	struct step now = {0};
	struct uc_device d;
	int ret = plan_up(host, line, &now, &d, err);

	return ret == 0 && now.act == ACT_DIFFERS ? uc_fail(err, UC_DIFFERS, EEXIST, "%s", now.why)
						  : ret;
}

static int is_served(const struct uc_device *d, struct uc_error *err)
{
	return uc_fail(err, UC_BUSY, EBUSY,
		       "device %u (%s) is being served by process %d; that can be stopped with "
		       "'ublkctl stop %u'",
		       d->info.dev_id, d->node, d->info.ublksrv_pid, d->info.dev_id);
}

static int act(const struct uc_host *host, const struct up *up, struct tab_line *line,
	       struct step *step, struct uc_device *d, struct uc_error *err)
{
	int ret;

	switch (step->act) {
	case ACT_ADD:
	case ACT_REMAKE:
		return make(host, up, step, d, &line->add, err);
	case ACT_RECOVER:
	case ACT_START:
		/* Its own lock is enough, and a handler shall not have this one. */
		uc_locks_release(&line->add.locks);
		ret = bring_back(host, up, line, step, d, err);
		return ret < 0 || up->foreground ? ret : tell_difference(host, line, err);
	case ACT_DIFFERS:
		return up->foreground ? is_served(d, err)
				      : uc_fail(err, UC_DIFFERS, EEXIST, "%s", step->why);
	default:
		return up->foreground ? is_served(d, err) : 0;
	}
}

/* That the boot leaves it out matters only where there was something to do. */
static void leave_out(struct step *step)
{
	if (step->act == ACT_NONE || step->act == ACT_DIFFERS)
		return;
	step->act = ACT_NONE;
	snprintf(step->why, sizeof(step->why), "noauto");
}

static int up_one(void *ctx, const struct uc_host *host, struct tab_line *line, struct step *step,
		  struct uc_error *err)
{
	const struct up *up = ctx;
	struct uc_device device = {0};
	int ret =
		up->plan.outcome.dry_run ? 0 : uc_lock_names(host, &line->add.locks.names_fd, err);

	if (ret == 0)
		ret = plan_up(host, line, step, &device, err);
	if (ret == 0 && !up->plan.outcome.dry_run)
		ret = act(host, up, line, step, &device, err);
	uc_locks_release(&line->add.locks);
	if (up->plan.outcome.dry_run && up->plan.all && line->noauto)
		leave_out(step);
	return ret;
}

static int check(const struct up *up, struct uc_error *err)
{
	const struct plan *plan = &up->plan;

	if (up->foreground &&
	    (plan->nr_names != 1 || plan->all || plan->outcome.dry_run || plan->outcome.json))
		return uc_fail(err, UC_USAGE, EINVAL,
			       "--foreground is for one NAME, without --all, --dry-run and --json");
	return 0;
}

static int bring_up(const struct uc_host *host, struct up *up, struct uc_error *err)
{
	struct plan *plan = &up->plan;
	int ret = plan_each(plan, host, up_one, up, err);

	if (ret == 0 && plan->all && plan->outcome.dry_run)
		ret = plan_add_others(plan, host, err);
	return ret;
}

static int up_run(const struct uc_host *host, int argc, const char **argv, struct uc_error *err)
{
	struct up up = {.plan = {.outcome = {.command = &up_command}, .skip_noauto = true}};
	const struct option_parser parser = {
		.command = &up_command,
		.take = take_option,
		.operand = take_operand,
		.ctx = &up,
		.outcome = &up.plan.outcome,
	};
	int ret;

	inherited_close(argc, argv);
	ret = options_parse(&parser, argc, argv, err);
	if (ret == 0)
		ret = check(&up, err);
	if (ret == 0)
		ret = plan_read(&up.plan, host, err);
	if (ret == 0)
		ret = plan_check_all(&up.plan, err);
	if (ret == 0)
		ret = bring_up(host, &up, err);
	ret = plan_end(&up.plan, ret, err);
	plan_free(&up.plan);
	return ret;
}

const struct command up_command = {
	.name = "up",
	.summary = "see to it that devices of /etc/ublktab are there",
	.synopsis = "[OPTION...] NAME...|--all",
	.options = up_options,
	.operands = OPERAND_LINES,
	.run = up_run,
};
