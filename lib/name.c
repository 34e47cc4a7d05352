/* SPDX-License-Identifier: MIT */
#include "name.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "cleanup.h"

bool uc_name_is_valid(const char *name)
{
	const size_t len = strlen(name);

	if (!isalpha((unsigned char)name[0]) || len >= UC_NAME_MAX ||
	    strncmp(name, "ublkb", 5) == 0 || strncmp(name, "ublkc", 5) == 0)
		return false;
	for (size_t i = 1; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i]))
			return false;
	return true;
}

struct wanted {
	const char *name; /* NULL: any */
	const char *target;
	const char *backing;
	struct uc_identity identity; /* of it */
};

static bool is_wanted(const struct wanted *w, const struct uc_device *d)
{
	if (d->record_state != UC_RECORD_OK)
		return false;
	if (w->name)
		return strcmp(w->name, d->record.name) == 0;
	return strcmp(w->target, d->record.target) == 0 &&
	       uc_device_has_backing(d, w->backing, &w->identity);
}

static int find(const struct uc_host *host, const struct wanted *w, struct uc_device *ret_device,
		struct uc_error *err)
{
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	uc_auto_free uint32_t *ids = NULL;
	size_t count = 0;
	int ret = uc_ctrl_open(host, &ctrl, err);

	if (ret == 0)
		ret = uc_device_known_ids(host, &ids, &count, err);
	for (size_t i = 0; ret == 0 && i < count; i++) {
		ret = uc_device_get(host, ctrl, ids[i], ret_device, err);
		if (ret == 0 && is_wanted(w, ret_device))
			return 0;
		/* Gone meanwhile. */
		if (uc_device_is_out_of_sight(host, ret))
			ret = 0;
	}
	return ret < 0 ? ret
		       : uc_fail(err, UC_NO_DEVICE, ENODEV,
				 "there is no device '%.64s'; 'ublkctl list' shows those that "
				 "there "
				 "are",
				 w->name ? w->name : w->backing);
}

int uc_name_find(const struct uc_host *host, const char *name, struct uc_device *ret_device,
		 struct uc_error *err)
{
	return find(host, &(struct wanted){.name = name}, ret_device, err);
}

int uc_name_find_backing(const struct uc_host *host, const char *target, const char *backing,
			 struct uc_device *ret_device, struct uc_error *err)
{
	const struct wanted wanted = {
		.target = target, .backing = backing, .identity = uc_identity_of_path(backing)};

	return find(host, &wanted, ret_device, err);
}
