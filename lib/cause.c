/* SPDX-License-Identifier: MIT */
#include "cause.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "machine.h"
#include "proc.h"

#define SEE_UNPRIVILEGED  "see ublkctl-unprivileged(7)"
#define IO_URING_DISABLED "/proc/sys/kernel/io_uring_disabled"

void uc_cause_text(struct uc_cause *cause, enum uc_code code, const char *fmt, ...)
{
	va_list ap;

	*cause = (struct uc_cause){.code = code};
	va_start(ap, fmt);
	vsnprintf(cause->text, sizeof(cause->text), fmt, ap);
	va_end(ap);
}

void uc_cause_remedy(struct uc_cause *cause, const char *fmt, ...)
{
	size_t used = 0;
	va_list ap;

	if (geteuid() != 0)
		used = (size_t)snprintf(cause->remedy, sizeof(cause->remedy), "sudo ");
	va_start(ap, fmt);
	vsnprintf(cause->remedy + used, sizeof(cause->remedy) - used, fmt, ap);
	va_end(ap);
}

void uc_cause_advice(struct uc_cause *cause, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cause->advice, sizeof(cause->advice), fmt, ap);
	va_end(ap);
}

int uc_fail_cause(struct uc_error *err, const struct uc_cause *cause)
{
	const int errnum = cause->errnum;
	const bool has_remedy = cause->remedy[0];
	const bool has_advice = cause->advice[0];

	return uc_fail(err, cause->code, errnum ? errnum : EPERM, "%s%s%s%s%s%s%s%s%s", cause->text,
		       errnum ? " (" : "", errnum ? uc_errno_text(errnum) : "", errnum ? ")" : "",
		       has_remedy ? "; run '" : "", cause->remedy, has_remedy ? "'" : "",
		       has_advice ? (has_remedy ? ", and " : "; ") : "", cause->advice);
}

/* --- permissions --- */

bool uc_cause_not_root(const struct uc_host *host, const char *what, struct uc_cause *ret_cause)
{
	if (geteuid() != 0) {
		uc_cause_text(ret_cause, UC_PERMISSION, "%s: user %u is not root", what, geteuid());
		uc_cause_remedy(ret_cause, "-s");
		uc_cause_advice(ret_cause, "do it as root there, or " SEE_UNPRIVILEGED);
		return true;
	}
	if (uc_machine_in_userns(host)) {
		uc_cause_text(ret_cause, UC_PERMISSION, "%s: this is root of a user namespace only",
			      what);
		uc_cause_advice(ret_cause, "run it outside of the (rootless) container");
		return true;
	}
	if (!uc_machine_capable(host, CAP_SYS_ADMIN)) {
		uc_cause_text(ret_cause, UC_PERMISSION, "%s: this process lacks CAP_SYS_ADMIN",
			      what);
		uc_cause_advice(ret_cause, "run it with that, in a container by --cap-add");
		return true;
	}
	if (host->unprivileged) {
		uc_cause_text(ret_cause, UC_PERMISSION, "%s: this is a plain user to it", what);
		uc_cause_advice(ret_cause, "run as root, or " SEE_UNPRIVILEGED);
		return true;
	}
	return false;
}

/* What keeps root from opening a node. */
static void cause_denied(const struct uc_host *host, const char *path, struct uc_cause *cause)
{
	struct stat st;

	if (stat(path, &st) == 0 && st.st_uid == 0 && (st.st_mode & 0600) != 0600) {
		uc_cause_text(cause, UC_PERMISSION, "%s has mode %04o", path, st.st_mode & 07777U);
		uc_cause_remedy(cause, "chmod 600 %s", path);
	} else if (stat(path, &st) == 0 && st.st_uid != 0) {
		uc_cause_text(cause, UC_PERMISSION, "%s belongs to user %u", path, st.st_uid);
		uc_cause_remedy(cause, "chown root: %s", path);
	} else {
		char buf[32];
		const bool contained = uc_machine_container(host, buf, sizeof(buf));

		uc_cause_text(cause, UC_PERMISSION, "%s may not be opened here", path);
		uc_cause_advice(cause, contained ? "give the container this device (--device)"
						 : "see the device rules of its cgroup or of a "
						   "security module (SELinux, AppArmor)");
	}
}

void uc_cause_open(const struct uc_host *host, const char *path, int errnum,
		   struct uc_cause *ret_cause)
{
	struct stat st;
	char name[64];
	pid_t pid;

	switch (errnum) {
	case EACCES:
	case EPERM:
		if (!uc_cause_not_root(host, path, ret_cause))
			cause_denied(host, path, ret_cause);
		break;
	case EBUSY:
		pid = stat(path, &st) == 0 ? uc_proc_find_opener(&st, getpid()) : 0;
		uc_proc_name(pid, name, sizeof(name));
		if (pid)
			uc_cause_text(ret_cause, UC_BUSY, "%s is held by process %d (%s)", path,
				      pid, name);
		else
			uc_cause_text(ret_cause, UC_BUSY, "%s is held by another process", path);
		uc_cause_advice(ret_cause, "try again when that is gone");
		break;
	default:
		uc_cause_text(ret_cause, UC_FAILED, "%s cannot be opened", path);
		break;
	}
	ret_cause->errnum = errnum;
}

