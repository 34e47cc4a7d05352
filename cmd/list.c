/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "cmd.h"
#include "feature.h"
#include "node.h"
#include "recovery.h"
#include "select.h"
#include "table.h"

enum { OPT_ID = 2 };

struct list {
	struct selection selection;
	struct table_options table;
};

static const struct poptOption list_options[] = {
	{"id", 'n', POPT_ARG_STRING, NULL, OPT_ID, "device id", "ID"},
	{NULL, '\0', POPT_ARG_INCLUDE_TABLE, (void *)(uintptr_t)table_option_table, 0, NULL, NULL},
	POPT_TABLEEND,
};

static const struct uc_device *device_of(const void *row)
{
	return row;
}

static void get_id(const void *row, struct value *value)
{
	value_number(value, device_of(row)->info.dev_id);
}

static void get_device(const void *row, struct value *value)
{
	value_text(value, device_of(row)->node);
}

static void get_name(const void *row, struct value *value)
{
	if (device_of(row)->record_state == UC_RECORD_OK && device_of(row)->record.name[0])
		value_text(value, device_of(row)->record.name);
}

static void get_target(const void *row, struct value *value)
{
	if (device_of(row)->record_state == UC_RECORD_OK)
		value_text(value, device_of(row)->record.target);
}

static void get_state(const void *row, struct value *value)
{
	value_text(value, uc_device_state_name(device_of(row)->info.state));
}

static void get_size(const void *row, struct value *value)
{
	if (device_of(row)->has_node)
		value_bytes(value, device_of(row)->size);
}

static void get_queues(const void *row, struct value *value)
{
	value_number(value, device_of(row)->info.nr_hw_queues);
}

static void get_depth(const void *row, struct value *value)
{
	value_number(value, device_of(row)->info.queue_depth);
}

static void get_pid(const void *row, struct value *value)
{
	const int32_t pid = device_of(row)->info.ublksrv_pid;

	/* -1: the server is dead, or of another pid namespace. */
	if (pid > 0)
		value_number(value, (uint64_t)pid);
}

/* As losetup has it: what is behind the device is not what has its name now. */
static void get_backing(const void *row, struct value *value)
{
	const struct uc_device *d = device_of(row);
	const struct uc_record *r = &d->record;
	char text[UC_BACKING_MAX + 16];

	if (d->record_state != UC_RECORD_OK || !r->backing[0])
		return;
	snprintf(text, sizeof(text), "%s%s", r->backing,
		 uc_device_has_lost_path(d) ? " (deleted)" : "");
	value_text(value, text);
}

static void get_path(const void *row, struct value *value)
{
	if (device_of(row)->record_state == UC_RECORD_OK)
		value_text(value, device_of(row)->record.path);
}

static void get_recovery(const void *row, struct value *value)
{
	value_text(value, uc_recovery_name(uc_recovery_of(device_of(row)->info.flags)));
}

static void get_record(const void *row, struct value *value)
{
	static const char *const names[] = {
		[UC_RECORD_OK] = "ok",
		[UC_RECORD_NONE] = "none",
		[UC_RECORD_SPOILED] = "spoiled",
		[UC_RECORD_STALE] = "stale",
	};

	value_text(value, names[device_of(row)->record_state]);
}

static void get_ro(const void *row, struct value *value)
{
	if (device_of(row)->has_node)
		value_bool(value, device_of(row)->read_only);
}

static void get_logical(const void *row, struct value *value)
{
	if (device_of(row)->has_node)
		value_number(value, device_of(row)->logical_bs);
}

static void get_physical(const void *row, struct value *value)
{
	if (device_of(row)->has_node)
		value_number(value, device_of(row)->physical_bs);
}

static void get_max_io(const void *row, struct value *value)
{
	value_bytes(value, device_of(row)->info.max_io_buf_bytes);
}

static void get_maj_min(const void *row, struct value *value)
{
	const struct uc_device *d = device_of(row);

	if (!d->has_node)
		return;
	value->type = VALUE_TEXT;
	snprintf(value->text, sizeof(value->text), "%u:%u", d->major, d->minor);
}

static void get_owner(const void *row, struct value *value)
{
	value_number(value, device_of(row)->info.owner_uid);
}

static void get_group(const void *row, struct value *value)
{
	value_number(value, device_of(row)->info.owner_gid);
}

static void get_unprivileged(const void *row, struct value *value)
{
	value_bool(value, device_of(row)->info.flags & UBLK_F_UNPRIVILEGED_DEV);
}

