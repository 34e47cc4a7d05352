/* SPDX-License-Identifier: MIT */
/* Who we are: root, or a plain user with a runtime directory of their own. */
#include "host.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "error.h"

/* The initial user namespace: PROC_USER_INIT_INO of the kernel, which never changes. */
#define INITIAL_USER_NS 0xEFFFFFFDU

/* What the driver asks for: CAP_SYS_ADMIN, and not one that a container's namespace gave. */
static bool is_admin(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
	struct stat ns;

	if (syscall(SYS_capget, &header, data) < 0 ||
	    !(data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective & CAP_TO_MASK(CAP_SYS_ADMIN)))
		return false;
	/* Without /proc we can only believe it. */
	return stat("/proc/self/ns/user", &ns) < 0 || ns.st_ino == INITIAL_USER_NS;
}

/* Whether it is what XDG_RUNTIME_DIR has to be: absolute, ours, and nobody else's. */
static int check_dir(const char *dir, struct uc_error *err)
{
	struct stat st;

	if (dir[0] != '/')
		return uc_fail(err, UC_FAILED, EINVAL,
			       "XDG_RUNTIME_DIR: '%.100s' is no absolute path; set it to a "
			       "directory that only you have access to",
			       dir);
	if (stat(dir, &st) < 0)
		return uc_fail_errno(err, errno, "XDG_RUNTIME_DIR: %.200s", dir);
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077))
		return uc_fail(
			err, UC_FAILED, EPERM,
			"XDG_RUNTIME_DIR: %.200s is not a directory of yours with mode 0700; "
			"set it to one",
			dir);
	return 0;
}

static int find(const char *xdg, char *dir, size_t size, struct uc_error *err)
{
	int ret;

	if (xdg && *xdg) {
		ret = check_dir(xdg, err);
		snprintf(dir, size, "%s/ublkctl", xdg);
		return ret;
	}
	snprintf(dir, size, "/run/user/%u", geteuid());
	if (check_dir(dir, NULL) < 0)
		return uc_fail(err, UC_FAILED, ENOENT,
			       "there is no place for the record: set XDG_RUNTIME_DIR to a "
			       "directory that only you have access to");
	snprintf(dir, size, "/run/user/%u/ublkctl", geteuid());
	return 0;
}

void uc_host_find_run_dir(struct uc_host *host, const char *xdg)
{
	static char dir[PATH_MAX];
	static struct uc_error err;

	/* A container's root has its directory, as the machine's has. */
	if (!host->unprivileged || (geteuid() == 0 && !(xdg && *xdg)))
		return;
	host->run_dir = find(xdg, dir, sizeof(dir), &err) < 0 ? "" : dir;
	host->no_run_dir = err.text;
}

void uc_host_of_user(struct uc_host *host, const char *xdg)
{
	host->unprivileged = !is_admin();
	uc_host_find_run_dir(host, xdg);
}
