/* SPDX-License-Identifier: MIT */
#ifndef UC_COUNT_H
#define UC_COUNT_H

#include <stdint.h>

/* For a counter that one thread alone writes: no read-modify-write instruction is needed for
 * others to see it whole. */
static inline void uc_count(uint64_t *counter, uint64_t add)
{
	__atomic_store_n(counter, *counter + add, __ATOMIC_RELAXED);
}

#endif
