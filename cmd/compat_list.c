/* SPDX-License-Identifier: MIT */
/* `ublk`: what it prints. Scripts take these lines apart by column, so no word may move. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "compat.h"
#include "device.h"
#include "feature.h"
#include "size.h"
#include "stats.h"
#include "table.h"

#define SECTOR 512U

/* All that is known of one device. */
struct facts {
	struct uc_device device;
	struct ublk_params params;
	struct uc_stats *stats; /* NULL: not known to be of this device */
	struct uc_ctrl *ctrl;
};

/* The queue's CPUs, each with a blank behind it. A queue that cannot be asked for has none. */
static void affinity_of(const struct facts *f, uint16_t qid, char *buf, size_t size)
{
	struct uc_cpus cpus;
	size_t used = 0;

	buf[0] = '\0';
	if (uc_ctrl_get_queue_affinity(f->ctrl, f->device.info.dev_id, qid, &cpus, NULL) < 0)
		return;
	for (unsigned cpu = 0; cpu < UC_CPUS_MAX && used + 8 < size; cpu++)
		if (cpus.bits[cpu / 64] >> cpu % 64 & 1)
			used += (size_t)snprintf(buf + used, size - used, "%u ", cpu);
}

/* The thread that serves the queue, or the first of them. */
static uint64_t tid_of(const struct facts *f, uint16_t qid)
{
	for (size_t i = 0; f->stats && i < f->stats->nr_threads; i++)
		if (f->stats->threads[i].qid == qid)
			return f->stats->threads[i].tid;
	return 0;
}

/* What of the target's options the older tool has a word for, and in its units. */
static void put_loop(struct json_object *target, const struct uc_record *record)
{
	uc_auto_json struct json_object *options = json_tokener_parse(record->options);
	struct json_object *value;
	uint64_t offset = 0;

	/* Whether it is direct I/O is only known if somebody has said so. */
	if (json_object_object_get_ex(options, "direct-io", &value) &&
	    strcmp(json_object_get_string(value), "auto") != 0)
		document_put_number(target, "direct_io",
				    strcmp(json_object_get_string(value), "on") == 0);
	if (json_object_object_get_ex(options, "offset", &value))
		(void)uc_size_parse(json_object_get_string(value), "offset", &offset, NULL);
	json_object_object_add(target, "name", json_object_new_string(record->target));
	document_put_number(target, "offset", offset / SECTOR);
}

/* Keys are in the alphabet's order, which is the older tool's. */
static struct json_object *target_object(const struct facts *f)
{
	const struct uc_record *record = &f->device.record;
	struct json_object *target = json_object_new_object();

	if (record->backing[0])
		json_object_object_add(target, "backing_file",
				       json_object_new_string(record->backing));
	document_put_number(target, "dev_size", f->params.basic.dev_sectors * SECTOR);
	if (strcmp(record->target, "loop") == 0)
		put_loop(target, record);
	else
		json_object_object_add(target, "name", json_object_new_string(record->target));
	document_put_number(target, "type", 0);
	return target;
}

static struct json_object *info_object(const struct ublksrv_ctrl_dev_info *info)
{
	struct json_object *doc = json_object_new_object();

	document_put_number(doc, "dev_id", info->dev_id);
	document_put_number(doc, "flags", info->flags);
	document_put_number(doc, "max_io_buf_bytes", info->max_io_buf_bytes);
	document_put_number(doc, "nr_hw_queues", info->nr_hw_queues);
	document_put_number(doc, "owner_gid", info->owner_gid);
	document_put_number(doc, "owner_uid", info->owner_uid);
	document_put_number(doc, "queue_depth", info->queue_depth);
	document_put_number(doc, "state", info->state);
	document_put_number(doc, "ublksrv_flags", info->ublksrv_flags);
	json_object_object_add(doc, "ublksrv_pid", json_object_new_int(info->ublksrv_pid));
	return doc;
}

static struct json_object *basic_object(const struct ublk_param_basic *basic)
{
	struct json_object *doc = json_object_new_object();

	document_put_number(doc, "attrs", basic->attrs);
	document_put_number(doc, "chunk_sectors", basic->chunk_sectors);
	document_put_number(doc, "dev_sectors", basic->dev_sectors);
	document_put_number(doc, "io_min_shift", basic->io_min_shift);
	document_put_number(doc, "io_opt_shift", basic->io_opt_shift);
	document_put_number(doc, "logical_bs_shift", basic->logical_bs_shift);
	document_put_number(doc, "max_sectors", basic->max_sectors);
	document_put_number(doc, "physical_bs_shift", basic->physical_bs_shift);
	document_put_number(doc, "virt_boundary_mask", basic->virt_boundary_mask);
	return doc;
}

static struct json_object *params_object(const struct ublk_params *params)
{
	struct json_object *doc = json_object_new_object();
	struct json_object *discard = json_object_new_object();

	json_object_object_add(doc, "basic", basic_object(&params->basic));
	document_put_number(discard, "discard_alignment", params->discard.discard_alignment);
	document_put_number(discard, "discard_granularity", params->discard.discard_granularity);
	document_put_number(discard, "max_discard_sectors", params->discard.max_discard_sectors);
	document_put_number(discard, "max_discard_segments", params->discard.max_discard_segments);
	document_put_number(discard, "max_write_zeroes_sectors",
			    params->discard.max_write_zeroes_sectors);
	json_object_object_add(doc, "discard", discard);
	document_put_number(doc, "types", params->types);
	return doc;
}

