/* SPDX-License-Identifier: MIT */
#ifndef UC_NAME_H
#define UC_NAME_H

#include <stdbool.h>

#include "device.h"

/*
 * What a person calls a device. Kept in its record, so a name is only as lasting as that, and only
 * devices of ours have one.
 */

/* A letter, then letters, digits, and . _ -; not like a node's name, and shorter than a record's.
 */
bool uc_name_is_valid(const char *name);

/* The device of that name. -ENODEV and UC_NO_DEVICE if there is none. */
int uc_name_find(const struct uc_host *host, const char *name, struct uc_device *ret_device,
		 struct uc_error *err);

/* The same by what is behind it: a target, and its backing, by whatever path. */
int uc_name_find_backing(const struct uc_host *host, const char *target, const char *backing,
			 struct uc_device *ret_device, struct uc_error *err);

#endif
