/* SPDX-License-Identifier: MIT */
#include "udev.h"

#include <errno.h>
#include <libudev.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

#include "machine.h"
#include "node.h"
#include "progress.h"

/* How often it is looked: what udev has done it tells in its own files. */
#define LOOK_MS 5

static bool is_done(struct udev_device *device, uint64_t since_ns)
{
	const uint64_t age_us = udev_device_get_usec_since_initialized(device);

	return udev_device_get_is_initialized(device) > 0 && age_us &&
	       age_us <= (uc_now() - since_ns) / 1000;
}

/* The disk and its partitions. One that is gone needs nothing any more. */
static bool all_are_done(struct udev *udev, const char *disk, uint64_t since_ns)
{
	struct udev_device *parent = udev_device_new_from_subsystem_sysname(udev, "block", disk);
	struct udev_enumerate *all = udev_enumerate_new(udev);
	struct udev_list_entry *entry;
	bool done = true;

	if (parent && all && udev_enumerate_add_match_parent(all, parent) >= 0 &&
	    udev_enumerate_add_match_subsystem(all, "block") >= 0 &&
	    udev_enumerate_scan_devices(all) >= 0)
		udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(all))
		{
			struct udev_device *device =
				udev_device_new_from_syspath(udev, udev_list_entry_get_name(entry));

			done = done && (!device || is_done(device, since_ns));
			udev_device_unref(device);
		}
	udev_enumerate_unref(all);
	udev_device_unref(parent);
	return done;
}

/* In a container there may be none that would know of it. */
static bool has_udev(const struct uc_host *host, uint32_t id)
{
	struct stat st;
	char path[128];

	uc_node_block_path(host, id, path, sizeof(path));
	return uc_machine_has(host, "/run/udev/control") && stat(path, &st) == 0 &&
	       S_ISBLK(st.st_mode);
}

int uc_udev_await(const struct uc_host *host, uint32_t id, uint64_t since_ns, int signal_fd)
{
	struct pollfd signal = {.fd = signal_fd, .events = POLLIN};
	const uint64_t deadline = uc_host_deadline(host);
	uc_auto_progress struct uc_progress progress;
	struct udev *udev;
	char disk[32];
	int ret = 0;

	if (!has_udev(host, id))
		return 0;
	udev = udev_new();
	if (!udev)
		return -ENOMEM;
	snprintf(disk, sizeof(disk), "ublkb%u", id);
	uc_progress_begin(&progress, deadline, "waiting for udev to be done with %s", disk);
	while (ret == 0 && !all_are_done(udev, disk, since_ns)) {
		if (uc_left_ms(deadline) == 0)
			ret = -ETIMEDOUT;
		else if (uc_progress_poll(&signal, 1, LOOK_MS) > 0)
			ret = -EINTR;
	}
	udev_unref(udev);
	return ret;
}
