/* SPDX-License-Identifier: MIT */
#include "feature.h"

#include <stdio.h>
#include <string.h>

#include "ublk_abi.h"

static const struct uc_feature features[] = {
	{UBLK_F_SUPPORT_ZERO_COPY, "zero-copy", "request pages as registered io_uring buffers",
	 "--data-path zero-copy"},
	{UBLK_F_URING_CMD_COMP_IN_TASK, "comp-in-task", "complete commands in the server's task",
	 NULL},
	{UBLK_F_NEED_GET_DATA, "need-get-data", "the server names the buffer of each write",
	 "--data-path direct"},
	{UBLK_F_USER_RECOVERY, "user-recovery", "the device outlives its server",
	 "--recovery and --respawn, recover, upgrade"},
	{UBLK_F_USER_RECOVERY_REISSUE, "recovery-reissue", "recovery issues requests again",
	 "--recovery reissue"},
	{UBLK_F_UNPRIVILEGED_DEV, "unprivileged", "devices of users other than root", NULL},
	{UBLK_F_CMD_IOCTL_ENCODE, "ioctl-encode", "ioctl-encoded command numbers", NULL},
	{UBLK_F_USER_COPY, "user-copy", "data moved by pread and pwrite on ublkcN",
	 "--data-path user-copy"},
	{UBLK_F_ZONED, "zoned", "zoned block devices", NULL},
	{UBLK_F_USER_RECOVERY_FAIL_IO, "recovery-fail-io", "I/O fails while no server runs",
	 "--recovery fail"},
	{UBLK_F_UPDATE_SIZE, "update-size", "resize a live device", "resize"},
	{UBLK_F_AUTO_BUF_REG, "auto-buf-reg", "request pages registered with the command",
	 "--data-path auto-reg"},
	{UBLK_F_QUIESCE, "quiesce", "hand a live device to another server",
	 "upgrade of devices with --recovery queue"},
	{UBLK_F_PER_IO_DAEMON, "per-io-daemon", "several threads for one queue",
	 "--threads: more than one for a queue"},
	{UBLK_F_BUF_REG_OFF_DAEMON, "buf-reg-off-daemon", "buffer registration from any thread",
	 NULL},
	{UBLK_F_BATCH_IO, "batch-io", "many requests in one command",
	 "the --data-path values batch-copy, batch-user-copy ..."},
	{UBLK_F_INTEGRITY, "integrity", "protection information", NULL},
	{UBLK_F_SAFE_STOP_DEV, "safe-stop", "stop only when nobody has it open",
	 "del without a moment in which somebody may open the device"},
	{UBLK_F_NO_AUTO_PART_SCAN, "no-part-scan", "no partition scan at start", NULL},
	{UBLK_F_SHMEM_ZC, "shmem-zero-copy", "buffers shared with the client", "--shared-memory"},
	{UBLK_F_IO_DESC_SIZE, "io-desc-size", "larger I/O descriptors", NULL},
};

#define NR_FEATURES (sizeof(features) / sizeof(features[0]))

const struct uc_feature *uc_features(size_t *ret_count)
{
	*ret_count = NR_FEATURES;
	return features;
}

static const char *name_of(uint64_t bit)
{
	for (size_t i = 0; i < NR_FEATURES; i++)
		if (features[i].bit == bit)
			return features[i].name;
	return NULL;
}

void uc_feature_names(uint64_t flags, char *buf, size_t size)
{
	size_t used = 0;

	if (size)
		buf[0] = '\0';
	for (unsigned i = 0; i < 64 && used < size; i++) {
		const uint64_t bit = UINT64_C(1) << i;
		const char *name = name_of(bit);
		int len;

		if (!(flags & bit))
			continue;
		if (name)
			len = snprintf(buf + used, size - used, "%s%s", used ? "," : "", name);
		else
			len = snprintf(buf + used, size - used, "%sbit%u", used ? "," : "", i);
		used += len > 0 ? (size_t)len : 0;
	}
}
