/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "cmd.h"
#include "feature.h"
#include "keeper.h"
#include "node.h"
#include "path.h"
#include "proc.h"
#include "recovery.h"
#include "select.h"
#include "stats.h"
#include "table.h"

enum { OPT_ID = 2, OPT_JSON };

struct show {
	struct selection selection;
	bool json;
};

static const struct poptOption show_options[] = {
	{"id", 'n', POPT_ARG_STRING, NULL, OPT_ID, "device id", "ID"},
	{"json", 'J', POPT_ARG_NONE, NULL, OPT_JSON, "write JSON", NULL},
	POPT_TABLEEND,
};

static void put_text(struct json_object *doc, const char *key, const char *text)
{
	json_object_object_add(doc, key, text ? json_object_new_string(text) : NULL);
}

static void put_bool(struct json_object *doc, const char *key, bool truth)
{
	json_object_object_add(doc, key, json_object_new_boolean(truth));
}

/* Which data path, whether we chose it, and what it does. */
static void put_path(struct json_object *doc, const struct uc_record *record)
{
	const struct uc_path *path = record ? uc_path_find(record->path) : NULL;

	put_text(doc, "data_path", record ? record->path : NULL);
	put_text(doc, "data_path_by", !record ? NULL : record->path_asked ? "request" : "auto");
	put_text(doc, "data_path_does", path ? path->help : NULL);
}

static void put_info(struct json_object *doc, const struct uc_host *host, const struct uc_device *d)
{
	const bool known = d->record_state == UC_RECORD_OK;
	char node[128];

	document_put_number(doc, "id", d->info.dev_id);
	put_text(doc, "device", d->node);
	uc_node_char_path(host, d->info.dev_id, node, sizeof(node));
	put_text(doc, "char_device", node);
	put_text(doc, "name", known && d->record.name[0] ? d->record.name : NULL);
	put_text(doc, "state", uc_device_state_name(d->info.state));
	put_bool(doc, "stopped", uc_device_is_stopped(d));
	put_text(doc, "target", known ? d->record.target : NULL);
	put_text(doc, "backing", known && d->record.backing[0] ? d->record.backing : NULL);
	put_path(doc, known ? &d->record : NULL);
	put_text(doc, "recovery", uc_recovery_name(uc_recovery_of(d->info.flags)));
	put_bool(doc, "respawn", known && d->record.respawn);
	if (known && uc_keeper_is_alive(&d->record.keeper))
		document_put_number(doc, "keeper_pid", (uint64_t)d->record.keeper.pid);
	else
		json_object_object_add(doc, "keeper_pid", NULL);
	if (d->info.ublksrv_pid > 0)
		document_put_number(doc, "pid", (uint64_t)d->info.ublksrv_pid);
	else
		json_object_object_add(doc, "pid", NULL);
	if (d->has_node)
		document_put_number(doc, "size", d->size);
	else
		json_object_object_add(doc, "size", NULL);
	put_bool(doc, "read_only", d->read_only);
	document_put_number(doc, "nr_queues", d->info.nr_hw_queues);
	document_put_number(doc, "queue_depth", d->info.queue_depth);
	document_put_number(doc, "max_io_bytes", d->info.max_io_buf_bytes);
	document_put_number(doc, "owner_uid", d->info.owner_uid);
	document_put_number(doc, "owner_gid", d->info.owner_gid);
}

static void put_features(struct json_object *doc, uint64_t flags)
{
	struct json_object *list = json_object_new_array();

	for (; flags; flags &= flags - 1) {
		char name[32];

		uc_feature_names(flags & -flags, name, sizeof(name));
		json_object_array_add(list, json_object_new_string(name));
	}
	json_object_object_add(doc, "features", list);
}

static void put_params(struct json_object *doc, const struct ublk_params *p)
{
	struct json_object *params = json_object_new_object();
	const uint32_t attrs = p->basic.attrs;

	document_put_number(params, "logical_block_size", UINT64_C(1) << p->basic.logical_bs_shift);
	document_put_number(params, "physical_block_size",
			    UINT64_C(1) << p->basic.physical_bs_shift);
	document_put_number(params, "io_min_size", UINT64_C(1) << p->basic.io_min_shift);
	document_put_number(params, "io_opt_size",
			    p->basic.io_opt_shift ? UINT64_C(1) << p->basic.io_opt_shift : 0);
	document_put_number(params, "max_sectors", p->basic.max_sectors);
	document_put_number(params, "dev_sectors", p->basic.dev_sectors);
	put_bool(params, "rotational", attrs & UBLK_ATTR_ROTATIONAL);
	put_bool(params, "volatile_cache", attrs & UBLK_ATTR_VOLATILE_CACHE);
	put_bool(params, "fua", attrs & UBLK_ATTR_FUA);
	document_put_number(params, "discard_granularity", p->discard.discard_granularity);
	document_put_number(params, "max_discard_sectors", p->discard.max_discard_sectors);
	document_put_number(params, "max_write_zeroes_sectors",
			    p->discard.max_write_zeroes_sectors);
	json_object_object_add(doc, "params", params);
}

