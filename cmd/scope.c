/* SPDX-License-Identifier: MIT */
#include "scope.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "unit.h"

/* Says to the program that systemd-run executes that it is there: the process has the same pid. */
#define MARK "UBLKCTL_SCOPE_OF"

#define MAX_WORDS 32 /* of systemd-run's command line, before ours */

struct words {
	const char **argv;
	size_t count;
};

static void put(struct words *w, const char *word)
{
	w->argv[w->count++] = word;
}

static void put_property(struct words *w, const char *property)
{
	put(w, "-p");
	put(w, property);
}

static bool is_there(void)
{
	const char *mark = getenv(MARK);
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	return mark && strcmp(mark, pid) == 0;
}

static bool has_systemd(const struct uc_host *host)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/run/systemd/system", host->root ? host->root : "");
	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* What it lies on need not be mounted before anything else is, and is unmounted last. */
static bool is_on_root(const char *file)
{
	struct stat st;
	struct stat root;

	return !file || stat(file, &st) < 0 || S_ISBLK(st.st_mode) ||
	       (stat("/", &root) == 0 && st.st_dev == root.st_dev);
}

/* Ended after all that is mounted, as the unit of a line of ublktab; see ublktab_generate.c. */
static void put_system(struct words *w, const struct add *add, const char *mounts)
{
	put_property(w, "DefaultDependencies=no");
	put_property(w, "IgnoreOnIsolate=yes");
	put_property(w, "Conflicts=umount.target");
	put_property(w, "Before=umount.target");
	if (is_on_root(add->serve.backing))
		put_property(w, "Before=local-fs-pre.target");
	if (mounts)
		put_property(w, mounts);
}

static int no_memory(struct uc_error *err)
{
	return uc_fail_errno(err, ENOMEM, "--unit");
}

static char *mounts_for(const char *path)
{
	char *property = NULL;
	size_t size;
	FILE *file = open_memstream(&property, &size);

	if (!file)
		return NULL;
	fputs("RequiresMountsFor=", file);
	unit_write_path(file, path, false);
	if (fclose(file) == 0)
		return property;
	free(property);
	return NULL;
}

static int run(const struct uc_host *host, const struct add *add, const char *self, int argc,
	       const char **argv, struct uc_error *err)
{
	const char *name = add->name ? add->name : "";
	uc_auto_free char *mounts = NULL;
	char unit[UC_NAME_MAX + 64];
	char timeout[16];
	struct words w = {.argv = calloc(MAX_WORDS + (size_t)argc + 1, sizeof(*w.argv))};

	if (!w.argv)
		return no_memory(err);
	if (add->serve.backing && !unit_is_device(add->serve.backing)) {
		mounts = mounts_for(add->serve.backing);
		if (!mounts) {
			free(w.argv);
			return no_memory(err);
		}
	}
	snprintf(unit, sizeof(unit), "--unit=ublkctl-%s%s%d.scope", name, *name ? "-" : "",
		 getpid());
	snprintf(timeout, sizeof(timeout), "%u", (host->timeout_ms + 999) / 1000);
	put(&w, "systemd-run");
	put(&w, "--scope");
	put(&w, "--quiet");
	put(&w, "--collect");
	put(&w, unit);
	if (host->unprivileged)
		put(&w, "--user");
	else
		put_system(&w, add, mounts);
	put(&w, "--");
	put(&w, self);
	put(&w, "--timeout");
	put(&w, timeout);
	put(&w, "add");
	for (int i = 1; i < argc; i++)
		put(&w, argv[i]);
	execvp(w.argv[0], (char *const *)(uintptr_t)w.argv);
	free(w.argv);
	return uc_fail(err, UC_FAILED, errno,
		       "--unit: systemd-run cannot be started (%s); leave --unit out, or install "
		       "systemd",
		       uc_errno_text(errno));
}

int scope_enter(const struct uc_host *host, const struct add *add, int argc, const char **argv,
		struct uc_error *err)
{
	char self[PATH_MAX];
	char pid[16];
	ssize_t len;

	if (is_there())
		return unsetenv(MARK);
	if (!has_systemd(host))
		return uc_fail(err, UC_FAILED, ENOSYS,
			       "--unit: this system was not booted with systemd; leave it out");
	len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (len < 0)
		return uc_fail_errno(err, errno, "/proc/self/exe");
	self[len] = '\0';
	snprintf(pid, sizeof(pid), "%d", getpid());
	if (setenv(MARK, pid, 1) < 0)
		return no_memory(err);
	return run(host, add, self, argc, argv, err);
}
