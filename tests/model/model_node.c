/* SPDX-License-Identifier: MIT */
/* What is seen of the model's devices: nodes in root/dev and attributes in root/sys. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "model_priv.h"

#define CHAR_MAJOR  240
#define BLOCK_MAJOR 259

static int make_file(int dir, const char *path, uint64_t size)
{
	uc_auto_close int fd = openat(dir, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return -errno;
	return 0;
}

static int make_dir(const char *path)
{
	return mkdirat(model_root_fd(), path, 0755) < 0 ? -errno : 0;
}

int model_node_root(const char *root)
{
	static const char *const dirs[] = {
		"",
		"/dev",
		"/sys",
		"/sys/class",
		"/sys/class/ublk-char",
		"/sys/block",
		"/run",
		"/sys/devices",
		"/sys/devices/system",
		"/sys/devices/system/cpu",
	};
	char path[MODEL_PATH];
	int ret;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", root, dirs[i]);
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return -errno;
	}
	snprintf(path, sizeof(path), "%s/dev/ublk-control", root);
	ret = make_file(AT_FDCWD, path, 0);
	return ret == -EEXIST ? 0 : ret;
}

static void remove_tree(int at, const char *path)
{
	uc_auto_dir DIR *dir = NULL;
	struct dirent *entry;
	int fd;

	if (unlinkat(at, path, 0) == 0)
		return;
	fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	while (dir && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			remove_tree(fd, entry->d_name);
	unlinkat(at, path, AT_REMOVEDIR);
}

void model_node_remove_root(void)
{
	static const char *const parts[] = {"dev", "sys", "run", "model.state"};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		remove_tree(model_root_fd(), parts[i]);
}

/* "dev/ublkc0" and so on, below root. */
struct name {
	char path[64];
};

static struct name name_of(const char *prefix, const struct model_dev *dev, const char *suffix)
{
	struct name name;

	snprintf(name.path, sizeof(name.path), "%s%u%s", prefix, dev->info.dev_id, suffix);
	return name;
}

static struct name char_node(const struct model_dev *dev)
{
	return name_of("dev/ublkc", dev, "");
}

static struct name block_node(const struct model_dev *dev)
{
	return name_of("dev/ublkb", dev, "");
}

static struct name char_class(const struct model_dev *dev, const char *suffix)
{
	return name_of("sys/class/ublk-char/ublkc", dev, suffix);
}

static struct name block_sys(const struct model_dev *dev, const char *suffix)
{
	return name_of("sys/block/ublkb", dev, suffix);
}

/* Writes a sysfs attribute. Failures show as an attribute that is missing. */
static void attr(struct name dir, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void attr(struct name dir, const char *name, const char *fmt, ...)
{
	uc_auto_close int fd = -1;
	char path[128];
	va_list args;

	snprintf(path, sizeof(path), "%s/%s", dir.path, name);
	fd = openat(model_root_fd(), path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return;
	va_start(args, fmt);
	vdprintf(fd, fmt, args);
	va_end(args);
	dprintf(fd, "\n");
}

void model_node_cpus(unsigned count)
{
	attr((struct name){"sys/devices/system/cpu"}, "possible", count > 1 ? "0-%u" : "%u",
	     count - 1);
}

int model_node_add_char(struct model_dev *dev)
{
	const struct name node = char_node(dev);
	const uint64_t size = dev->info.nr_hw_queues * model_desc_stride(dev);
	struct stat st;
	int ret = make_file(model_root_fd(), node.path, size);

	if (ret < 0)
		return ret;
	if (fstatat(model_root_fd(), node.path, &st, 0) < 0)
		return -errno;
	dev->ino = st.st_ino;
	dev->st_dev = st.st_dev;
	ret = make_dir(char_class(dev, "").path);
	if (ret == 0)
		attr(char_class(dev, ""), "dev", "%d:%u", CHAR_MAJOR, dev->info.dev_id);
	return ret;
}

void model_node_remove_char(const struct model_dev *dev)
{
	remove_tree(model_root_fd(), char_class(dev, "").path);
	unlinkat(model_root_fd(), char_node(dev).path, 0);
}

static void queue_attrs(struct name dir, const struct model_dev *dev)
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
	const struct name dir = block_sys(dev, "");
	int ret = make_dir(dir.path);

	if (ret == 0)
		ret = make_dir(block_sys(dev, "/holders").path);
	if (ret == 0)
		ret = make_dir(block_sys(dev, "/queue").path);
	if (ret < 0)
		return ret;
	attr(dir, "size", "%llu", (unsigned long long)dev->params.basic.dev_sectors);
	attr(dir, "ro", "%d", (dev->params.basic.attrs & UBLK_ATTR_READ_ONLY) != 0);
	attr(dir, "dev", "%d:%u", BLOCK_MAJOR, dev->info.dev_id);
	queue_attrs(block_sys(dev, "/queue"), dev);
	return 0;
}

int model_node_add_block(const struct model_dev *dev)
{
	const int ret = add_block_attrs(dev);

	if (ret < 0)
		return ret;
	return make_file(model_root_fd(), block_node(dev).path, dev->params.basic.dev_sectors << 9);
}

void model_node_remove_block(const struct model_dev *dev)
{
	unlinkat(model_root_fd(), block_node(dev).path, 0);
	remove_tree(model_root_fd(), block_sys(dev, "").path);
}

int model_node_resize(const struct model_dev *dev)
{
	const uint64_t sectors = dev->params.basic.dev_sectors;
	uc_auto_close int fd = openat(model_root_fd(), block_node(dev).path, O_RDWR | O_CLOEXEC);

	attr(block_sys(dev, ""), "size", "%llu", (unsigned long long)sectors);
	return fd < 0 || ftruncate(fd, (off_t)(sectors << 9)) < 0 ? -errno : 0;
}

bool model_node_is_held(const struct model_dev *dev)
{
	uc_auto_close int fd = openat(model_root_fd(), block_sys(dev, "/holders").path,
				      O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uc_auto_dir DIR *dir = fd < 0 ? NULL : fdopendir(dup(fd));
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			return true;
	return false;
}
