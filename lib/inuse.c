/* SPDX-License-Identifier: MIT */
#include "inuse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "bounded.h"
#include "cleanup.h"
#include "kernel_users.h"
#include "mounts.h"
#include "proc.h"
#include "progress.h"

/* How long an opener may need to look at a new device and go. */
#define PASSING_OPENER_MS 3000
#define LOOK_MS           20
/* How long opening the node may take. */
#define CLAIM_MS 1000
/* errno of a use that may be over in a moment, and of one that will be. */
#define MAY_PASS  EAGAIN
#define WILL_PASS EINPROGRESS

/* The block node of the device or of one of its partitions. */
struct node {
	char name[64]; /* ublkb0, ublkb0p1 */
	dev_t rdev;
};

static bool read_dev(const struct uc_host *host, const char *disk, const char *dir,
		     struct node *ret_node)
{
	uc_auto_file FILE *file = NULL;
	char path[PATH_MAX];
	unsigned maj;
	unsigned min;

	snprintf(path, sizeof(path), "%s/block/%s/%s/dev", host->sys_dir, disk, dir);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%u:%u", &maj, &min) != 2)
		return false;
	ret_node->rdev = makedev(maj, min);
	return true;
}

/* The name that people have for a device-mapper or md device: "dm-0 (vg-root)". */
static void name_holder(const struct uc_host *host, const char *holder, char *buf, size_t size)
{
	uc_auto_file FILE *file = NULL;
	char path[PATH_MAX];
	char name[128];

	snprintf(path, sizeof(path), "%s/block/%s/dm/name", host->sys_dir, holder);
	file = fopen(path, "re");
	if (file && fscanf(file, "%127s", name) == 1)
		snprintf(buf, size, "%s (%s)", holder, name);
	else
		snprintf(buf, size, "%s", holder);
}

/* Something stacked on top: device mapper, md, a bcache set. */
static int check_holders(const struct uc_host *host, const char *disk, const char *dir,
			 const struct uc_device *d, struct uc_error *err)
{
	uc_auto_dir DIR *holders = NULL;
	const struct dirent *entry;
	char path[PATH_MAX];
	char name[512];

	snprintf(path, sizeof(path), "%s/block/%s/%s/holders", host->sys_dir, disk, dir);
	holders = opendir(path);
	while (holders && (entry = readdir(holders))) {
		if (entry->d_name[0] == '.')
			continue;
		name_holder(host, entry->d_name, name, sizeof(name));
		return uc_fail(err, UC_BUSY, EBUSY,
			       "%s is in use: held by %s; remove that first, or use --force",
			       d->node, name);
	}
	return 0;
}

/* A kernel loop device on top opens its file without claiming it, and not as a process. */
static int check_loops(const struct uc_host *host, dev_t rdev, const struct uc_device *d,
		       struct uc_error *err)
{
	const struct stat node = {.st_mode = S_IFBLK, .st_rdev = rdev};
	char loop[64];

	if (!uc_kernel_loop(host->sys_dir, &node, loop, sizeof(loop)))
		return 0;
	return uc_fail(err, UC_BUSY, EBUSY,
		       "%s is in use: /dev/%s lies on it; detach that first, or use --force",
		       d->node, loop);
}

static int check_mounts(dev_t rdev, const struct uc_device *d, struct uc_error *err)
{
	struct uc_mount mount;
	char name[64];

	if (!uc_mount_find(rdev, &mount))
		return 0;
	if (!mount.pid)
		return uc_fail(err, UC_BUSY, EBUSY,
			       "%s is in use: mounted on %s; unmount it, or use --force", d->node,
			       mount.where);
	uc_proc_name(mount.pid, name, sizeof(name));
	return uc_fail(err, UC_BUSY, EBUSY,
		       "%s is in use: mounted on %s by process %d (%s), in another mount "
		       "namespace; unmount it there, or use --force",
		       d->node, mount.where, mount.pid, name);
}

static int check_swap(dev_t rdev, const struct uc_device *d, struct uc_error *err)
{
	const struct stat node = {.st_mode = S_IFBLK, .st_rdev = rdev};
	char path[PATH_MAX];

	if (!uc_kernel_swap(&node, path))
		return 0;
	return uc_fail(err, UC_BUSY, EBUSY,
		       "%s is in use: used as swap; swapoff %s, or use --force", d->node, path);
}

/* udev, or what it runs, looks at each device that is new or has changed. */
static bool is_udev(pid_t pid)
{
	char name[64];

	for (int i = 0; i < 2 && pid > 1; i++, pid = uc_proc_parent(pid)) {
		uc_proc_name(pid, name, sizeof(name));
		if (strcmp(name, "(udev-worker)") == 0 || strcmp(name, "systemd-udevd") == 0)
			return true;
	}
	return false;
}

static int check_openers(dev_t rdev, const struct uc_device *d, struct uc_error *err)
{
	/* The server's own look at its device does not count. */
	const struct stat node = {.st_mode = S_IFBLK, .st_rdev = rdev};
	pid_t pid = uc_proc_find_opener(&node, d->info.ublksrv_pid);
	char name[64];

	if (!pid)
		return 0;
	uc_proc_name(pid, name, sizeof(name));
	return uc_fail(err, UC_BUSY, is_udev(pid) ? WILL_PASS : MAY_PASS,
		       "%s is in use: opened by process %d (%s); close it, or use --force", d->node,
		       pid, name);
}