int uc_fail_open(struct uc_error *err, const struct uc_host *host, const char *path, int errnum)
{
	struct uc_cause cause;

	if (errnum != EACCES && errnum != EPERM && errnum != EBUSY)
		return uc_fail_errno(err, errnum, "%s cannot be opened", path);
	uc_cause_open(host, path, errnum, &cause);
	return uc_fail_cause(err, &cause);
}

int uc_fail_file(struct uc_error *err, const char *file, int errnum)
{
	if (errnum != EACCES && errnum != EPERM)
		return uc_fail_errno(err, errnum, "%s", file);
	return uc_fail(err, UC_PERMISSION, errnum, "%s: %s; %s", file, uc_errno_text(errnum),
		       geteuid() ? "change its mode or owner, or run as root"
				 : "it may be immutable (see lsattr), or be on a server that does "
				   "not obey root");
}

/* --- io_uring --- */

static void cause_io_uring_off(const struct uc_host *host, struct uc_cause *cause)
{
	const long disabled = uc_machine_number(host, IO_URING_DISABLED, 0);

	if (disabled == 2)
		uc_cause_text(cause, UC_PERMISSION,
			      "io_uring is switched off (kernel.io_uring_disabled is 2)");
	else
		uc_cause_text(
			cause, UC_PERMISSION,
			"io_uring is for root and group %ld only (kernel.io_uring_disabled is "
			"%ld)",
			uc_machine_number(host, "/proc/sys/kernel/io_uring_group", -1), disabled);
	uc_cause_remedy(cause, "sysctl kernel.io_uring_disabled=0");
}

void uc_cause_io_uring(const struct uc_host *host, int errnum, struct uc_cause *ret_cause)
{
	const bool filtered = uc_machine_has_seccomp(host);

	if (errnum == EPERM && uc_machine_number(host, IO_URING_DISABLED, 0)) {
		cause_io_uring_off(host, ret_cause);
	} else if (errnum == EPERM || (errnum == ENOSYS && filtered)) {
		uc_cause_text(ret_cause, UC_PERMISSION, "io_uring is forbidden by a %s",
			      filtered ? "seccomp filter" : "security module");
		uc_cause_advice(ret_cause, filtered ? "let the container's profile allow "
						      "io_uring_setup, _enter and _register"
						    : "see its rules for io_uring");
	} else if (errnum == ENOSYS) {
		uc_cause_text(ret_cause, UC_NO_DRIVER, "this kernel has no io_uring");
		uc_cause_advice(ret_cause, "boot one with CONFIG_IO_URING");
	} else {
		uc_cause_text(ret_cause, UC_FAILED, "no io_uring can be made");
		if (errnum == ENOMEM)
			uc_cause_advice(ret_cause, "free memory, or raise 'ulimit -l'");
	}
	ret_cause->errnum = errnum;
}

/* --- what the driver says --- */

bool uc_cause_ublks_max(const struct uc_host *host, size_t count, struct uc_cause *ret_cause)
{
	static const char file[] = "module/ublk_drv/parameters/ublks_max";
	const char *quote = geteuid() ? "\"" : "";
	char text[32];
	size_t max;

	if (!uc_machine_sysfs(host, file, text, sizeof(text)))
		return false;
	max = strtoul(text, NULL, 10);
	if (count < max)
		return false;
	uc_cause_text(ret_cause, UC_PERMISSION,
		      "the driver's limit ublks_max is %zu, and so many devices there are", max);
	uc_cause_remedy(ret_cause, "%s%secho %zu >%s/%s%s", *quote ? "sh -c " : "", quote,
			2 * count + 1, host->sys_dir, file, quote);
	ret_cause->errnum = EACCES;
	return true;
}

void uc_cause_refused(const struct uc_host *host, int errnum, const char *what,
		      struct uc_cause *ret_cause)
{
	char refused[128];

	snprintf(refused, sizeof(refused), "the driver refused %s", what);
	if (errnum == EBUSY) {
		uc_cause_text(ret_cause, UC_BUSY, "%s", refused);
		uc_cause_advice(ret_cause, "another program is working on it; try again");
	} else if (!uc_cause_not_root(host, refused, ret_cause)) {
		uc_cause_text(ret_cause, UC_PERMISSION, "%s", refused);
		uc_cause_advice(ret_cause, "a security module may forbid it, see dmesg");
	}
	ret_cause->errnum = errnum;
}

/* --- our own --- */

bool uc_cause_run_dir(const struct uc_host *host, struct uc_cause *ret_cause)
{
	struct stat st;

	if (lstat(host->run_dir, &st) < 0 ||
	    (S_ISDIR(st.st_mode) && (st.st_uid == geteuid() || st.st_uid == 0) &&
	     !(st.st_mode & (S_IWGRP | S_IWOTH))))
		return false;
	uc_cause_text(ret_cause, UC_FAILED, "%s: not a directory that only its owner can write to",
		      host->run_dir);
	uc_cause_remedy(ret_cause, "rm -r %s", host->run_dir);
	return true;
}
