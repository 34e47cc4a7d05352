/* SPDX-License-Identifier: MIT */
/* The devices that there are, and what is left of others. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "device.h"
#include "doctor_priv.h"
#include "gc.h"
#include "node.h"

/* Those of users other than root. */
static size_t count_unprivileged(const struct visit *v, const uint32_t *ids, size_t count)
{
	struct ublksrv_ctrl_dev_info info;
	size_t others = 0;

	for (size_t i = 0; v->ctrl && i < count; i++)
		if (uc_ctrl_get_dev_info(v->ctrl, ids[i], &info, NULL) == 0)
			others += (info.flags & UBLK_F_UNPRIVILEGED_DEV) != 0;
	return others;
}

/*
 * It bounds those of users other than root; kernels from 6.3 to 6.14 are said to count all, if that
 * was not changed in them later (https://github.com/kvcache-ai/AgentENV/issues/297).
 */
void uc_check_limit(struct visit *v)
{
	uc_auto_free uint32_t *ids = NULL;
	struct uc_cause cause;
	size_t count = 0;

	(void)uc_device_ids(v->host, &ids, &count, NULL);
	if (!uc_cause_ublks_max(v->host, count, &cause))
		uc_found_text(v, UC_VERDICT_OK, "fewer devices than the driver's ublks_max");
	else if (uc_cause_ublks_max(v->host, count_unprivileged(v, ids, count), &cause))
		uc_found(v, UC_VERDICT_WARNING, &cause);
	else
		uc_found(v, UC_VERDICT_NOTE, &cause);
}

static void look_at_node(struct visit *v, const char *path, const char *kind, const char *attr)
{
	unsigned major = 0;
	unsigned minor = 0;
	struct uc_cause cause;
	char text[32];

	if (access(path, F_OK) == 0 || !uc_machine_sysfs(v->host, attr, text, sizeof(text)) ||
	    sscanf(text, "%u:%u", &major, &minor) != 2)
		return;
	uc_cause_text(&cause, UC_FAILED, "%s is missing", path);
	uc_cause_remedy(&cause, "mknod -m 600 %s %s %u %u", path, kind, major, minor);
	uc_found(v, UC_VERDICT_WARNING, &cause);
}

void uc_check_nodes(struct visit *v)
{
	uc_auto_free uint32_t *ids = NULL;
	size_t count = 0;

	if (uc_device_ids(v->host, &ids, &count, NULL) < 0)
		return;
	for (size_t i = 0; i < count; i++) {
		char path[64];
		char attr[64];

		uc_node_char_path(v->host, ids[i], path, sizeof(path));
		snprintf(attr, sizeof(attr), "class/ublk-char/ublkc%u/dev", ids[i]);
		look_at_node(v, path, "c", attr);
		uc_node_block_path(v->host, ids[i], path, sizeof(path));
		snprintf(attr, sizeof(attr), "block/ublkb%u/dev", ids[i]);
		look_at_node(v, path, "b", attr);
	}
	uc_found_text(v, UC_VERDICT_OK, "%zu %s", count, count == 1 ? "device" : "devices");
}

void uc_check_run_dir(struct visit *v)
{
	struct uc_cause cause;

	if (uc_cause_run_dir(v->host, &cause))
		uc_found(v, UC_VERDICT_PROBLEM, &cause);
	else
		uc_found_text(v, UC_VERDICT_OK, "only root writes to %s", v->host->run_dir);
}

struct leftovers {
	struct visit *visit;
	unsigned count;
};

static void tell(void *ctx, const struct uc_gc_item *item)
{
	struct leftovers *l = ctx;
	struct uc_cause cause;

	l->count++;
	uc_cause_text(&cause, UC_FAILED, "%.80s: %.160s", item->what, item->why);
	if (item->action == UC_GC_REMOVE)
		uc_cause_remedy(&cause, "ublkctl gc");
	else if (item->recoverable)
		uc_cause_remedy(&cause, "ublkctl recover %.80s", item->what);
	else
		uc_cause_remedy(&cause, "ublkctl gc --all-owners");
	uc_found(l->visit, UC_VERDICT_WARNING, &cause);
}

/* What gc would do. */
void uc_check_leftovers(struct visit *v)
{
	struct leftovers l = {.visit = v};
	struct uc_host host = *v->host;
	const struct uc_gc_options options = {.tell = tell, .ctx = &l};
	struct uc_error err = {0};

	host.dry_run = true;
	if (!v->ctrl || access(v->host->run_dir, W_OK) < 0)
		return;
	if (uc_gc(&host, &options, &err) < 0)
		uc_found_text(v, UC_VERDICT_WARNING, "%.255s", err.text);
	else if (l.count == 0)
		uc_found_text(v, UC_VERDICT_OK, "nothing is left of what died");
}