static void get_features(const void *row, struct value *value)
{
	value->type = VALUE_TEXT;
	uc_feature_names(device_of(row)->info.flags, value->text, sizeof(value->text));
}

static const struct column columns[] = {
	{"ID", true, "device id", get_id},
	{"DEVICE", false, "block device node", get_device},
	{"NAME", false, "what it is called", get_name},
	{"TARGET", false, "what serves it", get_target},
	{"STATE", false, "DEAD, LIVE, QUIESCED or FAIL_IO, as the driver says", get_state},
	{"SIZE", true, "size of the device", get_size},
	{"QUEUES", true, "hardware queues", get_queues},
	{"DEPTH", true, "requests in flight per queue", get_depth},
	{"PID", true, "handler process", get_pid},
	{"BACKING", false, "file or device behind it", get_backing},
	{"PATH", false, "data path between driver and handler", get_path},
	{"RO", true, "read-only", get_ro},
	{"LOG-SEC", true, "logical block size, bytes", get_logical},
	{"PHY-SEC", true, "physical block size, bytes", get_physical},
	{"MAX-IO", true, "largest request", get_max_io},
	{"MAJ:MIN", false, "device number", get_maj_min},
	{"OWNER", true, "user id of the owner", get_owner},
	{"GROUP", true, "group id of the owner", get_group},
	{"UNPRIVILEGED", true, "made by a plain user", get_unprivileged},
	{"RECOVERY", false, "when the handler dies: none, queue, reissue or fail", get_recovery},
	{"FEATURES", false, "features that the driver granted", get_features},
	{"RECORD", false, "our record of it: ok, none, spoiled or stale", get_record},
};

static const struct table list_table = {
	.columns = columns,
	.nr_columns = sizeof(columns) / sizeof(columns[0]),
	.defaults = "ID,DEVICE,NAME,TARGET,STATE,SIZE,QUEUES,DEPTH,PID,BACKING",
	.json_name = "devices",
	.row_size = sizeof(struct uc_device),
};

static int take_operand(void *ctx, const char *text, struct uc_error *err)
{
	struct list *list = ctx;

	return select_text(&list->selection, text, err);
}

static int take_option(void *ctx, int option, const char *arg, struct uc_error *err)
{
	struct list *list = ctx;

	return option == OPT_ID ? take_operand(ctx, arg, err)
				: table_option(&list->table, option, arg, err);
}

static int observe(const struct uc_host *host, const struct selection *selection, bool named,
		   struct uc_device *devices, size_t *ret_count, struct uc_error *err)
{
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	size_t count = 0;
	int ret = 0;

	if (selection->count)
		ret = uc_ctrl_open(host, &ctrl, err);
	for (size_t i = 0; ret == 0 && i < selection->count; i++) {
		ret = uc_device_get(host, ctrl, selection->ids[i], &devices[count], err);
		if (ret == 0)
			count++;
		else if (uc_device_is_out_of_sight(host, ret) && !named)
			ret = 0; /* gone since we listed it */
	}
	*ret_count = count;
	return ret;
}

static int list_devices(const struct uc_host *host, struct list *list, struct uc_error *err)
{
	uc_auto_free struct uc_device *devices = NULL;
	struct table table = list_table;
	const bool named = list->selection.count > 0;
	int ret = table_check(&table, &list->table, err);

	if (ret == 0 && !named)
		ret = select_all(&list->selection, err);
	if (ret < 0)
		return ret;
	devices = calloc(list->selection.count + 1, sizeof(*devices));
	if (!devices)
		return uc_fail_errno(err, ENOMEM, "the list of devices");
	ret = observe(host, &list->selection, named, devices, &table.nr_rows, err);
	if (ret < 0)
		return ret;
	table.rows = devices;
	return table_print(&table, &list->table, err);
}

static int list_run(const struct uc_host *host, int argc, const char **argv, struct uc_error *err)
{
	struct list list = {.selection = {.host = host}};
	const struct option_parser parser = {
		.command = &list_command,
		.take = take_option,
		.operand = take_operand,
		.ctx = &list,
	};
	int ret = options_parse(&parser, argc, argv, err);

	if (ret == 0)
		ret = list_devices(host, &list, err);
	select_free(&list.selection);
	return ret;
}

const struct command list_command = {
	.name = "list",
	.summary = "show devices and their state",
	.synopsis = "[OPTION...] [ID|NAME|PATH...]",
	.options = list_options,
	.table = &list_table,
	.operands = OPERAND_DEVICES,
	.run = list_run,
};
