/* SPDX-License-Identifier: MIT */
#ifndef UC_MACHINE_H
#define UC_MACHINE_H

#include <linux/capability.h>
#include <stdbool.h>
#include <stddef.h>

#include "host.h"

/* Facts about the machine, as far as they can be read: nothing here fails, and nothing waits. */

/* Whether there is a file of that absolute path. */
bool uc_machine_has(const struct uc_host *host, const char *path);

/* The first line of a file with that beginning ("": any), without it and the newline. */
bool uc_machine_line(const struct uc_host *host, const char *path, const char *begin, char *buf,
		     size_t size);

/* Whether a line of the file has that in it. */
bool uc_machine_mentions(const struct uc_host *host, const char *path, const char *part);

/* The number that a file holds, or `otherwise`. */
long uc_machine_number(const struct uc_host *host, const char *path, long otherwise);

/* As uc_machine_line(), for a file of /sys. */
bool uc_machine_sysfs(const struct uc_host *host, const char *path, char *buf, size_t size);

/* CPU numbers that there can be, as the driver counts (nr_cpu_ids); 0: that is not known. */
unsigned uc_machine_cpus(const struct uc_host *host);

/* "6.12.117+deb12-cloud-amd64" */
void uc_machine_release(const struct uc_host *host, char *buf, size_t size);

/* Whether this process has the capability in effect; true when that is not known. */
bool uc_machine_capable(const struct uc_host *host, int capability);

/* Whether its root is that of a user namespace only, which the driver does not take for root. */
bool uc_machine_in_userns(const struct uc_host *host);

/* Whether the kernel filters its system calls. */
bool uc_machine_has_seccomp(const struct uc_host *host);

/* What kind of container this is ("docker", "podman", "lxc" ...); NULL: none that shows. */
const char *uc_machine_container(const struct uc_host *host, char *buf, size_t size);

/* How the running kernel has the driver. */
enum uc_driver {
	UC_DRIVER_LOADED,
	UC_DRIVER_BUILTIN, /* part of the kernel, and yet not there */
	UC_DRIVER_MODULE,  /* a module that is not loaded */
	UC_DRIVER_LOST,    /* a module whose file is not there */
	UC_DRIVER_OFF,     /* not at all */
	UC_DRIVER_UNKNOWN, /* nothing tells */
};

enum uc_driver uc_machine_driver(const struct uc_host *host);

#endif
