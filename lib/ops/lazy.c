/* SPDX-License-Identifier: MIT */
/* The end of a device that is in use: when that is over. */
#include "lazy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "inuse.h"
#include "isolate.h"
#include "lifecycle.h"
#include "log.h"

/* How often its users are looked for: nothing tells that the last one goes. */
#define LOOK_MS 500

static void remove_node(const struct uc_host *host, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", host->dev_dir, name);
	if (unlink(path) < 0 && errno != ENOENT)
		uc_log(LOG_WARNING, "%s is not removed: %s", path, uc_errno_text(errno));
}

/* The kernel takes it well that they are gone already when it removes them. */
static void remove_nodes(const struct uc_host *host, uint32_t id)
{
	uc_auto_dir DIR *dir = NULL;
	const struct dirent *entry;
	char path[PATH_MAX];
	char disk[32];

	snprintf(disk, sizeof(disk), "ublkb%u", id);
	snprintf(path, sizeof(path), "%s/block/%s", host->sys_dir, disk);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (strncmp(entry->d_name, disk, strlen(disk)) == 0)
			remove_node(host, entry->d_name);
	remove_node(host, disk);
}

static bool is_there(const struct uc_host *host, const struct uc_device *device)
{
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	struct ublksrv_ctrl_dev_info info = {0};
	struct uc_error err = {0};
	int ret = uc_ctrl_open(host, &ctrl, &err);

	if (ret == 0)
		ret = uc_ctrl_get_dev_info(ctrl, device->info.dev_id, &info, &err);
	/* What cannot be told now may be told later. */
	if (ret < 0)
		return ret != -ENODEV && err.code != UC_NO_DRIVER;
	return info.ublksrv_flags == device->info.ublksrv_flags;
}

static _Noreturn void wait_and_delete(const struct uc_host *host, struct uc_device *device,
				      int node)
{
	const struct uc_ref ref = uc_device_ref_of(device);
	struct uc_error err = {0};

	/* A claim is seen by opening it, which a child of ours does, and this needs no name. */
	snprintf(device->node, sizeof(device->node), "/proc/%d/fd/%d", getpid(), node);
	for (;;) {
		uc_sleep_ms(LOOK_MS);
		if (!is_there(host, device))
			_exit(0);
		if (uc_inuse_look(host, device, NULL) < 0)
			continue;
		if (uc_del(host, &ref, false, &err) == 0)
			_exit(0);
		if (err.code == UC_BUSY)
			continue;
		uc_log(LOG_ERR, "device %u: del --lazy: %s", ref.id, err.text);
		_exit(1);
	}
}

/* What the caller has open may be the device itself. Returns the number that `fd` has then. */
static int keep_only(int fd)
{
	if (fd > 3)
		fd = dup3(fd, 3, O_CLOEXEC);
	(void)close_range(fd < 0 ? 3 : 4, ~0U, 0);
	return fd;
}

int uc_lazy_start(const struct uc_host *host, const struct uc_device *device, struct uc_error *err)
{
	/* Not opened, or it would be a user. */
	uc_auto_close int node = open(device->node, O_PATH | O_CLOEXEC);
	struct uc_device mine = *device;
	struct uc_host later = *host;
	pid_t pid;

	/* Each of its looks has a time of its own. */
	later.deadline = 0;
	pid = fork();
	if (pid < 0)
		return uc_fail_errno(err, errno, "cannot start a process that waits for the end");
	if (pid == 0) {
		(void)uc_isolate_stdio(NULL);
		node = keep_only(node);
		(void)!chdir("/");
		uc_log_to_syslog();
		wait_and_delete(&later, &mine, node);
	}
	if (!uc_inuse_needs_node(host, device))
		remove_nodes(host, device->info.dev_id);
	return 0;
}
