/* SPDX-License-Identifier: MIT */
#include "record.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "stats.h"

#define SCHEMA_VERSION 1
#define RECORD_MAX     65536 /* a file larger than this is none of ours */

static struct json_object *stopped_to_json(const struct uc_stopped *s)
{
	struct json_object *doc = json_object_new_object();

	json_object_object_add(doc, "queues", json_object_new_int(s->queues));
	json_object_object_add(doc, "depth", json_object_new_int(s->depth));
	json_object_object_add(doc, "max_io_size", json_object_new_uint64(s->max_io_size));
	json_object_object_add(doc, "flags", json_object_new_uint64(s->flags));
	return doc;
}

static struct json_object *resizing_to_json(const struct uc_resizing *r)
{
	struct json_object *doc = json_object_new_object();

	json_object_object_add(doc, "from", json_object_new_uint64(r->from));
	json_object_object_add(doc, "option", json_object_new_string(r->option));
	return doc;
}

static void add_handler(struct json_object *doc, const struct uc_record *r)
{
	struct json_object *options = json_tokener_parse(r->options);
	struct json_object *keeper = json_object_new_object();
	char cpus[UC_CPUS_TEXT];

	(void)uc_cpus_format(&r->cpus, cpus, sizeof(cpus));
	json_object_object_add(doc, "threads", json_object_new_int(r->threads));
	json_object_object_add(doc, "logical_block_size", json_object_new_uint64(r->logical_bs));
	json_object_object_add(doc, "physical_block_size", json_object_new_uint64(r->physical_bs));
	json_object_object_add(doc, "read_only", json_object_new_boolean(r->read_only));
	json_object_object_add(doc, "respawn", json_object_new_boolean(r->respawn));
	json_object_object_add(doc, "recovering", json_object_new_boolean(r->recovering));
	json_object_object_add(doc, "cpus", json_object_new_string(cpus));
	json_object_object_add(doc, "shared_memory", json_object_new_string(r->shared_memory));
	json_object_object_add(doc, "options", options ? options : json_object_new_object());
	json_object_object_add(keeper, "pid", json_object_new_int(r->keeper.pid));
	json_object_object_add(keeper, "pid_start", json_object_new_uint64(r->keeper.start));
	/* A JSON number that is never negative: 0 is none, else the file's number and 1. */
	json_object_object_add(keeper, "file", json_object_new_int(r->keeper.fd + 1));
	json_object_object_add(doc, "keeper", keeper);
	if (r->stopped.is)
		json_object_object_add(doc, "stopped", stopped_to_json(&r->stopped));
	if (r->resizing.from)
		json_object_object_add(doc, "resizing", resizing_to_json(&r->resizing));
}

/* As text: a JSON number loses bits above 2^53 in many readers. */
static void add_hex(struct json_object *doc, const char *key, uint64_t number)
{
	char text[32];

	snprintf(text, sizeof(text), "%016" PRIx64, number);
	json_object_object_add(doc, key, json_object_new_string(text));
}

static struct json_object *identity_to_json(const struct uc_identity *i)
{
	struct json_object *doc = json_object_new_object();

	json_object_object_add(doc, "disk", json_object_new_boolean(i->is_disk));
	add_hex(doc, "device", i->device);
	add_hex(doc, "inode", i->inode);
	add_hex(doc, "generation", i->generation);
	return doc;
}

static struct json_object *to_json(const struct uc_record *r)
{
	struct json_object *doc = json_object_new_object();

	json_object_object_add(doc, "schema_version", json_object_new_int(SCHEMA_VERSION));
	json_object_object_add(doc, "id", json_object_new_uint64(r->id));
	add_hex(doc, "cookie", r->cookie);
	json_object_object_add(doc, "pid", json_object_new_int(r->pid));
	json_object_object_add(doc, "pid_start", json_object_new_uint64(r->pid_start));
	json_object_object_add(doc, "name", json_object_new_string(r->name));
	json_object_object_add(doc, "target", json_object_new_string(r->target));
	json_object_object_add(doc, "backing", json_object_new_string(r->backing));
	if (r->identity.known)
		json_object_object_add(doc, "identity", identity_to_json(&r->identity));
	json_object_object_add(doc, "data_path", json_object_new_string(r->path));
	json_object_object_add(doc, "data_path_asked", json_object_new_boolean(r->path_asked));
	add_handler(doc, r);
	return doc;
}

