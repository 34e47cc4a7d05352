/* SPDX-License-Identifier: MIT */
/* Changes to a device that runs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "change.h"
#include "cleanup.h"
#include "lifecycle.h"
#include "proc.h"
#include "stats.h"

/* The counters tell which threads there are; only of a handler that is known to be ours. */
static int read_threads(const struct uc_host *host, const struct uc_device *d,
			struct uc_stats **ret_stats, struct uc_error *err)
{
	const uint32_t id = d->info.dev_id;
	int ret;

	if (d->record_state != UC_RECORD_OK)
		return uc_fail(err, UC_FAILED, ENOENT,
			       "there is no record of device %u, so its threads are not known", id);
	ret = uc_stats_read(host, id, ret_stats);
	if (ret < 0)
		return uc_fail(err, UC_FAILED, -ret, "the counters of device %u: %s", id,
			       uc_errno_text(-ret));
	return 0;
}

/* UC_AFFINITY_SAME: it is there already. */
static int set_thread(const struct uc_host *host, struct uc_ctrl *ctrl, const struct uc_device *d,
		      const struct uc_thread_stats *thread, const struct uc_cpus *cpus,
		      struct uc_error *err)
{
	const uint32_t id = d->info.dev_id;
	const pid_t tid = (pid_t)thread->tid;
	struct uc_cpus queue;
	int ret;

	if (!uc_proc_has_thread(d->record.pid, tid))
		return uc_fail(err, UC_FAILED, ESRCH,
			       "the handler of device %u is not running; see 'ublkctl list'", id);
	ret = uc_ctrl_get_queue_affinity(ctrl, id, (uint16_t)thread->qid, &queue, err);
	if (ret < 0)
		return ret;
	ret = uc_affinity_set(tid, &queue, cpus, host->dry_run);
	if (ret == -EINVAL)
		return uc_fail(err, UC_FAILED, EINVAL,
			       "--cpus: the handler of device %u may use none of these CPUs", id);
	return ret < 0 ? uc_fail_errno(err, -ret, "thread %d of device %u", tid, id) : ret;
}

static int set_threads(const struct uc_change *change, const struct uc_stats *stats,
		       const struct uc_cpus *cpus, bool *ret_moved, struct uc_error *err)
{
	int ret = 0;

	*ret_moved = false;
	for (size_t i = 0; ret >= 0 && i < stats->nr_threads; i++) {
		ret = set_thread(change->host, change->ctrl, &change->device, &stats->threads[i],
				 cpus, err);
		*ret_moved |= ret == 0;
	}
	return ret < 0 ? ret : 0;
}

int uc_set_cpus(const struct uc_host *host, const struct uc_ref *ref, const struct uc_cpus *cpus,
		struct uc_error *err)
{
	uc_auto_change struct uc_change change = UC_CHANGE_NONE;
	const struct uc_record *before = &change.device.record;
	uc_auto_free struct uc_stats *stats = NULL;
	struct uc_record record;
	bool noted = false;
	bool moved = false;
	int ret = uc_change_begin(host, ref, &change, err);

	if (ret == 0)
		ret = read_threads(host, &change.device, &stats, err);
	if (ret < 0 || !stats)
		return ret;
	/* For the next server, and before this one is changed: what cannot be kept is not done. */
	record = *before;
	record.cpus = *cpus;
	if (memcmp(&before->cpus, cpus, sizeof(*cpus)) != 0 && !host->dry_run) {
		ret = uc_record_write(host, uc_change_lock(&change), &record, err);
		noted = ret == 0;
	}
	if (ret == 0)
		ret = set_threads(&change, stats, cpus, &moved, err);
	if (ret < 0 && noted)
		(void)uc_record_write(host, uc_change_lock(&change), before, NULL);
	if (ret < 0)
		return ret;
	return moved || noted ? 0 : UC_AS_IT_WAS;
}
