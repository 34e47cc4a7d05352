/* SPDX-License-Identifier: MIT */
#include "sample.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "deadline.h"

/* No counters, for a reason that is no failure where nobody has named the device. */
static int no_counters(const struct uc_device *d, int why, struct uc_error *err)
{
	const uint32_t id = d->info.dev_id;

	if (d->record_state != UC_RECORD_OK)
		return uc_fail(
			err, UC_FAILED, ENODATA,
			"device %u has no record of ours, so its counters are not known; see "
			"'ublkctl list -o +RECORD'",
			id);
	if (why == -EINVAL)
		return uc_fail(err, UC_FAILED, ENODATA,
			       "the counters of device %u are spoiled, or of another version of "
			       "ublkctl; 'ublkctl upgrade %u' begins new ones",
			       id, id);
	return uc_fail(err, UC_FAILED, ENODATA, "the counters of device %u cannot be read: %s", id,
		       uc_errno_text(-why));
}

static int sum_queues(struct sample *sample, const struct uc_stats *stats, struct uc_error *err)
{
	const unsigned nr_queues = sample->device.info.nr_hw_queues;
	const size_t size = nr_queues * sizeof(*sample->queues);

	sample->queues = aligned_alloc(UC_CACHE_LINE, size);
	if (!sample->queues)
		return uc_fail_errno(err, ENOMEM, "counters");
	memset(sample->queues, 0, size);
	sample->nr_queues = nr_queues;
	sample->life = stats->life;
	for (size_t i = 0; i < stats->nr_threads; i++)
		if (stats->threads[i].qid < nr_queues)
			uc_stats_add(&sample->queues[stats->threads[i].qid], &stats->threads[i]);
	return 0;
}

static int take_one(struct uc_ctrl *ctrl, const struct uc_host *host, uint32_t id,
		    struct sample *ret_sample, struct uc_error *err)
{
	uc_auto_free struct uc_stats *stats = NULL;
	int ret = uc_device_get(host, ctrl, id, &ret_sample->device, err);

	if (ret < 0)
		return ret;
	/* Without our record they could be of another device that had this id. */
	if (ret_sample->device.record_state == UC_RECORD_OK)
		ret = uc_stats_read(host, id, &stats);
	ret_sample->time = uc_now();
	return stats ? sum_queues(ret_sample, stats, err)
		     : no_counters(&ret_sample->device, ret, err);
}

/* Which failures leave a device out: -ENODEV, it has gone; -ENODATA, see no_counters(). */
static int take_all(const struct selection *s, bool may_be_gone, bool may_have_none,
		    struct samples *samples, struct uc_error *err)
{
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	int ret = s->count ? uc_ctrl_open(s->host, &ctrl, err) : 0;

	samples->list = calloc(s->count + 1, sizeof(*samples->list));
	if (!samples->list)
		return uc_fail_errno(err, ENOMEM, "counters");
	for (size_t i = 0; ret == 0 && i < s->count; i++) {
		ret = take_one(ctrl, s->host, s->ids[i], &samples->list[samples->count], err);
		if (ret == 0)
			samples->count++;
		else if ((ret == -ENODEV && may_be_gone) || (ret == -ENODATA && may_have_none))
			ret = 0;
	}
	return ret;
}

int samples_take(const struct selection *named, bool again, struct samples *ret_samples,
		 struct uc_error *err)
{
	const bool of_all = named->count == 0;
	auto_selection struct selection all = {.host = named->host};
	struct samples samples = {0};
	int ret = of_all ? select_all(&all, err) : 0;

	if (ret == 0)
		ret = take_all(of_all ? &all : named, of_all, of_all || again, &samples, err);
	if (ret < 0) {
		samples_free(&samples);
		return ret;
	}
	*ret_samples = samples;
	return 0;
}

void samples_free(struct samples *samples)
{
	for (size_t i = 0; i < samples->count; i++)
		free(samples->list[i].queues);
	free(samples->list);
	*samples = (struct samples){0};
}

/*
 * The same counters earlier, and not another device's that had its id, or of a life that is over;
 * NULL: there are none.
 */
static const struct sample *earlier(const struct samples *before, const struct sample *now)
{
	const struct ublksrv_ctrl_dev_info *info = &now->device.info;

	for (size_t i = 0; i < before->count; i++) {
		const struct sample *s = &before->list[i];

		if (s->device.info.dev_id == info->dev_id &&
		    s->device.info.ublksrv_flags == info->ublksrv_flags &&
		    s->nr_queues == now->nr_queues && s->life == now->life)
			return s;
	}
	return NULL;
}

/* One load for the device, and if wanted one for each queue; returns how many. */
static size_t add_loads(const struct sample *before, const struct sample *now, bool queues,
			struct load *loads)
{
	const uint64_t span = before ? now->time - before->time : 0;
	size_t count = 1;

	loads[0] = (struct load){.device = &now->device, .queue = -1, .span = span};
	for (unsigned q = 0; q < now->nr_queues; q++) {
		struct load load = {.device = &now->device, .queue = (int)q, .span = span};

		load.did = now->queues[q];
		if (before)
			uc_stats_subtract(&load.did, &before->queues[q]);
		uc_stats_add(&loads[0].did, &load.did);
		if (queues)
			loads[count++] = load;
	}
	return count;
}

int loads_make(const struct samples *before, const struct samples *now, bool queues,
	       struct load **ret_loads, size_t *ret_count, struct uc_error *err)
{
	size_t most = 1;
	struct load *loads;
	size_t count = 0;

	for (size_t i = 0; i < now->count; i++)
		most += 1 + (queues ? now->list[i].nr_queues : 0);
	loads = aligned_alloc(UC_CACHE_LINE, most * sizeof(*loads));
	if (!loads)
		return uc_fail_errno(err, ENOMEM, "counters");
	for (size_t i = 0; i < now->count; i++) {
		const struct sample *sample = &now->list[i];
		const struct sample *then = before ? earlier(before, sample) : NULL;

		if (then || !before)
			count += add_loads(then, sample, queues, loads + count);
	}
	*ret_loads = loads;
	*ret_count = count;
	return 0;
}
