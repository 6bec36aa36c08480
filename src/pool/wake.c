/*
 * See pool/wake.h.
 */

#include <string.h>

#include "base/clock.h"
#include "pool/wake.h"

/* Closer together they would tell nothing more. */
#define MARK_LEAST_US	(50 * US_PER_MS)

/* The one whose neighbours are near, for their age; never the first. */
static void
wake_forget_one(struct wake *wake, int64_t now_us)
{
	double	gap, least = 0;
	int	least_at = 0;

	for (int i = 1; i + 1 < wake->count; i++) {
		gap = (double)(wake->marks[i + 1].at_us -
		    wake->marks[i - 1].at_us) /
		    (double)(now_us - wake->marks[i - 1].at_us);
		if (least_at == 0 || gap < least) {
			least_at = i;
			least = gap;
		}
	}
	wake->count--;
	memmove(&wake->marks[least_at], &wake->marks[least_at + 1],
	    (size_t)(wake->count - least_at) * sizeof wake->marks[0]);
}

void
wake_add(struct wake *wake, uint32_t timeline, int64_t lsn, int64_t at_us)
{
	int	last;

	if (wake->timeline != timeline) {
		wake->timeline = timeline;
		wake->count = 0;
	} else if (lsn <= wake->lsn)
		return;
	wake->lsn = lsn;
	wake->lsn_us = at_us;
	last = wake->count - 1;
	if (last >= 0 && at_us < wake->marks[last].at_us + MARK_LEAST_US)
		return;
	if (wake->count == WAKE_MARKS_MAX)
		wake_forget_one(wake, at_us);
	wake->marks[wake->count].lsn = lsn;
	wake->marks[wake->count++].at_us = at_us;
}

struct wake_lag
wake_lag(const struct wake *wake, int64_t lsn, int64_t at_us)
{
	struct wake_lag	lag = { .bytes = 0 };
	int64_t		from_us = wake->lsn_us;
	int		i = wake->count - 1;

	for (; i >= 0 && wake->marks[i].lsn > lsn; i--)
		from_us = wake->marks[i].at_us;
	if (wake->count == 0 || wake->lsn <= lsn || from_us > at_us)
		return lag;
	lag.bytes = wake->lsn - lsn;
	lag.us = at_us - from_us;
	lag.is_older = i < 0;
	return lag;
}
