/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "cleanup.h"
#include "failures.h"
#include "identity.h"
#include "select.h"

static int add_ref(struct selection *selection, const struct uc_ref *ref, struct uc_error *err)
{
	const size_t count = selection->count + 1;
	struct uc_ref *refs;
	uint32_t *ids;

	for (size_t i = 0; i < selection->count; i++)
		if (selection->ids[i] == ref->id)
			return 0;
	ids = realloc(selection->ids, count * sizeof(*ids));
	if (ids)
		selection->ids = ids;
	refs = realloc(selection->refs, count * sizeof(*refs));
	if (refs)
		selection->refs = refs;
	if (!ids || !refs)
		return uc_fail_errno(err, ENOMEM, "the list of devices");
	ids[selection->count] = ref->id;
	refs[selection->count] = *ref;
	selection->count = count;
	return 0;
}

void select_free(struct selection *selection)
{
	free(selection->ids);
	free(selection->refs);
}

int select_text(struct selection *selection, const char *text, struct uc_error *err)
{
	struct uc_ref ref;
	int ret = uc_device_parse(selection->host, text, &ref, err);

	return ret < 0 ? ret : add_ref(selection, &ref, err);
}

int select_all(struct selection *selection, struct uc_error *err)
{
	uc_auto_free uint32_t *ids = NULL;
	size_t count = 0;
	int ret = uc_device_known_ids(selection->host, &ids, &count, err);

	for (size_t i = 0; ret == 0 && i < count; i++)
		ret = add_ref(selection, &(struct uc_ref){.id = ids[i]}, err);
	return ret;
}

int select_file(struct selection *selection, const char *path, struct uc_error *err)
{
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	uc_auto_free uint32_t *ids = NULL;
	uc_auto_free char *lasting = uc_path_lasting(path);
	const struct uc_identity identity = uc_identity_of_path(path);
	const size_t before = selection->count;
	struct uc_device d;
	size_t count = 0;
	int ret = uc_ctrl_open(selection->host, &ctrl, err);

	if (ret == 0)
		ret = uc_device_known_ids(selection->host, &ids, &count, err);
	for (size_t i = 0; ret == 0 && i < count; i++)
		if (uc_device_get(selection->host, ctrl, ids[i], &d, NULL) == 0 &&
		    uc_device_has_backing(&d, lasting ? lasting : path, &identity)) {
			const struct uc_ref ref = uc_device_ref_of(&d);

			ret = add_ref(selection, &ref, err);
		}
	if (ret == 0 && selection->count == before)
		return uc_fail(err, UC_NO_DEVICE, ENODEV,
			       "--file: no device lies on '%s'; see 'ublkctl list'", path);
	return ret;
}

int select_check(struct selection *selection, bool all, struct uc_error *err)
{
	if (all && selection->count)
		return uc_fail(err, UC_USAGE, EINVAL, "--all and named devices exclude each other");
	if (!all && !selection->count)
		return uc_fail(err, UC_USAGE, EINVAL, "no device: give an id, a path, or --all");
	if (all && select_all(selection, err) < 0)
		return -err->errnum;
	for (size_t i = 0; i < selection->count; i++)
		if (!selection->refs[i].known)
			selection->refs[i] = uc_device_ref(selection->host, selection->ids[i]);
	return 0;
}

int select_each(struct selection *selection, struct outcome *outcome, select_one *one, void *ctx,
		struct uc_error *err)
{
	const struct uc_host *host = selection->host;
	struct failures failures = {.command = outcome->command, .err = err};
	struct uc_host in_time;

	for (size_t i = 0; i < selection->count; i++) {
		struct uc_error mine = {0};
		int ret;

		outcome_begin(outcome, host, selection->ids[i]);
		in_time = uc_host_within(host, host->timeout_ms);
		in_time.dry_run = outcome->dry_run;
		selection->host = &in_time;
		ret = one(ctx, &selection->refs[i], &mine);
		selection->host = host;
		outcome_note(outcome, ret, &mine);
		failures_add(&failures, ret, &mine);
	}
	return failures_end(&failures);
}
