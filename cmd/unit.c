/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"

/* One character of a path in a unit's name; `first` of it all, and not of a directory. */
static int put(char *at, size_t room, char c, bool first)
{
	if (c == '/')
		return snprintf(at, room, "-");
	if (isalnum((unsigned char)c) || c == ':' || c == '_' || (c == '.' && !first))
		return snprintf(at, room, "%c", c);
	return snprintf(at, room, "\\x%02x", (unsigned char)c);
}

int unit_of_path(const char *prefix, const char *path, const char *suffix, char ret[UNIT_NAME_MAX])
{
	size_t used = (size_t)snprintf(ret, UNIT_NAME_MAX, "%s", prefix);
	const size_t begin = used;

	for (const char *p = path; *p && used < UNIT_NAME_MAX; p++) {
		/* Neither at an end nor twice. */
		if (*p == '/' && (used == begin || p[1] == '/' || !p[1]))
			continue;
		used += (size_t)put(ret + used, UNIT_NAME_MAX - used, *p, used == begin);
	}
	if (used == begin && used < UNIT_NAME_MAX)
		used += (size_t)snprintf(ret + used, UNIT_NAME_MAX - used, "-");
	if (used < UNIT_NAME_MAX)
		used += (size_t)snprintf(ret + used, UNIT_NAME_MAX - used, ".%s", suffix);
	return used < UNIT_NAME_MAX ? 0 : -ENAMETOOLONG;
}

void unit_write_path(FILE *file, const char *path, bool in_unit_file)
{
	fputc('"', file);
	for (; *path; path++) {
		if (*path == '"' || *path == '\\')
			fputc('\\', file);
		if (*path == '%' && in_unit_file)
			fputc('%', file);
		fputc(*path, file);
	}
	fputc('"', file);
}

bool unit_is_device(const char *path)
{
	return strncmp(path, "/dev/", 5) == 0 && strncmp(path, "/dev/shm/", 9) != 0;
}

static bool is_below(const char *path, const char *dir)
{
	const size_t len = strlen(dir);

	return len > 1 && strncmp(path, dir, len) == 0 && path[len] == '/';
}

static bool is_in_fstab(const char *root, const char *path)
{
	char fstab[PATH_MAX];
	const struct mntent *entry;
	bool found = false;
	FILE *file;

	snprintf(fstab, sizeof(fstab), "%s/etc/fstab", root);
	file = setmntent(fstab, "re");
	while (file && !found && (entry = getmntent(file)))
		found = is_below(path, entry->mnt_dir);
	if (file)
		endmntent(file);
	return found;
}

/* In whatever directory systemd may have it. */
static bool is_there(const char *root, const char *unit)
{
	static const char *const dirs[] = {"/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"};

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s%s/systemd/system/%s", root, dirs[i], unit);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

bool unit_is_below_mount(const struct uc_host *host, const char *path)
{
	const char *root = host->root ? host->root : "";
	uc_auto_free char *dir = strdup(path);
	char unit[UNIT_NAME_MAX];
	char *end;

	if (is_in_fstab(root, path))
		return true;
	while (dir && (end = strrchr(dir, '/')) && end != dir) {
		*end = '\0';
		if (unit_of_path("", dir, "mount", unit) == 0 && is_there(root, unit))
			return true;
	}
	return false;
}
