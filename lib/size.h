/* SPDX-License-Identifier: MIT */
#ifndef UC_SIZE_H
#define UC_SIZE_H

#include <stdint.h>

#include "error.h"

/*
 * Bytes from what a person writes: digits, then nothing, K, M, G, T, P, E or KiB, MiB ... (powers
 * of 1024), or KB, MB ... (powers of 1000), as in util-linux. `what` names the option in the
 * message. -EINVAL or -ERANGE with UC_USAGE.
 */
int uc_size_parse(const char *text, const char *what, uint64_t *ret_bytes, struct uc_error *err);

/* A whole decimal number from min to max; messages as above. */
int uc_number_parse(const char *text, const char *what, uint64_t min, uint64_t max,
		    uint64_t *ret_number, struct uc_error *err);

#endif
