/* SPDX-License-Identifier: MIT */
/* ublktab add: the line for a device that there is. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "describe.h"
#include "escape.h"
#include "lock.h"
#include "select.h"
#include "ublktab.h"

/* --- the line --- */

static void print_option(FILE *out, bool *first, const char *name, struct json_object *value)
{
	const bool is_flag = json_object_is_type(value, json_type_boolean);

	if (is_flag && !json_object_get_boolean(value))
		return;
	fprintf(out, "%s%s", *first ? "" : ",", name);
	*first = false;
	if (!is_flag) {
		putc('=', out);
		escape_print(out, json_object_get_string(value));
	}
}

/* Only what is not so by itself. */
static void print_options(FILE *out, const struct uc_device *d)
{
	uc_auto_json struct json_object *of_target = json_tokener_parse(d->record.options);
	uc_auto_json struct json_object *is = describe_device(d);
	uc_auto_json struct json_object *usual = NULL;
	struct add add;
	bool first = true;

	add_init(&add);
	usual = describe_spec(&add.serve.spec);
	add_free(&add);
	json_object_object_foreach(of_target, target_option, target_value)
	{
		print_option(out, &first, target_option, target_value);
	}
	json_object_object_foreach(is, option, value)
	{
		if (!json_object_equal(value, json_object_object_get(usual, option)))
			print_option(out, &first, option, value);
	}
	if (first)
		putc('-', out);
}

static char *format_line(const struct uc_device *d, const char *name)
{
	const struct uc_record *r = &d->record;
	char *line = NULL;
	size_t size;
	FILE *out = open_memstream(&line, &size);

	if (!out)
		return NULL;
	fprintf(out, "%s %s ", name, r->target);
	escape_print(out, r->backing[0] ? r->backing : "-");
	putc(' ', out);
	print_options(out, d);
	return fclose(out) == 0 ? line : NULL;
}

/* What cannot be said in a line is found by reading it. */
static int check_line(const char *line, uint32_t id, struct uc_error *err)
{
	auto_tab struct tab tab = {0};
	int ret = tab_parse_line(&tab, 1, line, strlen(line));

	if (ret == 0 && tab.nr_errors)
		return uc_fail(err, UC_FAILED, EINVAL,
			       "device %u cannot be described in a line: %.300s", id,
			       tab.errors[0].text);
	return ret < 0 ? uc_fail_errno(err, -ret, "ublktab") : 0;
}

/* --- the file --- */

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		const ssize_t n = write(fd, text, len);

		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

static int copy(int from, int to)
{
	char buf[65536];
	char last = '\n';
	ssize_t n;

	while ((n = read(from, buf, sizeof(buf))) > 0) {
		const int ret = write_all(to, buf, (size_t)n);

		if (ret < 0)
			return ret;
		last = buf[n - 1];
	}
	if (n < 0)
		return -errno;
	return last == '\n' ? 0 : write_all(to, "\n", 1);
}

/* The old text, then the line. `old` is -1 if there is no file yet. */
static int fill(int fd, int old, const char *line)
{
	static const char head[] = "# Devices that shall be there; see ublktab(5).\n"
				   "# NAME TARGET SOURCE OPTIONS\n";
	struct stat st = {.st_mode = 0644};
	int ret;

	if (old >= 0 && (fstat(old, &st) < 0 || fchown(fd, st.st_uid, st.st_gid) < 0))
		return -errno;
	if (fchmod(fd, st.st_mode & 07777) < 0)
		return -errno;
	ret = old >= 0 ? copy(old, fd) : write_all(fd, head, strlen(head));
	if (ret == 0)
		ret = write_all(fd, line, strlen(line));
	if (ret == 0)
		ret = write_all(fd, "\n", 1);
	return ret == 0 && fsync(fd) < 0 ? -errno : ret;
}

