/* SPDX-License-Identifier: MIT */
#include "doctor.h"

#include <stdio.h>

#include "cleanup.h"
#include "cmd.h"
#include "table.h"

enum { OPT_JSON = 2 };

struct visit {
	struct json_object *checks; /* NULL: lines */
};

static const struct poptOption doctor_options[] = {
	{"json", 'J', POPT_ARG_NONE, NULL, OPT_JSON, "write JSON", NULL},
	POPT_TABLEEND,
};

static int take_option(void *ctx, int option, const char *arg, struct uc_error *err)
{
	struct visit *visit = ctx;

	(void)option;
	(void)arg;
	(void)err;
	if (!visit->checks)
		visit->checks = json_object_new_array();
	return 0;
}

static const char *verdict_name(enum uc_verdict verdict)
{
	static const char *const names[] = {[UC_VERDICT_OK] = "ok",
					    [UC_VERDICT_NOTE] = "note",
					    [UC_VERDICT_WARNING] = "warning",
					    [UC_VERDICT_PROBLEM] = "problem"};

	return names[verdict];
}

static struct json_object *text_or_null(const char *text)
{
	return *text ? json_object_new_string(text) : NULL;
}

static void tell(void *ctx, const struct uc_finding *finding)
{
	const struct visit *visit = ctx;
	const struct uc_cause *cause = &finding->cause;
	const char *verdict = verdict_name(finding->verdict);
	struct json_object *doc;

	if (!visit->checks) {
		printf("%-7s  %-9s  %s\n", verdict, finding->check, cause->text);
		if (*cause->remedy)
			printf("%20srun: %s\n", "", cause->remedy);
		if (*cause->advice)
			printf("%20s%s%s\n", "", *cause->remedy ? "and " : "", cause->advice);
		return;
	}
	doc = json_object_new_object();
	json_object_object_add(doc, "check", json_object_new_string(finding->check));
	json_object_object_add(doc, "verdict", json_object_new_string(verdict));
	json_object_object_add(doc, "text", json_object_new_string(cause->text));
	json_object_object_add(doc, "remedy", text_or_null(cause->remedy));
	json_object_object_add(doc, "advice", text_or_null(cause->advice));
	json_object_array_add(visit->checks, doc);
}

static int doctor_run(const struct uc_host *host, int argc, const char **argv, struct uc_error *err)
{
	struct visit visit = {0};
	const struct uc_doctor doctor = {.host = host, .tell = tell, .ctx = &visit};
	const struct option_parser parser = {
		.command = &doctor_command,
		.take = take_option,
		.ctx = &visit,
	};
	uc_auto_json struct json_object *doc = document_new();
	int ret = options_parse(&parser, argc, argv, err);
	int status;

	if (ret == 0) {
		ret = uc_doctor(&doctor, err);
		status = ret < 0 ? exit_status(err) : 0;
		json_object_object_add(doc, "status", json_object_new_int(status));
	}
	if (!visit.checks)
		return ret;
	json_object_object_add(doc, "checks", visit.checks);
	if (ret <= 0)
		document_print(doc, true);
	return ret;
}

const struct command doctor_command = {
	.name = "doctor",
	.summary = "say whether devices can be made, and what mends it",
	.synopsis = "[OPTION...]",
	.options = doctor_options,
	.run = doctor_run,
};
