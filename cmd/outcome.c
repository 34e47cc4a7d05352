/* SPDX-License-Identifier: MIT */
/* What commands did to devices, or would do, for programs and for --dry-run. */
#include "outcome.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "cleanup.h"
#include "device.h"
#include "node.h"
#include "table.h"

enum { OPT_DRY_RUN = OUTCOME_OPTION, OPT_JSON };

#define JSON_OPTION                                                                                \
	{                                                                                          \
		"json", 'J', POPT_ARG_NONE, NULL, OPT_JSON, "write JSON", NULL                     \
	}

const struct poptOption outcome_option_table[] = {
	{"dry-run", '\0', POPT_ARG_NONE, NULL, OPT_DRY_RUN,
	 "check everything, change nothing, and say what would be done", NULL},
	JSON_OPTION,
	POPT_TABLEEND,
};

const struct poptOption outcome_json_table[] = {JSON_OPTION, POPT_TABLEEND};

void outcome_option(struct outcome *outcome, int option)
{
	if (option == OPT_JSON)
		outcome->json = true;
	else
		outcome->dry_run = true;
}

void outcome_detail(struct outcome *outcome, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(outcome->detail, sizeof(outcome->detail), fmt, ap);
	va_end(ap);
}

static void find_name(const struct uc_host *host, struct outcome_device *x)
{
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	struct uc_device d = {0};
	int ret = uc_ctrl_open(host, &ctrl, NULL);

	if (ret == 0)
		ret = uc_device_get(host, ctrl, x->id, &d, NULL);
	/* What a start that was killed has left. */
	if (ret == -ENODEV && uc_record_load(host, x->id, &d.record) == 0 && d.record.stopped.is)
		d.record_state = UC_RECORD_OK;
	else if (ret < 0)
		d.record_state = UC_RECORD_NONE;
	if (d.record_state == UC_RECORD_OK)
		snprintf(x->name, sizeof(x->name), "%s", d.record.name);
}

void outcome_begin(struct outcome *outcome, const struct uc_host *host, uint32_t id)
{
	struct outcome_device *x = &outcome->device;

	outcome->detail[0] = '\0';
	*x = (struct outcome_device){.id = id};
	uc_node_block_path(host, id, x->node, sizeof(x->node));
	if (outcome->json)
		find_name(host, x);
}

static const char *action_of(const struct outcome *outcome, int result)
{
	if (result < 0)
		return "failed";
	if (result == OUTCOME_KEPT)
		return outcome->kept ? outcome->kept : "kept";
	return outcome->dry_run ? outcome->verb : outcome->done;
}

static struct json_object *text_or_null(const char *text)
{
	return *text ? json_object_new_string(text) : NULL;
}

static void add_error(struct json_object *doc, int ret, const struct uc_error *err)
{
	json_object_object_add(doc, "status",
			       json_object_new_int(ret < 0 ? exit_status(err) : UC_OK));
	json_object_object_add(doc, "error", ret < 0 ? json_object_new_string(err->text) : NULL);
}

static struct json_object *to_json(const struct outcome *outcome, int result,
				   const struct uc_error *err)
{
	const struct outcome_device *x = &outcome->device;
	struct json_object *doc = json_object_new_object();

	json_object_object_add(doc, "id",
			       x->id == UC_ID_ANY ? NULL : json_object_new_uint64(x->id));
	json_object_object_add(doc, "device", text_or_null(x->node));
	json_object_object_add(doc, "name", text_or_null(x->name));
	json_object_object_add(doc, "action", json_object_new_string(action_of(outcome, result)));
	json_object_object_add(doc, "changed", json_object_new_boolean(result == OUTCOME_CHANGED));
	add_error(doc, result, err);
	return doc;
}

/* One line a device, as of `gc --dry-run`. */
static void print_plan(const struct outcome *outcome, int result)
{
	const char *what = *outcome->device.node ? outcome->device.node : "a new device";
	const char *colon = *outcome->detail ? ": " : "";

	if (result == OUTCOME_KEPT)
		printf("%s: kept%s%s\n", what, colon, outcome->detail);
	else
		printf("%s: would be %s%s%s\n", what, outcome->done, colon, outcome->detail);
}

void outcome_note(struct outcome *outcome, int result, const struct uc_error *err)
{
	if (result == OUTCOME_ABSENT)
		return;
	outcome->changed |= result == OUTCOME_CHANGED;
	if (outcome->dry_run && !outcome->json && result >= 0)
		print_plan(outcome, result);
	if (!outcome->json)
		return;
	if (!outcome->devices)
		outcome->devices = json_object_new_array();
	json_object_array_add(outcome->devices, to_json(outcome, result, err));
}

void outcome_add(struct outcome *outcome, const char *key, struct json_object *value)
{
	if (!outcome->more)
		outcome->more = json_object_new_object();
	json_object_object_add(outcome->more, key, value);
}

static void print_document(const struct outcome *outcome, int ret, const struct uc_error *err)
{
	uc_auto_json struct json_object *doc = document_new();

	json_object_object_add(doc, "changed", json_object_new_boolean(outcome->changed));
	json_object_object_add(doc, "dry_run", json_object_new_boolean(outcome->dry_run));
	add_error(doc, ret, err);
	/* gc has more than devices, and a list of its own. */
	if (outcome->done || outcome->kept)
		json_object_object_add(doc, "devices",
				       outcome->devices ? json_object_get(outcome->devices)
							: json_object_new_array());
	if (outcome->more) {
		json_object_object_foreach(outcome->more, key, value)
		{
			json_object_object_add(doc, key, json_object_get(value));
		}
	}
	document_print(doc, true);
}

/* Of a wrong command line nobody knows what was meant; and --help has been given. */
static bool is_to_be_told(const struct outcome *outcome, int ret, const struct uc_error *err)
{
	if (!outcome->json || outcome->told || ret > 0)
		return false;
	return ret == 0 || outcome->devices || err->code != UC_USAGE || err->errnum == EBADMSG;
}

int outcome_end(struct outcome *outcome, int ret, const struct uc_error *err)
{
	if (is_to_be_told(outcome, ret, err))
		print_document(outcome, ret, err);
	outcome->told = true;
	json_object_put(outcome->devices);
	json_object_put(outcome->more);
	outcome->devices = NULL;
	outcome->more = NULL;
	return ret;
}
