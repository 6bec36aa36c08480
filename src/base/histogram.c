/*
 * The histogram: which bucket a time falls into, and back.
 *
 * Times below HISTOGRAM_PARTS have a bucket each.  From there on the bucket
 * is made of the place of the highest bit and the HISTOGRAM_PART_BITS bits
 * below it, so that a bucket that begins at b is less than b / 8 wide:
 *
 *	time		 0..7   8..15  16..31  32..63 ...
 *	width		    1       1       2       4
 *	buckets		 0..7   8..15  16..23  24..31
 */

#include "base/counters.h"
#include "base/histogram.h"

static const uint64_t	histogram_max_us =
			    (UINT64_C(1) << HISTOGRAM_VALUE_BITS) - 1;

static uint64_t
histogram_load(const _Atomic uint64_t *value)
{
	return atomic_load_explicit(value, memory_order_relaxed);
}

static uint64_t
histogram_clamp(int64_t us)
{
	if (us < 0)
		return 0;
	return (uint64_t)us < histogram_max_us ? (uint64_t)us :
	    histogram_max_us;
}

static unsigned
histogram_bucket(uint64_t us)
{
	unsigned	shift;

	if (us < HISTOGRAM_PARTS)
		return (unsigned)us;
	shift = 63 - (unsigned)__builtin_clzll(us) - HISTOGRAM_PART_BITS;
	return shift * HISTOGRAM_PARTS + (unsigned)(us >> shift);
}

/* The smallest time of a bucket; one behind the last gives the end of all. */
static uint64_t
histogram_lowest_us(unsigned bucket)
{
	unsigned	shift;

	if (bucket < HISTOGRAM_PARTS)
		return bucket;
	shift = bucket / HISTOGRAM_PARTS - 1;
	return (uint64_t)(bucket - shift * HISTOGRAM_PARTS) << shift;
}

void
histogram_record(struct histogram *histogram, int64_t us)
{
	uint64_t	clamped = histogram_clamp(us);

	COUNT(histogram->buckets[histogram_bucket(clamped)], 1);
	COUNT(histogram->sum_us, clamped);
}

void
histogram_add(struct histogram *sum, const struct histogram *part)
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		COUNT(sum->buckets[i], histogram_load(&part->buckets[i]));
	COUNT(sum->sum_us, histogram_load(&part->sum_us));
}

uint64_t
histogram_count(const struct histogram *histogram)
{
	uint64_t	count = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		count += histogram_load(&histogram->buckets[i]);
	return count;
}

uint64_t
histogram_sum_us(const struct histogram *histogram)
{
	return histogram_load(&histogram->sum_us);
}

/*
 * The largest time that the bucket with the wanted rank can hold, less what
 * the ranks behind it in the same bucket would take, evenly spread.
 */
int64_t
histogram_percentile_us(const struct histogram *histogram, double part)
{
	uint64_t	count = histogram_count(histogram);
	uint64_t	below = 0, here, low, width;
	double		rank;

	if (count == 0)
		return 0;
	part = part < 0 ? 0 : part > 1 ? 1 : part;
	rank = part * (double)count;
	if (rank < 1)
		rank = 1;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		here = histogram_load(&histogram->buckets[i]);
		if (here != 0 && (double)(below + here) >= rank) {
			low = histogram_lowest_us(i);
			width = histogram_lowest_us(i + 1) - low - 1;
			return (int64_t)low + (int64_t)((double)width *
			    (rank - (double)below) / (double)here);
		}
		below += here;
	}
	/* Counts only grow, so the rank was reached above. */
	return (int64_t)histogram_max_us;
}

uint64_t
histogram_count_within(const struct histogram *histogram, int64_t us)
{
	uint64_t	count = 0;
	unsigned	last;

	if (us < 0)
		return 0;
	last = histogram_bucket(histogram_clamp(us));
	for (unsigned i = 0; i <= last; i++)
		count += histogram_load(&histogram->buckets[i]);
	return count;
}
