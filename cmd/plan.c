/* SPDX-License-Identifier: MIT */
#include "plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "failures.h"
#include "table.h"

enum { OPT_ALL = PLAN_OPTION, OPT_FILE };

const struct poptOption plan_option_table[] = {
	{"all", 'a', POPT_ARG_NONE, NULL, OPT_ALL, "all lines of the file", NULL},
	{"file", 'f', POPT_ARG_STRING, NULL, OPT_FILE, "another file than /etc/ublktab", "FILE"},
	{NULL, '\0', POPT_ARG_INCLUDE_TABLE, (void *)(uintptr_t)outcome_option_table, 0, NULL,
	 NULL},
	POPT_TABLEEND,
};

int plan_option(struct plan *plan, int option, const char *arg, struct uc_error *err)
{
	if (option == OPT_ALL) {
		plan->all = true;
		return 0;
	}
	free(plan->file);
	plan->file = strdup(arg);
	return plan->file ? 0 : uc_fail_errno(err, ENOMEM, "options");
}

int plan_name(struct plan *plan, const char *text, struct uc_error *err)
{
	char **more = realloc(plan->names, (plan->nr_names + 1) * sizeof(*more));

	if (!more)
		return uc_fail_errno(err, ENOMEM, "options");
	plan->names = more;
	more[plan->nr_names] = strdup(text);
	if (!more[plan->nr_names])
		return uc_fail_errno(err, ENOMEM, "options");
	plan->nr_names++;
	return 0;
}

int plan_read(struct plan *plan, const struct uc_host *host, struct uc_error *err)
{
	if (plan->all && plan->nr_names)
		return uc_fail(err, UC_USAGE, EINVAL, "--all and named lines exclude each other");
	/* To look at all is harmless, and to do it has to be meant. */
	plan->all |= plan->outcome.dry_run && !plan->nr_names;
	if (!plan->all && !plan->nr_names)
		return uc_fail(err, UC_USAGE, EINVAL,
			       "no line: give a NAME of /etc/ublktab, or --all");
	return tab_read(host, plan->file, &plan->tab, err);
}

void plan_free(struct plan *plan)
{
	for (size_t i = 0; i < plan->nr_names; i++)
		free(plan->names[i]);
	free(plan->names);
	free(plan->file);
	free(plan->steps);
	tab_free(&plan->tab);
}

int plan_check_all(const struct plan *plan, struct uc_error *err)
{
	return plan->all ? tab_tell_errors(&plan->tab, plan->outcome.command, err) : 0;
}

static struct step *append(struct plan *plan, const char *name, struct uc_error *err)
{
	struct step *more = realloc(plan->steps, (plan->nr_steps + 1) * sizeof(*more));

	if (!more) {
		(void)uc_fail_errno(err, ENOMEM, "ublktab");
		return NULL;
	}
	plan->steps = more;
	more += plan->nr_steps++;
	*more = (struct step){.status = -1};
	snprintf(more->name, sizeof(more->name), "%s", name);
	return more;
}

/* --- one line after the other --- */

struct each {
	struct plan *plan;
	const struct uc_host *host;
	plan_one *one;
	void *ctx;
	struct failures failures;
};

static int do_line(struct each *e, struct tab_line *line)
{
	const struct command *command = e->plan->outcome.command;
	struct uc_host in_time = uc_host_within(e->host, e->host->timeout_ms);
	struct uc_error mine = {0};
	struct step *step = append(e->plan, line->name, &mine);
	int ret;

	in_time.dry_run = e->plan->outcome.dry_run;
	ret = step ? e->one(e->ctx, &in_time, line, step, &mine) : -ENOMEM;
	if (step && !in_time.dry_run)
		step->status = ret < 0 ? exit_status(&mine) : 0;
	if (ret < 0 && step)
		snprintf(step->why, sizeof(step->why), "%s", mine.text);
	if (ret < 0 && e->plan->all && line->nofail)
		print_failure(command, &mine);
	else
		failures_add(&e->failures, ret, &mine);
	return ret;
}

/* A line that is wrong keeps only itself. */
static int do_named(struct each *e, const char *name)
{
	const struct tab *tab = &e->plan->tab;
	struct tab_line *line = tab_find(tab, name);
	struct uc_error mine;
	int ret = 0;

	if (line && (!line->broken || e->plan->only_names))
		return do_line(e, line);
	for (size_t i = 0; line && i < tab->nr_errors; i++) {
		if (tab->errors[i].line != line->number)
			continue;
		ret = tab_fail(tab, &tab->errors[i], &mine);
		failures_add(&e->failures, ret, &mine);
	}
	if (ret < 0)
		return ret;
	ret = uc_fail(&mine, line ? UC_USAGE : UC_NO_DEVICE, line ? EBADMSG : ENODEV,
		      line ? "%s: another line has the name or the id of '%s', too"
			   : "%s has no line '%s'; see 'ublkctl ublktab list'",
		      tab->path, name);
	failures_add(&e->failures, ret, &mine);
	return ret;
}