/* A counter of a queue is the sum of those of its threads. */
static void put_sum(struct json_object *queue, const char *key, const struct uc_stats *stats,
		    size_t qid, size_t counter)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < stats->nr_threads; i++) {
		const char *thread = (const char *)&stats->threads[i];

		if (stats->threads[i].qid == qid)
			sum += *(const uint64_t *)(thread + counter);
	}
	document_put_number(queue, key, sum);
}

static struct json_object *queue_object(const struct uc_stats *stats, size_t qid)
{
	static const struct {
		const char *key;
		size_t counter;
	} counters[] = {
		{"in_flight", offsetof(struct uc_thread_stats, in_flight)},
		{"reads", offsetof(struct uc_thread_stats, reads)},
		{"writes", offsetof(struct uc_thread_stats, writes)},
		{"flushes", offsetof(struct uc_thread_stats, flushes)},
		{"discards", offsetof(struct uc_thread_stats, discards)},
		{"write_zeroes", offsetof(struct uc_thread_stats, write_zeroes)},
		{"fua", offsetof(struct uc_thread_stats, fua)},
		{"shared", offsetof(struct uc_thread_stats, shared)},
		{"read_bytes", offsetof(struct uc_thread_stats, read_bytes)},
		{"write_bytes", offsetof(struct uc_thread_stats, write_bytes)},
		{"discard_bytes", offsetof(struct uc_thread_stats, discard_bytes)},
		{"errors", offsetof(struct uc_thread_stats, errors)},
	};
	struct json_object *queue = json_object_new_object();

	document_put_number(queue, "id", qid);
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		put_sum(queue, counters[i].key, stats, qid, counters[i].counter);
	return queue;
}

static struct json_object *thread_object(const struct uc_thread_stats *stats, pid_t pid)
{
	struct json_object *thread = json_object_new_object();
	char cpus[256];

	uc_proc_cpus(pid, (pid_t)stats->tid, cpus, sizeof(cpus));
	document_put_number(thread, "tid", stats->tid);
	document_put_number(thread, "queue", stats->qid);
	put_text(thread, "cpus", cpus);
	return thread;
}

static void put_queues(struct json_object *doc, const struct uc_host *host,
		       const struct uc_device *d)
{
	struct json_object *queues = json_object_new_array();
	struct json_object *threads = json_object_new_array();
	struct uc_stats *stats = NULL;

	/* Without our record the counters could be of another device that had this id. */
	if (d->record_state == UC_RECORD_OK && uc_stats_read(host, d->info.dev_id, &stats) == 0) {
		for (size_t qid = 0; qid < d->info.nr_hw_queues; qid++)
			json_object_array_add(queues, queue_object(stats, qid));
		for (size_t i = 0; i < stats->nr_threads; i++)
			json_object_array_add(
				threads, thread_object(&stats->threads[i], d->info.ublksrv_pid));
		free(stats);
	}
	json_object_object_add(doc, "queues", queues);
	json_object_object_add(doc, "threads", threads);
}

static int take_operand(void *ctx, const char *text, struct uc_error *err)
{
	struct show *show = ctx;

	return select_text(&show->selection, text, err);
}

static int take_option(void *ctx, int option, const char *arg, struct uc_error *err)
{
	struct show *show = ctx;

	if (option == OPT_ID)
		return take_operand(ctx, arg, err);
	show->json = true;
	return 0;
}

static int show_device(const struct uc_host *host, const struct show *show, struct uc_error *err)
{
	uc_auto_json struct json_object *doc = document_new();
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	const uint32_t id = show->selection.ids[0];
	struct ublk_params params = {0};
	struct uc_device device = {0};
	int ret;

	ret = uc_ctrl_open(host, &ctrl, err);
	if (ret == 0)
		ret = uc_device_get(host, ctrl, id, &device, err);
	if (ret == 0 && !device.only_recorded)
		ret = uc_device_params(host, id, &params, err);
	if (ret < 0)
		return ret;
	put_info(doc, host, &device);
	put_features(doc, device.info.flags);
	if (device.only_recorded)
		json_object_object_add(doc, "params", NULL);
	else
		put_params(doc, &params);
	put_queues(doc, host, &device);
	document_print(doc, show->json);
	return 0;
}

static int show_run(const struct uc_host *host, int argc, const char **argv, struct uc_error *err)
{
	struct show show = {.selection = {.host = host}};
	const struct option_parser parser = {
		.command = &show_command,
		.take = take_option,
		.operand = take_operand,
		.ctx = &show,
	};
	int ret = options_parse(&parser, argc, argv, err);

	if (ret == 0 && show.selection.count != 1)
		ret = uc_fail(err, UC_USAGE, EINVAL, "give one device: an id or a path");
	if (ret == 0)
		ret = show_device(host, &show, err);
	select_free(&show.selection);
	return ret;
}

const struct command show_command = {
	.name = "show",
	.summary = "show everything about one device and its queues",
	.synopsis = "[OPTION...] ID|NAME|PATH",
	.options = show_options,
	.operands = OPERAND_DEVICE,
	.run = show_run,
};
