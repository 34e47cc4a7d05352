/* SPDX-License-Identifier: MIT */
#ifndef CMD_DESCRIBE_H
#define CMD_DESCRIBE_H

#include <json-c/json.h>

#include "device.h"
#include "spec.h"

/*
 * What a device is or shall be, as options of `add` by their long names: strings, and true or
 * false for those that take no argument. Neither its target and what belongs to that, nor its
 * name and id.
 */
struct json_object *describe_spec(const struct uc_spec *spec);
struct json_object *describe_device(const struct uc_device *device);

#endif