int plan_each(struct plan *plan, const struct uc_host *host, plan_one *one, void *ctx,
	      struct uc_error *err)
{
	struct each e = {plan, host, one, ctx, {.command = plan->outcome.command, .err = err}};
	const size_t count = plan->all ? plan->tab.nr_lines : plan->nr_names;
	int ret = 0;

	/* Who interrupts one means all. */
	for (size_t i = 0; ret != -EINTR && i < count; i++) {
		const size_t n = plan->backwards ? count - 1 - i : i;

		if (!plan->all)
			ret = do_named(&e, plan->names[n]);
		else if (!plan->skip_noauto || plan->outcome.dry_run || !plan->tab.lines[n].noauto)
			ret = do_line(&e, &plan->tab.lines[n]);
	}
	return failures_end(&e.failures);
}

static int add_other(struct plan *plan, const struct uc_device *d, struct uc_error *err)
{
	struct step *step;

	if (d->record_state != UC_RECORD_OK || !d->record.name[0] ||
	    tab_find(&plan->tab, d->record.name))
		return 0;
	step = append(plan, d->record.name, err);
	if (!step)
		return -ENOMEM;
	snprintf(step->device, sizeof(step->device), "%s", d->node);
	snprintf(step->why, sizeof(step->why), "no line of %s has this name", plan->tab.path);
	return 0;
}

int plan_add_others(struct plan *plan, const struct uc_host *host, struct uc_error *err)
{
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	uc_auto_free uint32_t *ids = NULL;
	struct uc_device d;
	size_t count = 0;
	int ret = uc_ctrl_open(host, &ctrl, err);

	if (ret == 0)
		ret = uc_device_known_ids(host, &ids, &count, err);
	for (size_t i = 0; ret == 0 && i < count; i++)
		if (uc_device_get(host, ctrl, ids[i], &d, NULL) == 0)
			ret = add_other(plan, &d, err);
	return ret;
}

/* --- the table --- */

static void get_name(const void *row, struct value *value)
{
	value_text(value, ((const struct step *)row)->name);
}

static void get_device(const void *row, struct value *value)
{
	const struct step *step = row;

	if (step->device[0])
		value_text(value, step->device);
}

static void get_action(const void *row, struct value *value)
{
	static const char *const words[] = {
		[ACT_NONE] = "none",   [ACT_ADD] = "add",       [ACT_RECOVER] = "recover",
		[ACT_START] = "start", [ACT_REMAKE] = "remake", [ACT_DIFFERS] = "differs",
		[ACT_DEL] = "del",
	};

	value_text(value, words[((const struct step *)row)->act]);
}

static void get_status(const void *row, struct value *value)
{
	const struct step *step = row;

	if (step->status >= 0)
		value_number(value, (uint64_t)step->status);
}

static void get_why(const void *row, struct value *value)
{
	value_text(value, ((const struct step *)row)->why);
}

static const struct column columns[] = {
	{"NAME", false, "first field of the line", get_name},
	{"DEVICE", false, "its block device, if there is one", get_device},
	{"ACTION", false, "what is done", get_action},
	{"STATUS", true, "exit status of that; nothing: it was not tried", get_status},
	{"WHY", false, "why that, or what went wrong", get_why},
};

static bool is_change(const struct step *step)
{
	return step->act != ACT_NONE && step->act != ACT_DIFFERS && step->status <= 0;
}

int plan_end(struct plan *plan, int ret, struct uc_error *err)
{
	struct outcome *outcome = &plan->outcome;
	const struct table table = {
		.columns = columns,
		.nr_columns = sizeof(columns) / sizeof(columns[0]),
		.defaults = "NAME,DEVICE,ACTION,WHY",
		.rows = plan->steps,
		.row_size = sizeof(*plan->steps),
		.nr_rows = plan->nr_steps,
	};
	static const struct table_options options = {0};
	struct uc_error mine;

	for (size_t i = 0; i < plan->nr_steps; i++)
		outcome->changed |= is_change(&plan->steps[i]);
	if (outcome->json)
		outcome_add(outcome, "steps", table_rows(&table));
	else if (outcome->dry_run && table_print(&table, &options, &mine) < 0 && ret == 0)
		ret = uc_fail(err, mine.code, mine.errnum, "%s", mine.text);
	return outcome_end(outcome, ret, err);
}