static struct json_object *queues_object(const struct facts *f)
{
	struct json_object *doc = json_object_new_object();

	for (uint16_t qid = 0; qid < f->device.info.nr_hw_queues; qid++) {
		struct json_object *queue = json_object_new_object();
		char affinity[4096];
		char key[8];

		affinity_of(f, qid, affinity, sizeof(affinity));
		json_object_object_add(queue, "affinity", json_object_new_string(affinity));
		document_put_number(queue, "qid", qid);
		document_put_number(queue, "tid", tid_of(f, qid));
		snprintf(key, sizeof(key), "%u", qid);
		json_object_object_add(doc, key, queue);
	}
	return doc;
}

static void print_document(const struct facts *f)
{
	uc_auto_json struct json_object *doc = json_object_new_object();

	json_object_object_add(doc, "dev_info", info_object(&f->device.info));
	json_object_object_add(doc, "params", params_object(&f->params));
	json_object_object_add(doc, "queues", queues_object(f));
	json_object_object_add(doc, "target", target_object(f));
	puts(json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
							 JSON_C_TO_STRING_NOSLASHESCAPE));
}

static void print_queues(const struct facts *f)
{
	for (uint16_t qid = 0; qid < f->device.info.nr_hw_queues; qid++) {
		char affinity[4096];

		affinity_of(f, qid, affinity, sizeof(affinity));
		printf("\tqueue %u: tid %" PRIu64 " affinity(%s)\n", qid, tid_of(f, qid), affinity);
	}
}

static void print_lines(const struct facts *f)
{
	const struct ublksrv_ctrl_dev_info *info = &f->device.info;
	const struct ublk_param_devt *devt = &f->params.devt;

	printf("dev id %u: nr_hw_queues %u queue_depth %u block size %u dev_capacity %" PRIu64 "\n",
	       info->dev_id, info->nr_hw_queues, info->queue_depth,
	       1U << f->params.basic.logical_bs_shift, (uint64_t)f->params.basic.dev_sectors);
	printf("\tmax rq size %u daemon pid %d flags 0x%" PRIx64 " state %s\n",
	       info->max_io_buf_bytes, info->ublksrv_pid, (uint64_t)info->flags,
	       uc_device_state_name(info->state));
	printf("\tublkc: %u:%u ublkb: %u:%u owner: %u:%u\n", devt->char_major, devt->char_minor,
	       devt->disk_major, devt->disk_minor, info->owner_uid, info->owner_gid);
	if (f->device.record_state != UC_RECORD_OK)
		return;
	uc_auto_json struct json_object *target = target_object(f);

	print_queues(f);
	printf("\ttarget %s\n",
	       json_object_to_json_string_ext(target, JSON_C_TO_STRING_PLAIN |
							      JSON_C_TO_STRING_NOSLASHESCAPE));
}

int compat_print(const struct uc_host *host, uint32_t id, bool verbose, struct uc_error *err)
{
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	uc_auto_free struct uc_stats *stats = NULL;
	struct facts f = {0};
	int ret = uc_ctrl_open(host, &ctrl, err);

	if (ret == 0)
		ret = uc_device_get(host, ctrl, id, &f.device, err);
	if (ret == 0)
		ret = uc_device_params(host, id, &f.params, err);
	if (ret < 0)
		return ret;
	if (f.device.record_state == UC_RECORD_OK)
		(void)uc_stats_read(host, id, &stats);
	f.ctrl = ctrl;
	f.stats = stats;
	if (verbose && f.device.record_state == UC_RECORD_OK)
		print_document(&f);
	else
		print_lines(&f);
	return 0;
}

/* What ours is not called there; what the older tool does not know has the kernel's name. */
static void feature_name(uint64_t bit, char *buf, size_t size)
{
	static const struct {
		uint64_t bit;
		const char *name;
	} others[] = {
		{UBLK_F_NEED_GET_DATA, "GET_DATA"},
		{UBLK_F_UNPRIVILEGED_DEV, "UNPRIVILEGED_DEV"},
		{UBLK_F_CMD_IOCTL_ENCODE, "CMD_IOCTL_ENCODE"},
		{UBLK_F_AUTO_BUF_REG, "AUTO_ZC"},
		{UBLK_F_SAFE_STOP_DEV, "SAFE_STOP_DEV"},
		{UBLK_F_NO_AUTO_PART_SCAN, "NO_AUTO_PART_SCAN"},
		{UBLK_F_SHMEM_ZC, "SHMEM_ZC"},
	};

	uc_feature_names(bit, buf, size);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (others[i].bit == bit)
			snprintf(buf, size, "%s", others[i].name);
	if (strncmp(buf, "bit", 3) == 0)
		snprintf(buf, size, "unknown");
	else
		for (char *c = buf; *c; c++)
			*c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
}

void compat_print_features(uint64_t features)
{
	printf("ublk_drv features: 0x%" PRIx64 "\n", features);
	for (; features; features &= features - 1) {
		char name[32];

		feature_name(features & -features, name, sizeof(name));
		printf("\t%-20s: 0x%" PRIx64 "\n", name, features & -features);
	}
}