/*
 * Makes it the whole content of the file, and durable. Where the file has been, its room is used
 * again. Returns 0 or a negative errno.
 */
static int write_file(const char *path, const char *text)
{
	uc_auto_close int fd = -1;
	const size_t len = strlen(text);

	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
	if (fd < 0)
		return -errno;
	for (size_t done = 0; done < len;) {
		ssize_t n = write(fd, text + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	/* The umask of whoever calls us must not decide who may read it. */
	if (ftruncate(fd, (off_t)len) < 0 || fchmod(fd, 0644) < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

static struct json_object *parse_file(const char *path, int *ret_errnum)
{
	uc_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char text[RECORD_MAX + 1];
	struct json_object *doc;
	struct stat st;
	ssize_t len;

	*ret_errnum = errno;
	if (fd < 0)
		return NULL;
	*ret_errnum = EINVAL;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > RECORD_MAX)
		return NULL;
	len = read(fd, text, RECORD_MAX);
	if (len < 0)
		return NULL;
	text[len] = '\0';
	doc = json_tokener_parse(text);
	if (doc && !json_object_is_type(doc, json_type_object)) {
		json_object_put(doc);
		doc = NULL;
	}
	return doc;
}

static const char *text_of(struct json_object *doc, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(doc, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return NULL;
	return json_object_get_string(value);
}

static bool number_of(struct json_object *doc, const char *key, uint64_t *ret_number)
{
	struct json_object *value;

	if (!json_object_object_get_ex(doc, key, &value) ||
	    !json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
		return false;
	*ret_number = json_object_get_uint64(value);
	return true;
}

static bool truth_of(struct json_object *doc, const char *key, bool *ret_truth)
{
	struct json_object *value;

	if (!json_object_object_get_ex(doc, key, &value) ||
	    !json_object_is_type(value, json_type_boolean))
		return false;
	*ret_truth = json_object_get_boolean(value);
	return true;
}

static bool number_up_to(struct json_object *doc, const char *key, uint64_t max,
			 uint64_t *ret_number)
{
	return number_of(doc, key, ret_number) && *ret_number <= max;
}

static bool text_into(struct json_object *doc, const char *key, char *buf, size_t size)
{
	const char *text = text_of(doc, key);

	return text && (size_t)snprintf(buf, size, "%s", text) < size;
}

static bool keeper_from_json(struct json_object *doc, struct uc_keeper_id *ret_keeper)
{
	struct json_object *keeper;
	uint64_t pid;
	uint64_t file;

	if (!json_object_object_get_ex(doc, "keeper", &keeper) ||
	    !json_object_is_type(keeper, json_type_object) ||
	    !number_up_to(keeper, "pid", INT32_MAX, &pid) ||
	    !number_of(keeper, "pid_start", &ret_keeper->start) ||
	    !number_up_to(keeper, "file", INT32_MAX, &file))
		return false;
	ret_keeper->pid = (int32_t)pid;
	ret_keeper->fd = (int32_t)file - 1;
	return true;
}

/* Not there: it is not. */
static bool stopped_from_json(struct json_object *doc, struct uc_stopped *ret_stopped)
{
	struct json_object *stopped;
	uint64_t queues;
	uint64_t depth;
	uint64_t max_io_size;

	if (!json_object_object_get_ex(doc, "stopped", &stopped))
		return true;
	if (!json_object_is_type(stopped, json_type_object) ||
	    !number_up_to(stopped, "queues", UBLK_MAX_NR_QUEUES, &queues) || !queues ||
	    !number_up_to(stopped, "depth", UBLK_MAX_QUEUE_DEPTH, &depth) || !depth ||
	    !number_up_to(stopped, "max_io_size", UINT32_MAX, &max_io_size) ||
	    !number_of(stopped, "flags", &ret_stopped->flags))
		return false;
	ret_stopped->queues = (uint16_t)queues;
	ret_stopped->depth = (uint16_t)depth;
	ret_stopped->max_io_size = (uint32_t)max_io_size;
	ret_stopped->is = true;
	return true;
}

/* Not there: it is not. */
static bool resizing_from_json(struct json_object *doc, struct uc_resizing *ret_resizing)
{
	struct json_object *resizing;

	if (!json_object_object_get_ex(doc, "resizing", &resizing))
		return true;
	return json_object_is_type(resizing, json_type_object) &&
	       number_of(resizing, "from", &ret_resizing->from) &&
	       text_into(resizing, "option", ret_resizing->option, sizeof(ret_resizing->option));
}

/* What a new handler needs. */
static bool handler_from_json(struct json_object *doc, struct uc_record *r)
{
	struct json_object *options;
	const char *cpus = text_of(doc, "cpus");
	uint64_t threads;
	uint64_t logical_bs;
	uint64_t physical_bs;

	if (!number_up_to(doc, "threads", UC_MAX_THREADS, &threads) || !threads ||
	    !number_up_to(doc, "logical_block_size", UINT32_MAX, &logical_bs) ||
	    !number_up_to(doc, "physical_block_size", UINT32_MAX, &physical_bs) ||
	    !truth_of(doc, "read_only", &r->read_only) || !truth_of(doc, "respawn", &r->respawn) ||
	    !truth_of(doc, "recovering", &r->recovering) ||
	    !text_into(doc, "shared_memory", r->shared_memory, sizeof(r->shared_memory)) ||
	    !json_object_object_get_ex(doc, "options", &options) ||
	    !json_object_is_type(options, json_type_object) ||
	    (size_t)snprintf(r->options, sizeof(r->options), "%s",
			     json_object_to_json_string_ext(options, JSON_C_TO_STRING_PLAIN)) >=
		    sizeof(r->options))
		return false;
	r->threads = (uint16_t)threads;
	r->logical_bs = (uint32_t)logical_bs;
	r->physical_bs = (uint32_t)physical_bs;
	if (!cpus || (*cpus && uc_cpus_parse(cpus, "cpus", &r->cpus, NULL) < 0))
		return false;
	return keeper_from_json(doc, &r->keeper) && stopped_from_json(doc, &r->stopped) &&
	       resizing_from_json(doc, &r->resizing);
}

static bool hex_of(struct json_object *doc, const char *key, uint64_t *ret_number)
{
	const char *text = text_of(doc, key);
	char *end;

	if (!text || !*text)
		return false;
	*ret_number = strtoull(text, &end, 16);
	return !*end;
}

/* Not there: it is not known. */
static bool identity_from_json(struct json_object *doc, struct uc_identity *ret_identity)
{
	struct json_object *identity;

	if (!json_object_object_get_ex(doc, "identity", &identity))
		return true;
	ret_identity->known = json_object_is_type(identity, json_type_object) &&
			      truth_of(identity, "disk", &ret_identity->is_disk) &&
			      hex_of(identity, "device", &ret_identity->device) &&
			      hex_of(identity, "inode", &ret_identity->inode) &&
			      hex_of(identity, "generation", &ret_identity->generation);
	return ret_identity->known;
}

static bool from_json(struct json_object *doc, struct uc_record *ret_record)
{
	const char *target = text_of(doc, "target");
	const char *backing = text_of(doc, "backing");
	const char *path = text_of(doc, "data_path");
	uint64_t version;
	uint64_t id;
	uint64_t pid;

	if (!target || !backing || !path || !number_of(doc, "schema_version", &version) ||
	    version != SCHEMA_VERSION || !number_of(doc, "id", &id) || id > UINT32_MAX ||
	    !number_of(doc, "pid", &pid) || pid > INT32_MAX ||
	    !number_of(doc, "pid_start", &ret_record->pid_start) ||
	    !truth_of(doc, "data_path_asked", &ret_record->path_asked) ||
	    !text_into(doc, "name", ret_record->name, sizeof(ret_record->name)) ||
	    !hex_of(doc, "cookie", &ret_record->cookie) ||
	    !identity_from_json(doc, &ret_record->identity) || !handler_from_json(doc, ret_record))
		return false;
	ret_record->id = (uint32_t)id;
	ret_record->pid = (int32_t)pid;
	snprintf(ret_record->target, sizeof(ret_record->target), "%s", target);
	snprintf(ret_record->backing, sizeof(ret_record->backing), "%s", backing);
	snprintf(ret_record->path, sizeof(ret_record->path), "%s", path);
	return true;
}

/* As it is, and not only in part: a text that was cut is no JSON any more, or another. */
static bool can_be_read(struct json_object *doc)
{
	uc_auto_json struct json_object *again = NULL;
	struct uc_record record = {0};

	if (!from_json(doc, &record))
		return false;
	again = to_json(&record);
	return json_object_equal(doc, again);
}

/*
 * The new text goes to a second file, which then changes places with the record. It stays, so that
 * a full file system keeps nobody from saying what has become of a device.
 */
static int replace_file(const char *path, const char *spare, const char *text)
{
	int ret = write_file(spare, text);
	struct stat st;

	if (ret < 0)
		return ret;
	if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	    renameat2(AT_FDCWD, spare, AT_FDCWD, path, RENAME_EXCHANGE) == 0)
		return 0;
	if (rename(spare, path) < 0)
		return -errno;
	/* The first one. Without a spare the next just needs room. */
	(void)write_file(spare, text);
	return 0;
}

int uc_record_write(const struct uc_host *host, const struct uc_lock *lock,
		    const struct uc_record *record, struct uc_error *err)
{
	uc_auto_json struct json_object *doc = to_json(record);
	char spare[512];
	char path[512];
	int ret;

	if (!can_be_read(doc))
		return uc_fail(err, UC_FAILED, EINVAL,
			       "the record of device %u could not be read back: its options are "
			       "too long, or not UTF-8",
			       record->id);
	if (uc_lock_id(lock) != record->id)
		return uc_fail(err, UC_FAILED, EINVAL,
			       "the record of device %u is not ours to write", record->id);
	snprintf(path, sizeof(path), "%s/%u.json", host->run_dir, record->id);
	snprintf(spare, sizeof(spare), "%s/.%u.json.spare", host->run_dir, record->id);
	ret = replace_file(path, spare,
			   json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PRETTY));
	return ret < 0 ? uc_fail_errno(err, -ret, "%s: cannot write the record", path) : 0;
}

bool uc_record_is_file(const char *name, uint32_t *ret_id)
{
	unsigned long id;
	char *end;

	if (!isdigit((unsigned char)name[0]))
		return false;
	errno = 0;
	id = strtoul(name, &end, 10);
	if (errno || id > UINT32_MAX || strcmp(end, ".json") != 0)
		return false;
	*ret_id = (uint32_t)id;
	return true;
}

int uc_record_load(const struct uc_host *host, uint32_t id, struct uc_record *ret_record)
{
	uc_auto_json struct json_object *doc = NULL;
	struct uc_record record = {0};
	char path[512];
	int errnum;

	if (!*host->run_dir)
		return -ENOENT;
	snprintf(path, sizeof(path), "%s/%u.json", host->run_dir, id);
	doc = parse_file(path, &errnum);
	if (!doc)
		return -errnum;
	if (!from_json(doc, &record))
		return -EINVAL;
	*ret_record = record;
	return 0;
}

int uc_record_read(const struct uc_host *host, const struct ublksrv_ctrl_dev_info *info,
		   struct uc_record *ret_record)
{
	const bool of_user = info->flags & UBLK_F_UNPRIVILEGED_DEV;
	struct uc_record record = {0};
	int ret;

	/*
	 * Root knows nothing of users' devices: whoever makes one chooses its cookie, and it may be
	 * that of a record which a device of root's has left behind.
	 */
	if (of_user != host->unprivileged)
		return -ENOENT;
	ret = uc_record_load(host, info->dev_id, &record);
	if (ret < 0)
		return ret;
	if (record.id != info->dev_id || record.cookie != info->ublksrv_flags)
		return -ESTALE;
	*ret_record = record;
	return 0;
}

int uc_record_set_size(struct uc_record *record, const char *option, uint64_t bytes)
{
	uc_auto_json struct json_object *options = json_tokener_parse(record->options);
	const char *text;
	char number[32];

	snprintf(number, sizeof(number), "%" PRIu64, bytes);
	json_object_object_add(options, option, json_object_new_string(number));
	text = json_object_to_json_string_ext(options, JSON_C_TO_STRING_PLAIN);
	if (strlen(text) >= sizeof(record->options))
		return -E2BIG;
	snprintf(record->options, sizeof(record->options), "%s", text);
	return 0;
}

int uc_record_remove(const struct uc_host *host, const struct uc_lock *lock, struct uc_error *err)
{
	const uint32_t id = uc_lock_id(lock);
	char path[512];
	int ret = 0;

	if (!*host->run_dir)
		return 0;
	snprintf(path, sizeof(path), "%s/%u.json", host->run_dir, id);
	if (unlink(path) < 0 && errno != ENOENT)
		ret = uc_fail_errno(err, errno, "%s cannot be removed", path);
	/* What else there is tells of nothing without it, and gc removes it, too. */
	snprintf(path, sizeof(path), "%s/.%u.json.spare", host->run_dir, id);
	(void)unlink(path);
	uc_stats_remove(host, id);
	return ret;
}
