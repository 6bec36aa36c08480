/*
 * How long things took: a histogram of microseconds.
 *
 * The buckets are log-linear: each power of two is cut into
 * HISTOGRAM_PARTS equal parts, so a percentile read from it is off by an
 * eighth of the value at most, and usually by much less.  Times of more than
 * 19 hours count as 19 hours.
 *
 * One thread records; any thread reads or adds up, at any time, and may see a
 * record in part (its count but not yet its sum).  So the fields are relaxed
 * atomics, which cost no more than plain variables.
 */

#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

enum {
	HISTOGRAM_PART_BITS = 3,
	HISTOGRAM_PARTS = 1 << HISTOGRAM_PART_BITS,
	HISTOGRAM_VALUE_BITS = 36,
	HISTOGRAM_BUCKETS = (HISTOGRAM_VALUE_BITS - HISTOGRAM_PART_BITS + 1) *
	    HISTOGRAM_PARTS,
};

struct histogram {
	_Atomic uint64_t	buckets[HISTOGRAM_BUCKETS];
	_Atomic uint64_t	sum_us;
};

/* By the owning thread only.  A negative time counts as 0. */
void		histogram_record(struct histogram *, int64_t us);

/* sum += part; the sum belongs to the calling thread. */
void		histogram_add(struct histogram *sum,
		    const struct histogram *part);

uint64_t	histogram_count(const struct histogram *);
uint64_t	histogram_sum_us(const struct histogram *);

/*
 * The time that a part of all, 0.0 to 1.0, did not exceed: 0.5 gives the
 * median.  0 when nothing was recorded.
 */
int64_t		histogram_percentile_us(const struct histogram *,
		    double part);

/* How many took at most this long, as far as the buckets can tell. */
uint64_t	histogram_count_within(const struct histogram *, int64_t us);

#endif
