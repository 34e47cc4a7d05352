/* SPDX-License-Identifier: MIT */
#include "machine.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <zlib.h>

#define MODULE "ublk_drv"

static void path_of(const struct uc_host *host, const char *path, char *buf)
{
	snprintf(buf, PATH_MAX, "%s%s", host->root ? host->root : "", path);
}

bool uc_machine_has(const struct uc_host *host, const char *path)
{
	char whole[PATH_MAX];

	path_of(host, path, whole);
	return access(whole, F_OK) == 0;
}

/* The first line that has `part`, at its beginning if so said; compressed or not. */
static bool find_line(const char *path, const char *part, bool at_begin, char *line, int size)
{
	gzFile file = gzopen(path, "re");
	bool found = false;

	while (file && !found && gzgets(file, line, size)) {
		const char *at = strstr(line, part);

		found = at && (!at_begin || at == line);
	}
	if (file)
		gzclose(file);
	return found;
}

static bool read_line(const char *path, const char *begin, char *buf, size_t size)
{
	char line[8192];
	char *value = line + strlen(begin);

	if (!find_line(path, begin, true, line, sizeof(line)))
		return false;
	value += strspn(value, " \t");
	value[strcspn(value, "\n")] = '\0';
	snprintf(buf, size, "%s", value);
	return true;
}

bool uc_machine_line(const struct uc_host *host, const char *path, const char *begin, char *buf,
		     size_t size)
{
	char whole[PATH_MAX];

	path_of(host, path, whole);
	return read_line(whole, begin, buf, size);
}

bool uc_machine_mentions(const struct uc_host *host, const char *path, const char *part)
{
	char line[8192];
	char whole[PATH_MAX];

	path_of(host, path, whole);
	return find_line(whole, part, false, line, sizeof(line));
}

bool uc_machine_sysfs(const struct uc_host *host, const char *path, char *buf, size_t size)
{
	char whole[PATH_MAX];

	snprintf(whole, sizeof(whole), "%s/%s", host->sys_dir, path);
	return read_line(whole, "", buf, size);
}

unsigned uc_machine_cpus(const struct uc_host *host)
{
	char list[4096];
	const char *last = list;

	if (!uc_machine_sysfs(host, "devices/system/cpu/possible", list, sizeof(list)))
		return 0;
	/* Such as 0-3 or 0,2-5. */
	for (const char *c = list; *c; c++)
		if (*c == '-' || *c == ',')
			last = c + 1;
	return (unsigned)strtoul(last, NULL, 10) + 1;
}

long uc_machine_number(const struct uc_host *host, const char *path, long otherwise)
{
	char text[32];
	char *end;
	long number;

	if (!uc_machine_line(host, path, "", text, sizeof(text)))
		return otherwise;
	number = strtol(text, &end, 10);
	return end == text ? otherwise : number;
}

void uc_machine_release(const struct uc_host *host, char *buf, size_t size)
{
	struct utsname uts;

	if (uc_machine_line(host, "/proc/sys/kernel/osrelease", "", buf, size))
		return;
	uname(&uts);
	snprintf(buf, size, "%s", uts.release);
}

bool uc_machine_capable(const struct uc_host *host, int capability)
{
	char text[32];

	if (!uc_machine_line(host, "/proc/self/status", "CapEff:", text, sizeof(text)))
		return true;
	return (strtoull(text, NULL, 16) >> capability) & 1;
}

bool uc_machine_in_userns(const struct uc_host *host)
{
	char text[64];
	uint64_t first;
	uint64_t outside;
	uint64_t count;

	return uc_machine_line(host, "/proc/self/uid_map", "", text, sizeof(text)) &&
	       sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64, &first, &outside, &count) == 3 &&
	       (first != 0 || outside != 0 || count != UINT32_MAX);
}

bool uc_machine_has_seccomp(const struct uc_host *host)
{
	char text[16];

	return uc_machine_line(host, "/proc/self/status", "Seccomp:", text, sizeof(text)) &&
	       strcmp(text, "0") != 0;
}

const char *uc_machine_container(const struct uc_host *host, char *buf, size_t size)
{
	if (uc_machine_has(host, "/run/.containerenv"))
		return "podman";
	if (uc_machine_has(host, "/.dockerenv"))
		return "docker";
	/* systemd writes its $container there, for whoever may not read that. */
	return uc_machine_line(host, "/run/systemd/container", "", buf, size) ? buf : NULL;
}

/* What the kernel's configuration says of the driver: 'y', 'm', 'n', or 0 if there is none. */
static char configured(const struct uc_host *host, const char *release)
{
	static const char *const files[] = {"/proc/config.gz", "/boot/config-%s",
					    "/lib/modules/%s/config"};
	char line[256];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char path[PATH_MAX];
		char whole[PATH_MAX];

		snprintf(path, sizeof(path), files[i], release);
		path_of(host, path, whole);
		if (!uc_machine_has(host, path))
			continue;
		if (!find_line(whole, "CONFIG_BLK_DEV_UBLK=", true, line, sizeof(line)))
			return 'n';
		return line[strlen("CONFIG_BLK_DEV_UBLK=")];
	}
	return 0;
}

/* Looks the driver up in a list of modules, and says its file's path from there. */
static bool listed(const struct uc_host *host, const char *release, const char *list,
		   char *ret_path)
{
	char line[8192];
	char path[PATH_MAX];
	char whole[PATH_MAX];

	snprintf(path, sizeof(path), "/lib/modules/%s/%s", release, list);
	path_of(host, path, whole);
	if (!find_line(whole, "/" MODULE ".ko", false, line, sizeof(line)))
		return false;
	line[strcspn(line, ":\n")] = '\0';
	snprintf(ret_path, PATH_MAX, "/lib/modules/%s/%.2048s", release, line);
	return true;
}

enum uc_driver uc_machine_driver(const struct uc_host *host)
{
	char release[128];
	char path[PATH_MAX];
	char said;

	if (uc_machine_sysfs(host, "class/misc/ublk-control/dev", path, sizeof(path)))
		return UC_DRIVER_LOADED;
	uc_machine_release(host, release, sizeof(release));
	if (listed(host, release, "modules.builtin", path))
		return UC_DRIVER_BUILTIN;
	if (listed(host, release, "modules.dep", path))
		return uc_machine_has(host, path) ? UC_DRIVER_MODULE : UC_DRIVER_LOST;
	said = configured(host, release);
	if (said == 'y')
		return UC_DRIVER_BUILTIN;
	if (said == 'm')
		return UC_DRIVER_LOST;
	snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", release);
	return said == 'n' || uc_machine_has(host, path) ? UC_DRIVER_OFF : UC_DRIVER_UNKNOWN;
}
