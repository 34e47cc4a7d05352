/* SPDX-License-Identifier: MIT */
#include "recovery.h"

#include <stddef.h>
#include <string.h>

#include "ublk_abi.h"

static const struct {
	const char *name;
	uint64_t flags;
} modes[] = {
	[UC_RECOVERY_NONE] = {"none", 0},
	[UC_RECOVERY_QUEUE] = {"queue", UBLK_F_USER_RECOVERY},
	[UC_RECOVERY_REISSUE] = {"reissue", UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE},
	[UC_RECOVERY_FAIL] = {"fail", UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_FAIL_IO},
};

#define NR_MODES (sizeof(modes) / sizeof(modes[0]))

const char *uc_recovery_name(enum uc_recovery mode)
{
	return modes[mode].name;
}

bool uc_recovery_find(const char *name, enum uc_recovery *ret_mode)
{
	for (size_t i = 0; i < NR_MODES; i++) {
		if (strcmp(modes[i].name, name) == 0) {
			*ret_mode = (enum uc_recovery)i;
			return true;
		}
	}
	return false;
}

uint64_t uc_recovery_flags(enum uc_recovery mode)
{
	return modes[mode].flags;
}

enum uc_recovery uc_recovery_of(uint64_t flags)
{
	if (!(flags & UBLK_F_USER_RECOVERY))
		return UC_RECOVERY_NONE;
	if (flags & UBLK_F_USER_RECOVERY_REISSUE)
		return UC_RECOVERY_REISSUE;
	return flags & UBLK_F_USER_RECOVERY_FAIL_IO ? UC_RECOVERY_FAIL : UC_RECOVERY_QUEUE;
}
