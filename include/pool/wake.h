/*
 * The wake of a primary: at which moments it had written how far.
 *
 * A replica that has replayed up to some position is as late as the primary
 * has been beyond that position.  Where the primary writes nothing nobody is
 * late, however long ago the last transaction was; PostgreSQL's own measure,
 * the age of the last transaction that was replayed, grows there.
 *
 * A fixed number of marks is kept.  When there are too many, one is forgotten
 * that tells least: near the present they lie close together, farther back
 * farther apart.  So a lag may be told too short by a part of itself, but
 * never too long.
 *
 * The main thread's.
 */

#ifndef POOL_WAKE_H
#define POOL_WAKE_H

#include <stdbool.h>
#include <stdint.h>

enum { WAKE_MARKS_MAX = 64 };

struct wake {
	uint32_t	timeline;	/* 0: nothing is known */
	int64_t		lsn;		/* the newest, in a mark or not */
	int64_t		lsn_us;		/* and when it was told */
	int		count;
	struct {
		int64_t	lsn;		/* the primary was here */
		int64_t	at_us;		/* at that moment at the latest */
	} marks[WAKE_MARKS_MAX];	/* both grow */
};

struct wake_lag {
	int64_t	bytes;
	int64_t	us;
	bool	is_older; /* than the first mark: it may be later than that */
};

/* Another timeline begins anew. */
void		wake_add(struct wake *, uint32_t timeline, int64_t lsn,
		    int64_t at_us);
/* How late was who had replayed up to there at that moment? */
struct wake_lag	wake_lag(const struct wake *, int64_t lsn, int64_t at_us);

#endif
