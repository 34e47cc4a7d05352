/* SPDX-License-Identifier: MIT */
#ifndef UC_FEATURE_H
#define UC_FEATURE_H

#include <stddef.h>
#include <stdint.h>

/* One UBLK_F_* bit. The name is the kernel's without its prefix, in lower case with dashes. */
struct uc_feature {
	uint64_t bit;
	const char *name;
	const char *help;
	const char *enables; /* what of ours needs it; NULL: nothing */
};

/* All features of Linux 7.3, ascending by bit; *ret_count tells how many. Static storage. */
const struct uc_feature *uc_features(size_t *ret_count);

/* Writes the names of the set bits, separated by commas; unknown bits as "bitN". */
void uc_feature_names(uint64_t flags, char *buf, size_t size);

#endif
