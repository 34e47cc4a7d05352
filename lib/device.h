/* SPDX-License-Identifier: MIT */
#ifndef UC_DEVICE_H
#define UC_DEVICE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctrl.h"
#include "record.h"

/* How far a record can be believed. */
enum uc_record_state {
	UC_RECORD_OK,
	UC_RECORD_NONE,    /* made by another program, or its record was removed */
	UC_RECORD_SPOILED, /* there is one, but it cannot be read */
	UC_RECORD_STALE,   /* it tells of another device */
};

/* A device as observed: the kernel's word first, the record's where the kernel has none. */
struct uc_device {
	struct ublksrv_ctrl_dev_info info;
	uint64_t size;         /* bytes; 0 without a block node */
	uint32_t logical_bs;   /* bytes; 0 without a block node */
	uint32_t physical_bs;  /* bytes; 0 without a block node */
	uint32_t major, minor; /* of the block node; 0, 0 without */
	bool has_node;         /* the block device is there */
	bool read_only;
	bool only_recorded; /* stopped, and a start that was killed has left nothing else */
	enum uc_record_state record_state;
	struct uc_record record; /* only with UC_RECORD_OK */
	char node[64];           /* /dev/ublkbN, whether or not it is there */
};

/* DEAD, LIVE, QUIESCED, FAIL_IO: the kernel's names; "?" for any other value. */
const char *uc_device_state_name(unsigned state);

/*
 * Ids of all devices, ascending, as the kernel lists them; for a plain user of those whose ublkcN
 * is theirs, since the driver tells them of no others, or of all if they may not ask it at all.
 * *ret_ids is to be freed. No driver or no device is an empty list.
 */
int uc_device_ids(const struct uc_host *host, uint32_t **ret_ids, size_t *ret_count,
		  struct uc_error *err);

/* The same, and those of which there is only a record (see uc_device.only_recorded). */
int uc_device_known_ids(const struct uc_host *host, uint32_t **ret_ids, size_t *ret_count,
			struct uc_error *err);

/*
 * Whether the driver's answer for a device that was listed is that it is not there, or not for us:
 * it may have been deleted since, and made anew by another.
 */
static inline bool uc_device_is_out_of_sight(const struct uc_host *host, int ret)
{
	return ret == -ENODEV || (host->unprivileged && (ret == -EPERM || ret == -EACCES));
}

/* -ENODEV and UC_NO_DEVICE when there is none. */
int uc_device_get(const struct uc_host *host, struct uc_ctrl *ctrl, uint32_t id,
		  struct uc_device *ret_device, struct uc_error *err);

/* The parameters, in a bounded time although the driver takes a mutex for them. */
int uc_device_params(const struct uc_host *host, uint32_t id, struct ublk_params *ret_params,
		     struct uc_error *err);

/*
 * Which device is meant, found out once, when it was named: another may have its id later, but not
 * its cookie. Devices of other programs have often none.
 */
struct uc_ref {
	uint32_t id;
	bool known; /* there was one then, and this is its cookie */
	uint64_t cookie;
};

/* Of a device that there may be or not. */
struct uc_ref uc_device_ref(const struct uc_host *host, uint32_t id);

/* Of one that has been looked at. */
static inline struct uc_ref uc_device_ref_of(const struct uc_device *device)
{
	return (struct uc_ref){device->info.dev_id, true, device->info.ublksrv_flags};
}

/*
 * A device from what a person writes: a number, ublkbN, a path to its node (links are followed), or
 * its name; -ENODEV if no device has that. -EINVAL with UC_USAGE for anything else. Which device it
 * is is known of a name only; uc_device_ref() finds it out for the others.
 */
int uc_device_parse(const struct uc_host *host, const char *text, struct uc_ref *ret_ref,
		    struct uc_error *err);

/* The same from a whole string of decimal digits alone. */
bool uc_device_parse_id(const char *text, uint32_t *ret_id);

/*
 * Whether that is behind the device: the same file or disk, or, if one of them is not known, one
 * with the same path.
 */
bool uc_device_has_backing(const struct uc_device *device, const char *path,
			   const struct uc_identity *identity);

/* What is behind it has no such path any more: it was removed, or replaced by another. */
bool uc_device_has_lost_path(const struct uc_device *device);

/* By intention: `start` brings it back. */
static inline bool uc_device_is_stopped(const struct uc_device *device)
{
	return device->info.state == UBLK_S_DEV_DEAD && device->record_state == UC_RECORD_OK &&
	       device->record.stopped.is;
}

/* One unsigned number out of /sys/block/ublkbN/<attr>. False: it cannot be read. */
bool uc_device_attr(const struct uc_host *host, uint32_t id, const char *attr, uint64_t *ret_value);

#endif
