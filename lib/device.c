/* SPDX-License-Identifier: MIT */
#include "device.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bounded.h"
#include "cleanup.h"
#include "name.h"
#include "node.h"
#include "progress.h"

const char *uc_device_state_name(unsigned state)
{
	static const char *const names[] = {
		[UBLK_S_DEV_DEAD] = "DEAD",
		[UBLK_S_DEV_LIVE] = "LIVE",
		[UBLK_S_DEV_QUIESCED] = "QUIESCED",
		[UBLK_S_DEV_FAIL_IO] = "FAIL_IO",
	};

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "?";
}

bool uc_device_parse_id(const char *text, uint32_t *ret_id)
{
	unsigned long id;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	id = strtoul(text, &end, 10);
	if (errno || *end || id > UC_ID_MAX)
		return false;
	*ret_id = (uint32_t)id;
	return true;
}

static int compare_ids(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a;
	const uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int append_id(uint32_t **ids, size_t *count, uint32_t id)
{
	uint32_t *more;

	/* Room doubles at each power of two. */
	if ((*count & (*count - 1)) == 0) {
		more = realloc(*ids, (*count ? *count * 2 : 1) * sizeof(**ids));
		if (!more)
			return -ENOMEM;
		*ids = more;
	}
	(*ids)[(*count)++] = id;
	return 0;
}

static bool may_read(const struct uc_host *host, const char *node)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", host->dev_dir, node);
	return access(path, R_OK) == 0;
}

struct ids {
	uint32_t *all;
	size_t count;
};

static int read_ids(const struct uc_host *host, struct ids *ids, struct uc_error *err)
{
	uc_auto_dir DIR *dir = NULL;
	const struct dirent *entry;
	/* What the driver tells a plain user hangs on the permissions of each ublkcN. */
	const bool only_ours = host->unprivileged && may_read(host, "ublk-control");
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/class/ublk-char", host->sys_dir);
	dir = opendir(path);
	if (!dir && errno != ENOENT)
		return uc_fail_errno(err, errno, "%s", path);
	while (dir && (entry = readdir(dir))) {
		uint32_t id;

		if (strncmp(entry->d_name, "ublkc", 5) != 0 ||
		    !uc_device_parse_id(entry->d_name + 5, &id) ||
		    (only_ours && !may_read(host, entry->d_name)))
			continue;
		if (append_id(&ids->all, &ids->count, id) < 0)
			return uc_fail_errno(err, ENOMEM, "the list of devices");
	}
	return 0;
}

static bool has_id(const struct ids *ids, uint32_t id)
{
	for (size_t i = 0; i < ids->count; i++)
		if (ids->all[i] == id)
			return true;
	return false;
}

static int read_recorded_ids(const struct uc_host *host, struct ids *ids, struct uc_error *err)
{
	uc_auto_dir DIR *dir = *host->run_dir ? opendir(host->run_dir) : NULL;
	const struct dirent *entry;
	struct uc_record record;
	uint32_t id;

	while (dir && (entry = readdir(dir))) {
		if (!uc_record_is_file(entry->d_name, &id) || has_id(ids, id) ||
		    uc_record_load(host, id, &record) < 0 || !record.stopped.is)
			continue;
		if (append_id(&ids->all, &ids->count, id) < 0)
			return uc_fail_errno(err, ENOMEM, "the list of devices");
	}
	return 0;
}

static int list_ids(const struct uc_host *host, bool recorded, uint32_t **ret_ids,
		    size_t *ret_count, struct uc_error *err)
{
	struct ids ids = {0};
	int ret = read_ids(host, &ids, err);

	if (ret == 0 && recorded)
		ret = read_recorded_ids(host, &ids, err);
	if (ret < 0) {
		free(ids.all);
		return ret;
	}
	if (ids.count)
		qsort(ids.all, ids.count, sizeof(*ids.all), compare_ids);
	*ret_ids = ids.all;
	*ret_count = ids.count;
	return 0;
}