static int check_node(const struct uc_host *host, const char *disk, const char *dir,
		      const struct uc_device *d, struct uc_error *err)
{
	struct node node;
	int ret;

	if (!read_dev(host, disk, dir, &node))
		return 0;
	ret = check_mounts(node.rdev, d, err);
	if (ret == 0)
		ret = check_swap(node.rdev, d, err);
	if (ret == 0)
		ret = check_holders(host, disk, dir, d, err);
	if (ret == 0)
		ret = check_loops(host, node.rdev, d, err);
	if (ret == 0)
		ret = check_openers(node.rdev, d, err);
	return ret;
}

static int work_claim(void *ctx, void *ret, struct uc_error *err)
{
	uc_auto_close int fd = open(ctx, O_RDONLY | O_EXCL | O_CLOEXEC | O_NONBLOCK);

	(void)ret;
	(void)err;
	return fd < 0 && errno == EBUSY ? -EBUSY : 0;
}

/*
 * Claimed in ways that leave no other trace here: by a process that cannot be seen, say. Opening
 * waits for whoever is about to close, and who does that may wait for a server that there is not.
 */
static int check_claim(const struct uc_host *host, const struct uc_device *d, struct uc_error *err)
{
	const unsigned left = uc_host_left_ms(host);
	char path[sizeof(d->node)];
	int ret;

	snprintf(path, sizeof(path), "%s", d->node);
	ret = uc_bounded(work_claim, path, NULL, 0, left < CLAIM_MS ? left : CLAIM_MS,
			 "opening the node", NULL);
	if (ret == -EBUSY)
		return uc_fail(err, UC_BUSY, EBUSY,
			       "%s is in use: claimed by the kernel, or by what cannot be seen "
			       "from here; release it, or use --force",
			       d->node);
	if (ret == -ETIMEDOUT)
		return uc_fail(err, UC_BUSY, EBUSY,
			       "%s is in use: it does not open, since who closes it waits for an "
			       "answer of its server; see 'ublkctl recover', or use --force",
			       d->node);
	return 0;
}

/* Who opens the node once more to give it up: swapoff, vgchange -an. */
static int check_return(const struct uc_host *host, const char *disk, const char *dir,
			const struct uc_device *d, struct uc_error *err)
{
	struct node node;
	int ret;

	if (!read_dev(host, disk, dir, &node))
		return 0;
	ret = check_swap(node.rdev, d, err);
	return ret == 0 ? check_holders(host, disk, dir, d, err) : ret;
}

typedef int check_fn(const struct uc_host *host, const char *disk, const char *dir,
		     const struct uc_device *d, struct uc_error *err);

/* The disk itself, and each of its partitions. */
static int check_nodes(const struct uc_host *host, const struct uc_device *d, check_fn *check,
		       struct uc_error *err)
{
	uc_auto_dir DIR *dir = NULL;
	const struct dirent *entry;
	char path[PATH_MAX];
	char disk[32];
	int ret;

	snprintf(disk, sizeof(disk), "ublkb%u", d->info.dev_id);
	snprintf(path, sizeof(path), "%s/block/%s", host->sys_dir, disk);
	ret = check(host, disk, ".", d, err);
	dir = opendir(path);
	while (ret == 0 && dir && (entry = readdir(dir)))
		if (strncmp(entry->d_name, disk, strlen(disk)) == 0)
			ret = check(host, disk, entry->d_name, d, err);
	return ret;
}

static int look(const struct uc_host *host, const struct uc_device *d, struct uc_error *err)
{
	int ret = check_nodes(host, d, check_node, err);

	return ret == 0 ? check_claim(host, d, err) : ret;
}

int uc_inuse_check(const struct uc_host *host, const struct uc_device *device, struct uc_error *err)
{
	const unsigned left = uc_host_left_ms(host);
	const unsigned passing = left / 2 < PASSING_OPENER_MS ? left / 2 : PASSING_OPENER_MS;
	const uint64_t deadlines[] = {uc_deadline(passing), uc_deadline(left - left / 4)};
	uc_auto_progress struct uc_progress progress;
	int ret;

	uc_progress_begin(&progress, deadlines[1], "waiting for who has just opened %s",
			  device->node);
	if (!device->has_node)
		return 0;
	for (;;) {
		ret = look(host, device, err);
		if ((ret != -MAY_PASS && ret != -WILL_PASS) ||
		    uc_left_ms(deadlines[ret == -WILL_PASS]) == 0)
			break;
		uc_progress_tick();
		uc_sleep_ms(LOOK_MS);
	}
	return ret == 0 ? 0 : -EBUSY;
}

int uc_inuse_look(const struct uc_host *host, const struct uc_device *device, struct uc_error *err)
{
	return device->has_node && look(host, device, err) < 0 ? -EBUSY : 0;
}

bool uc_inuse_needs_node(const struct uc_host *host, const struct uc_device *device)
{
	return device->has_node && check_nodes(host, device, check_return, NULL) < 0;
}
