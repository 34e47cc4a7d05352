/* SPDX-License-Identifier: MIT */
#ifndef UC_DEADLINE_H
#define UC_DEADLINE_H

#include <linux/time_types.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Every wait has a bound: a deadline is a CLOCK_MONOTONIC time in nanoseconds. */

static inline uint64_t uc_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static inline uint64_t uc_deadline(unsigned timeout_ms)
{
	return uc_now() + (uint64_t)timeout_ms * 1000000U;
}

/* What is left, in milliseconds rounded up; 0 when the time is over. */
static inline unsigned uc_left_ms(uint64_t deadline)
{
	uint64_t now = uc_now();

	return now >= deadline ? 0 : (unsigned)((deadline - now + 999999U) / 1000000U);
}

static inline struct __kernel_timespec uc_deadline_timespec(uint64_t deadline)
{
	uint64_t now = uc_now();
	uint64_t left = now >= deadline ? 0 : deadline - now;

	return (struct __kernel_timespec){
		.tv_sec = (int64_t)(left / 1000000000U),
		.tv_nsec = (long long)(left % 1000000000U),
	};
}

static inline void uc_sleep_ms(unsigned ms)
{
	const struct timespec ts = {
		.tv_sec = (time_t)(ms / 1000U),
		.tv_nsec = (long)(ms % 1000U) * 1000000L,
	};

	nanosleep(&ts, NULL);
}

#endif
