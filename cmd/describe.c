/* SPDX-License-Identifier: MIT */
#include "describe.h"

#include <inttypes.h>
#include <stdio.h>

#include "path.h"
#include "recover.h"

static void add_text(struct json_object *doc, const char *option, const char *text)
{
	json_object_object_add(doc, option, json_object_new_string(text));
}

static void add_number(struct json_object *doc, const char *option, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	add_text(doc, option, text);
}

static void add_truth(struct json_object *doc, const char *option, bool truth)
{
	json_object_object_add(doc, option, json_object_new_boolean(truth));
}

struct json_object *describe_spec(const struct uc_spec *spec)
{
	struct json_object *doc = json_object_new_object();
	char cpus[4096];

	(void)uc_cpus_format(&spec->cpus, cpus, sizeof(cpus));
	add_number(doc, "queues", spec->queues);
	add_number(doc, "depth", spec->depth);
	add_number(doc, "max-io-size", spec->max_io_size);
	add_number(doc, "logical-block-size", spec->logical_bs);
	add_number(doc, "physical-block-size", spec->physical_bs);
	add_truth(doc, "read-only", spec->read_only);
	add_text(doc, "recovery", uc_recovery_name(spec->recovery));
	add_number(doc, "threads", spec->threads);
	add_text(doc, "cpus", cpus);
	add_text(doc, "data-path", spec->path && spec->path_asked ? spec->path->name : "auto");
	add_text(doc, "shared-memory", spec->shared_memory ? spec->shared_memory : "");
	add_truth(doc, "respawn", spec->respawn);
	return doc;
}

struct json_object *describe_device(const struct uc_device *device)
{
	struct uc_spec spec = {0};

	uc_recover_spec(device, &spec);
	return describe_spec(&spec);
}
