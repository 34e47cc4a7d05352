/* SPDX-License-Identifier: MIT */
#ifndef CMD_UNIT_H
#define CMD_UNIT_H

#include <stdbool.h>
#include <stdio.h>

#include "host.h"

/* What systemd calls things, as far as ublkctl tells it of devices. */

#define UNIT_NAME_MAX 256 /* with the NUL */

/* "PREFIXpath-escaped.SUFFIX", as of systemd-escape(1). -ENAMETOOLONG: systemd has no such unit. */
int unit_of_path(const char *prefix, const char *path, const char *suffix, char ret[UNIT_NAME_MAX]);

/*
 * The path as a word of a list in a setting, in quotes. In a file of units '%' is more than itself,
 * in a property that is sent it is not.
 */
void unit_write_path(FILE *file, const char *path, bool in_unit_file);

/* Whether the path is that of a device's node, for which systemd has a unit; else it is a file's.
 */
bool unit_is_device(const char *path);

/* Whether fstab or a unit of the system's mounts something on a directory that leads to the file.
 */
bool unit_is_below_mount(const struct uc_host *host, const char *path);

#endif
