/*
 * Time, from the kernel or from a test.  Any thread.
 */

#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"

static _Atomic int64_t	clock_fixed_us = -1;	/* negative: not fixed */

static int64_t
clock_read_us(clockid_t id)
{
	struct timespec	now;

	clock_gettime(id, &now);
	return now.tv_sec * US_PER_SECOND + now.tv_nsec / 1000;
}

int64_t
clock_now_us(void)
{
	int64_t	fixed_us = atomic_load_explicit(&clock_fixed_us,
		    memory_order_relaxed);

	return fixed_us >= 0 ? fixed_us : clock_read_us(CLOCK_MONOTONIC);
}

int64_t
clock_wall_us(void)
{
	return clock_read_us(CLOCK_REALTIME);
}

void
clock_set_us(int64_t us)
{
	atomic_store_explicit(&clock_fixed_us, us, memory_order_relaxed);
}