/* A reader, and who boots after a crash, sees the old file or the new one. */
static int replace(const char *path, const char *line)
{
	uc_auto_close int old = open(path, O_RDONLY | O_CLOEXEC);
	uc_auto_free char *temp = NULL;
	uc_auto_close int fd = -1;
	int ret;

	if (old < 0 && errno != ENOENT)
		return -errno;
	if (asprintf(&temp, "%s.XXXXXX", path) < 0) {
		temp = NULL;
		return -ENOMEM;
	}
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = fill(fd, old, line);
	if (ret == 0 && rename(temp, path) < 0)
		ret = -errno;
	if (ret < 0)
		(void)unlink(temp);
	return ret;
}

/* A link stays one. */
static int append(const char *path, const char *line, struct uc_error *err)
{
	uc_auto_free char *real = realpath(path, NULL);
	const int ret = replace(real ? real : path, line);

	return ret < 0 ? uc_fail_errno(err, -ret, "%s cannot be written", path) : 0;
}

/* --- the verb --- */

static int find_device(const struct uc_host *host, const char *text, struct uc_device *ret_device,
		       struct uc_error *err)
{
	auto_selection struct selection selection = {.host = host};
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	int ret = select_text(&selection, text, err);

	if (ret == 0)
		ret = uc_ctrl_open(host, &ctrl, err);
	if (ret == 0)
		ret = uc_device_get(host, ctrl, selection.ids[0], ret_device, err);
	if (ret == 0 && ret_device->record_state != UC_RECORD_OK)
		return uc_fail(err, UC_FAILED, ENOENT,
			       "there is no record of device %u, so what is behind it is not known",
			       selection.ids[0]);
	return ret;
}

static int choose_name(const struct ublktab *ublktab, const struct uc_device *d,
		       const struct tab *tab, const char **ret_name, struct uc_error *err)
{
	const char *name = ublktab->name ? ublktab->name : d->record.name;
	const struct tab_line *line = tab_find(tab, name);

	if (!*name)
		return uc_fail(err, UC_USAGE, EINVAL, "device %u has no name: say --name NAME",
			       d->info.dev_id);
	if (line)
		return uc_fail(err, UC_DIFFERS, EEXIST,
			       "%s:%u: there is a line '%s' already; edit it, or choose another "
			       "name",
			       tab->path, line->number, name);
	*ret_name = name;
	return 0;
}

/* A device keeps the name that it was made with, and `up` goes by that. */
static void tell_of_name(const struct uc_device *d, const char *name)
{
	if (strcmp(d->record.name, name) != 0)
		print_problem("ublktab: device %u itself is not called %s: 'ublkctl up %s' can "
			      "make that when this one is deleted",
			      d->info.dev_id, name, name);
}

static int add_line(const struct uc_host *host, const struct ublktab *ublktab,
		    const struct uc_device *d, struct uc_error *err)
{
	auto_tab struct tab tab = {0};
	uc_auto_free char *line = NULL;
	const char *name = "";
	int ret = tab_read(host, ublktab->file, &tab, err);

	if (ret == 0 || ret == -ENOENT)
		ret = choose_name(ublktab, d, &tab, &name, err);
	if (ret < 0)
		return ret;
	line = format_line(d, name);
	if (!line)
		return uc_fail_errno(err, ENOMEM, "ublktab");
	ret = check_line(line, d->info.dev_id, err);
	if (ret < 0)
		return ret;
	if (ublktab->dry_run)
		puts(line);
	else
		ret = append(tab.path, line, err);
	if (ret == 0)
		tell_of_name(d, name);
	return ret;
}

static int add_run(const struct uc_host *host, const struct ublktab *ublktab, struct uc_error *err)
{
	uc_auto_close int lock_fd = -1;
	struct uc_device device = {0};
	int ret = find_device(host, ublktab->operands[1], &device, err);

	/* Of two that add a line at a time, each finds the other's. */
	if (ret == 0)
		ret = uc_lock_names(host, &lock_fd, err);
	return ret == 0 ? add_line(host, ublktab, &device, err) : ret;
}

const struct ublktab_verb ublktab_add_verb = {
	.name = "add",
	.operands = "DEVICE",
	.nr_operands = 1,
	.writes = true,
	.run = add_run,
};
