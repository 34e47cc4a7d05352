/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "select.h"

static int add_id(struct selection *selection, uint32_t id, struct uc_error *err)
{
	uint32_t *more;

	for (size_t i = 0; i < selection->count; i++)
		if (selection->ids[i] == id)
			return 0;
	more = realloc(selection->ids, (selection->count + 1) * sizeof(*more));
	if (!more)
		return uc_fail_errno(err, ENOMEM, "the list of devices");
	selection->ids = more;
	selection->ids[selection->count++] = id;
	return 0;
}

int select_text(struct selection *selection, const char *text, struct uc_error *err)
{
	uint32_t id;
	int ret = uc_device_parse(selection->host, text, &id, err);

	return ret < 0 ? ret : add_id(selection, id, err);
}

int select_all(struct selection *selection, struct uc_error *err)
{
	free(selection->ids);
	selection->ids = NULL;
	return uc_device_ids(selection->host, &selection->ids, &selection->count, err);
}

int select_check(struct selection *selection, bool all, struct uc_error *err)
{
	if (all && selection->count)
		return uc_fail(err, UC_USAGE, EINVAL, "--all and named devices exclude each other");
	if (!all && !selection->count)
		return uc_fail(err, UC_USAGE, EINVAL, "no device: give an id, a path, or --all");
	return all ? select_all(selection, err) : 0;
}

int select_each(const struct selection *selection, const struct command *command,
		int (*one)(void *ctx, uint32_t id, struct uc_error *err), void *ctx,
		struct uc_error *err)
{
	int32_t code = UC_OK;
	int first = 0;

	for (size_t i = 0; i < selection->count; i++) {
		struct uc_error mine = {0};
		int ret = one(ctx, selection->ids[i], &mine);

		if (ret >= 0)
			continue;
		if (first < 0) {
			print_failure(command, err);
		} else {
			first = ret;
			code = mine.code;
		}
		*err = mine;
	}
	if (first < 0)
		err->code = code;
	return first;
}
