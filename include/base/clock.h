/*
 * Time.  Everything is measured in microseconds of the monotonic clock, as
 * int64_t, in variables that end in _us.  Tests move the clock by hand.
 */

#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define US_PER_MS	INT64_C(1000)
#define US_PER_SECOND	INT64_C(1000000)

int64_t	clock_now_us(void);
int64_t	clock_wall_us(void);	/* since 1970, for people */

/* From now on the clock says this; a negative time gives the real one back. */
void	clock_set_us(int64_t);

#endif