int uc_device_ids(const struct uc_host *host, uint32_t **ret_ids, size_t *ret_count,
		  struct uc_error *err)
{
	return list_ids(host, false, ret_ids, ret_count, err);
}

int uc_device_known_ids(const struct uc_host *host, uint32_t **ret_ids, size_t *ret_count,
			struct uc_error *err)
{
	return list_ids(host, true, ret_ids, ret_count, err);
}

static FILE *open_attr(const struct uc_host *host, uint32_t id, const char *attr)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/block/ublkb%u/%s", host->sys_dir, id, attr);
	return fopen(path, "re");
}

bool uc_device_attr(const struct uc_host *host, uint32_t id, const char *attr, uint64_t *ret_value)
{
	uc_auto_file FILE *file = open_attr(host, id, attr);

	return file && fscanf(file, "%" SCNu64, ret_value) == 1;
}

/* All of it or nothing: what cannot be read is going away, and is not 0. */
static void read_block_attrs(const struct uc_host *host, struct uc_device *d)
{
	const uint32_t id = d->info.dev_id;
	uc_auto_file FILE *file = open_attr(host, id, "dev");
	uint64_t sectors;
	uint64_t read_only;
	uint64_t logical_bs;
	uint64_t physical_bs;

	if (!file || fscanf(file, "%u:%u", &d->major, &d->minor) != 2 ||
	    !uc_device_attr(host, id, "size", &sectors) ||
	    !uc_device_attr(host, id, "ro", &read_only) ||
	    !uc_device_attr(host, id, "queue/logical_block_size", &logical_bs) ||
	    !uc_device_attr(host, id, "queue/physical_block_size", &physical_bs)) {
		d->major = d->minor = 0;
		return;
	}
	d->has_node = true;
	d->size = sectors << 9;
	d->read_only = read_only;
	d->logical_bs = (uint32_t)logical_bs;
	d->physical_bs = (uint32_t)physical_bs;
}

static enum uc_record_state record_state(int ret)
{
	switch (ret) {
	case 0:
		return UC_RECORD_OK;
	case -ENOENT:
		return UC_RECORD_NONE;
	case -ESTALE:
		return UC_RECORD_STALE;
	default:
		return UC_RECORD_SPOILED;
	}
}

/* What a stopped device was, of which the driver has nothing any more. */
static bool get_recorded(const struct uc_host *host, uint32_t id, struct uc_device *ret_device)
{
	struct uc_device d = {.only_recorded = true, .record_state = UC_RECORD_OK};
	const struct uc_stopped *stopped = &d.record.stopped;

	if (uc_record_load(host, id, &d.record) < 0 || !stopped->is)
		return false;
	d.info = (struct ublksrv_ctrl_dev_info){.dev_id = id,
						.nr_hw_queues = stopped->queues,
						.queue_depth = stopped->depth,
						.max_io_buf_bytes = stopped->max_io_size,
						.flags = stopped->flags,
						.ublksrv_flags = d.record.cookie,
						.ublksrv_pid = -1,
						.state = UBLK_S_DEV_DEAD};
	uc_node_block_path(host, id, d.node, sizeof(d.node));
	*ret_device = d;
	return true;
}

int uc_device_get(const struct uc_host *host, struct uc_ctrl *ctrl, uint32_t id,
		  struct uc_device *ret_device, struct uc_error *err)
{
	struct uc_device d = {0};
	int ret = uc_ctrl_get_dev_info(ctrl, id, &d.info, err);

	if (ret == -ENODEV && get_recorded(host, id, ret_device)) {
		if (err)
			*err = (struct uc_error){0};
		return 0;
	}
	if (ret < 0)
		return ret;
	uc_node_block_path(host, id, d.node, sizeof(d.node));
	read_block_attrs(host, &d);
	/* Drivers before 6.16 go on naming a server that is dead; the pid may be anyone's by now.
	 */
	if (d.info.state == UBLK_S_DEV_QUIESCED || d.info.state == UBLK_S_DEV_FAIL_IO)
		d.info.ublksrv_pid = -1;
	d.record_state = record_state(uc_record_read(host, &d.info, &d.record));
	*ret_device = d;
	return 0;
}

