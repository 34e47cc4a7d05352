/* SPDX-License-Identifier: MIT */
/* What is seen of the model's devices: nodes in root/dev and attributes in root/sys. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "model_priv.h"

#define CHAR_MAJOR  240
#define BLOCK_MAJOR 259

static int make_file(const char *path, uint64_t size)
{
	uc_auto_close int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return -errno;
	return 0;
}

int model_node_root(const char *root)
{
	static const char *const dirs[] = {
		"", "/dev", "/sys", "/sys/class", "/sys/class/ublk-char", "/sys/block", "/run",
	};
	char path[MODEL_PATH];
	int ret;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", root, dirs[i]);
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return -errno;
	}
	snprintf(path, sizeof(path), "%s/dev/ublk-control", root);
	ret = make_file(path, 0);
	return ret == -EEXIST ? 0 : ret;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	remove(path);
	return 0;
}

static void remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void model_node_remove_root(void)
{
	static const char *const parts[] = {"dev", "sys", "run", "model.state"};
	char path[MODEL_PATH];

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		model_path(path, "%s", parts[i]);
		remove_tree(path);
	}
	/* Only if nothing of others is in there. */
	model_path(path, "%s", "");
	rmdir(path);
}

/* Writes a sysfs attribute. Failures show as an attribute that is missing. */
static void attr(const char *dir, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void attr(const char *dir, const char *name, const char *fmt, ...)
{
	uc_auto_file FILE *file = NULL;
	char path[MODEL_PATH + 64];
	va_list args;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "we");
	if (!file)
		return;
	va_start(args, fmt);
	vfprintf(file, fmt, args);
	va_end(args);
	fputc('\n', file);
}

int model_node_add_char(struct model_dev *dev)
{
	const uint32_t id = dev->info.dev_id;
	char path[MODEL_PATH];
	struct stat st;
	int ret;

	model_path(path, "dev/ublkc%u", id);
	ret = make_file(path, dev->info.nr_hw_queues * model_desc_stride(dev));
	if (ret < 0)
		return ret;
	if (stat(path, &st) < 0)
		return -errno;
	dev->ino = st.st_ino;
	dev->st_dev = st.st_dev;
	model_path(path, "sys/class/ublk-char/ublkc%u", id);
	if (mkdir(path, 0755) < 0)
		return -errno;
	attr(path, "dev", "%d:%u", CHAR_MAJOR, id);
	return 0;
}

void model_node_remove_char(const struct model_dev *dev)
{
	char path[MODEL_PATH];

	model_path(path, "sys/class/ublk-char/ublkc%u", dev->info.dev_id);
	remove_tree(path);
	model_path(path, "dev/ublkc%u", dev->info.dev_id);
	unlink(path);
}

static void queue_attrs(const char *dir, const struct model_dev *dev)
{
	const struct ublk_param_basic *basic = &dev->params.basic;
	const struct ublk_param_discard *discard = &dev->params.discard;
	const bool cache = basic->attrs & UBLK_ATTR_VOLATILE_CACHE;
	const bool fua = cache && (basic->attrs & UBLK_ATTR_FUA);

	attr(dir, "logical_block_size", "%u", 1U << basic->logical_bs_shift);
	attr(dir, "physical_block_size", "%u", 1U << basic->physical_bs_shift);
	attr(dir, "hw_sector_size", "%u", 1U << basic->logical_bs_shift);
	attr(dir, "minimum_io_size", "%u", 1U << basic->io_min_shift);
	attr(dir, "optimal_io_size", "%u", 1U << basic->io_opt_shift);
	attr(dir, "max_hw_sectors_kb", "%u", basic->max_sectors / 2);
	attr(dir, "rotational", "%d", (basic->attrs & UBLK_ATTR_ROTATIONAL) != 0);
	attr(dir, "write_cache", "%s", cache ? "write back" : "write through");
	attr(dir, "fua", "%d", fua);
	attr(dir, "discard_granularity", "%u", discard->discard_granularity);
	attr(dir, "discard_max_bytes", "%llu",
	     (unsigned long long)discard->max_discard_sectors << 9);
	attr(dir, "write_zeroes_max_bytes", "%llu",
	     (unsigned long long)discard->max_write_zeroes_sectors << 9);
}

static int add_block_attrs(const struct model_dev *dev)
{
	const uint32_t id = dev->info.dev_id;
	char dir[MODEL_PATH];
	char sub[MODEL_PATH];

	model_path(dir, "sys/block/ublkb%u", id);
	model_path(sub, "sys/block/ublkb%u/holders", id);
	if (mkdir(dir, 0755) < 0 || mkdir(sub, 0755) < 0)
		return -errno;
	model_path(sub, "sys/block/ublkb%u/queue", id);
	if (mkdir(sub, 0755) < 0)
		return -errno;
	attr(dir, "size", "%llu", (unsigned long long)dev->params.basic.dev_sectors);
	attr(dir, "ro", "%d", (dev->params.basic.attrs & UBLK_ATTR_READ_ONLY) != 0);
	attr(dir, "dev", "%d:%u", BLOCK_MAJOR, id);
	queue_attrs(sub, dev);
	return 0;
}

int model_node_add_block(const struct model_dev *dev)
{
	char path[MODEL_PATH];
	int ret = add_block_attrs(dev);

	if (ret < 0)
		return ret;
	model_path(path, "dev/ublkb%u", dev->info.dev_id);
	return make_file(path, dev->params.basic.dev_sectors << 9);
}

void model_node_remove_block(const struct model_dev *dev)
{
	char path[MODEL_PATH];

	model_path(path, "dev/ublkb%u", dev->info.dev_id);
	unlink(path);
	model_path(path, "sys/block/ublkb%u", dev->info.dev_id);
	remove_tree(path);
}

int model_node_resize(const struct model_dev *dev)
{
	const uint64_t sectors = dev->params.basic.dev_sectors;
	char path[MODEL_PATH];

	model_path(path, "sys/block/ublkb%u", dev->info.dev_id);
	attr(path, "size", "%llu", (unsigned long long)sectors);
	model_path(path, "dev/ublkb%u", dev->info.dev_id);
	return truncate(path, (off_t)(sectors << 9)) < 0 ? -errno : 0;
}
