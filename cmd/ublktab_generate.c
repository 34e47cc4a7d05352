/* SPDX-License-Identifier: MIT */
/*
 * ublktab generate: what systemd's generator ublkctl-generator does, see systemd.generator(7). Each
 * line is an instance of the unit ublkctl@.service; written here is what that waits for, and who
 * waits for it. A line that is broken is told of and left out, so that it harms no other.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "ublktab.h"
#include "unit.h"

struct generator {
	const struct uc_host *host;
	const struct tab *tab;
	const char *dir;
	bool initrd; /* this is an initramfs */
};

/* What is said of one line, with the names that it is known by. */
struct names {
	char service[UNIT_NAME_MAX];
	char device[UNIT_NAME_MAX];   /* that it makes */
	char blockdev[UNIT_NAME_MAX]; /* reached when that is ready */
};

static int find_names(const char *name, struct names *ret, struct uc_error *err)
{
	char path[sizeof("/dev/ublk/by-name/") + UC_NAME_MAX];

	snprintf(ret->service, sizeof(ret->service), "ublkctl@%s.service", name);
	snprintf(path, sizeof(path), "/dev/ublk/by-name/%s", name);
	if (unit_of_path("", path, "device", ret->device) == 0 &&
	    unit_of_path("blockdev@", path, "target", ret->blockdev) == 0)
		return 0;
	return uc_fail(err, UC_FAILED, ENAMETOOLONG,
		       "%s: systemd has no room for a name with so many dashes", name);
}

/* DIR/SUB/FILE, with the directory SUB. */
static int make_path(const struct generator *g, const char *sub, const char *file,
		     char ret[PATH_MAX], struct uc_error *err)
{
	snprintf(ret, PATH_MAX, "%s/%s", g->dir, sub);
	if (mkdir(ret, 0755) < 0 && errno != EEXIST)
		return uc_fail_errno(err, errno, "%s", ret);
	snprintf(ret, PATH_MAX, "%s/%s/%s", g->dir, sub, file);
	return 0;
}

/* `unit` is pulled in by `by`: how is "wants" or "requires". */
static int pull_in(const struct generator *g, const char *unit, const char *by, const char *how,
		   const char *file, struct uc_error *err)
{
	char sub[UNIT_NAME_MAX + 16];
	char path[PATH_MAX];
	char target[PATH_MAX];
	int ret;

	snprintf(sub, sizeof(sub), "%s.%s", by, how);
	snprintf(target, sizeof(target), "%s/%s", UBLKCTL_UNITS, file);
	ret = make_path(g, sub, unit, path, err);
	if (ret == 0 && symlink(target, path) < 0 && errno != EEXIST)
		ret = uc_fail_errno(err, errno, "%s", path);
	return ret;
}

/* What has to be there before. The file may be reached by links, which systemd does not follow. */
static int write_source(FILE *file, const struct tab_line *line, struct uc_error *err)
{
	char device[UNIT_NAME_MAX];

	if (!*line->source)
		return 0;
	if (!unit_is_device(line->source)) {
		fputs("After=systemd-remount-fs.service\nRequiresMountsFor= ", file);
		unit_write_path(file, line->source, true);
		fputc(' ', file);
		unit_write_path(file, line->add.serve.backing, true);
		fputc('\n', file);
		return 0;
	}
	if (unit_of_path("", line->source, "device", device) < 0)
		return uc_fail(err, UC_FAILED, ENAMETOOLONG, "%s: systemd has no room for %s",
			       line->name, line->source);
	fprintf(file, "Requires=%s\nAfter=%s\n", device, device);
	return 0;
}

/*
 * All that is mounted comes after local-fs-pre.target and goes before it, also what nobody has
 * told systemd of. What lies on something mounted cannot be before that.
 */
static void write_place(FILE *file, const struct generator *g, const struct tab_line *line)
{
	const bool below = !unit_is_device(line->source) && *line->source &&
			   (unit_is_below_mount(g->host, line->source) ||
			    unit_is_below_mount(g->host, line->add.serve.backing));

	if (line->netdev)
		fputs("Wants=network-online.target\n"
		      "After=network-online.target remote-fs-pre.target\n",
		      file);
	else if (!below)
		fputs("Wants=local-fs-pre.target\nBefore=local-fs-pre.target\n", file);
}