bool uc_device_has_backing(const struct uc_device *device, const char *path,
			   const struct uc_identity *identity)
{
	const struct uc_record *r = &device->record;

	if (device->record_state != UC_RECORD_OK || !r->backing[0])
		return false;
	if (r->identity.known && identity->known)
		return uc_identity_is_same(&r->identity, identity);
	return strcmp(r->backing, path) == 0;
}

bool uc_device_has_lost_path(const struct uc_device *device)
{
	const struct uc_record *r = &device->record;
	struct uc_identity now;

	if (device->record_state != UC_RECORD_OK || !r->identity.known)
		return false;
	now = uc_identity_of_path(r->backing);
	return now.known ? !uc_identity_is_same(&r->identity, &now)
			 : access(r->backing, F_OK) < 0 && errno == ENOENT;
}

struct params_request {
	const struct uc_host *host;
	uint32_t id;
};

static int read_params(void *ctx, void *ret, struct uc_error *err)
{
	const struct params_request *request = ctx;
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	int res = uc_ctrl_open(request->host, &ctrl, err);

	return res < 0 ? res : uc_ctrl_get_params(ctrl, request->id, ret, err);
}

int uc_device_params(const struct uc_host *host, uint32_t id, struct ublk_params *ret_params,
		     struct uc_error *err)
{
	struct params_request request = {host, id};
	uc_auto_progress struct uc_progress progress;

	uc_progress_begin(&progress, uc_host_deadline(host),
			  "waiting for the parameters of device %u", id);
	return uc_bounded(read_params, &request, ret_params, sizeof(*ret_params),
			  uc_host_left_ms(host) + UC_MARGIN_MS, "reading the parameters", err);
}

struct uc_ref uc_device_ref(const struct uc_host *host, uint32_t id)
{
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	struct uc_device device;
	int ret = uc_ctrl_open(host, &ctrl, NULL);

	if (ret == 0)
		ret = uc_device_get(host, ctrl, id, &device, NULL);
	return ret == 0 ? uc_device_ref_of(&device) : (struct uc_ref){.id = id};
}

/* The id in the name of a node, or in that of what a link leads to; else what a device is called.
 */
static const char *find_id(const struct uc_host *host, const char *text, char resolved[PATH_MAX],
			   uint32_t *ret_id)
{
	static const char by_name[] = "ublk/by-name/";
	const char *called = text;
	const char *name = text;

	if (uc_device_parse_id(text, ret_id))
		return NULL;
	if (strchr(text, '/')) {
		/* A link of udev's, say; one that is gone may still be named by its path. */
		if (realpath(text, resolved))
			name = resolved;
		if (strncmp(name, host->dev_dir, strlen(host->dev_dir)) == 0)
			name += strlen(host->dev_dir) + 1;
		if (strncmp(name, by_name, strlen(by_name)) == 0)
			called = name + strlen(by_name);
	}
	if ((strncmp(name, "ublkb", 5) == 0 || strncmp(name, "ublkc", 5) == 0) &&
	    uc_device_parse_id(name + 5, ret_id))
		return NULL;
	return called;
}

int uc_device_parse(const struct uc_host *host, const char *text, struct uc_ref *ret_ref,
		    struct uc_error *err)
{
	struct uc_device device = {0};
	char resolved[PATH_MAX];
	const char *called;
	uint32_t id;
	int ret;

	called = find_id(host, text, resolved, &id);
	if (!called) {
		*ret_ref = (struct uc_ref){.id = id};
		return 0;
	}
	if (!uc_name_is_valid(called))
		return uc_fail(err, UC_USAGE, EINVAL,
			       "'%s' is not a ublk device: give an id (0 to %u), a name, or a path "
			       "like %s/ublkb0",
			       text, UC_ID_MAX, host->dev_dir);
	ret = uc_name_find(host, called, &device, err);
	*ret_ref = uc_device_ref_of(&device);
	return ret;
}