static const char *target_of(const struct tab_line *line)
{
	return line->netdev ? "remote-ublk.target" : "ublk.target";
}

static int write_ordering(const struct generator *g, const struct tab_line *line,
			  const struct names *names, FILE *file, struct uc_error *err)
{
	fprintf(file, "# Written by ublkctl-generator from line %u of %s\n[Unit]\nSourcePath=%s\n",
		line->number, g->tab->path, g->tab->path);
	/* What an initramfs has made is under the root file system, and stays to the end. */
	if (!line->initrd_attach)
		fputs("Conflicts=umount.target\nBefore=umount.target\n", file);
	fprintf(file, "Wants=%s\nBefore=%s\n", names->blockdev, names->blockdev);
	if (!line->noauto && !line->nofail)
		fprintf(file, "Before=%s\n", target_of(line));
	write_place(file, g, line);
	return write_source(file, line, err);
}

static int write_drop_in(const struct generator *g, const struct tab_line *line,
			 const struct names *names, struct uc_error *err)
{
	char sub[UNIT_NAME_MAX + 16];
	char path[PATH_MAX];
	FILE *file;
	int ret;

	snprintf(sub, sizeof(sub), "%s.d", names->service);
	ret = make_path(g, sub, "50-ublktab.conf", path, err);
	if (ret < 0)
		return ret;
	file = fopen(path, "we");
	if (!file)
		return uc_fail_errno(err, errno, "%s", path);
	ret = write_ordering(g, line, names, file, err);
	if (fflush(file) < 0 && ret == 0)
		ret = uc_fail_errno(err, errno, "%s", path);
	fclose(file);
	return ret;
}

/* At boot by its target, and whenever somebody waits for its device, as a mount of fstab does. */
static int generate_line(const struct generator *g, const struct tab_line *line,
			 struct uc_error *err)
{
	const char *target = target_of(line);
	struct names names;
	int ret = find_names(line->name, &names, err);

	if (ret == 0)
		ret = write_drop_in(g, line, &names, err);
	if (ret == 0)
		ret = pull_in(g, names.service, names.device, "requires", "ublkctl@.service", err);
	if (ret < 0 || line->noauto)
		return ret;
	ret = pull_in(g, names.service, target, line->nofail ? "wants" : "requires",
		      "ublkctl@.service", err);
	if (ret == 0)
		ret = pull_in(g, target, line->netdev ? "multi-user.target" : "sysinit.target",
			      "wants", target, err);
	return ret;
}

static void generate_all(const struct generator *g)
{
	struct uc_error err;

	for (size_t i = 0; i < g->tab->nr_errors; i++) {
		(void)tab_fail(g->tab, &g->tab->errors[i], &err);
		print_problem("%s; this line is left out", err.text);
	}
	for (size_t i = 0; i < g->tab->nr_lines; i++) {
		const struct tab_line *line = &g->tab->lines[i];

		if (line->broken || (g->initrd && !line->initrd_attach))
			continue;
		if (generate_line(g, line, &err) < 0)
			print_problem("%s", err.text);
	}
}

static int generate_run(const struct uc_host *host, const struct ublktab *ublktab,
			struct uc_error *err)
{
	auto_tab struct tab tab = {0};
	char release[PATH_MAX];
	struct generator g = {.host = host, .tab = &tab, .dir = ublktab->operands[1]};
	const int ret = tab_read(host, ublktab->file, &tab, err);

	if (ret < 0)
		return ret == -ENOENT ? 0 : ret;
	snprintf(release, sizeof(release), "%s/etc/initrd-release", host->root ? host->root : "");
	g.initrd = access(release, F_OK) == 0;
	generate_all(&g);
	return 0;
}

const struct ublktab_verb ublktab_generate_verb = {
	.name = "generate",
	.operands = "NORMAL EARLY LATE",
	.nr_operands = 3,
	.run = generate_run,
};
