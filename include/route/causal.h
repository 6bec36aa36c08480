/*
 * Read your writes: how far a replica must have replayed before it may serve
 * the reads of somebody who has written.
 *
 * The position is one that the primary has told of itself in answer to a
 * question asked after the write was acknowledged.  So every question has a
 * number (pool/tide.h), and a write waits for the answer to the next one.
 * What one who writes has to wait for is a causal; all connections that count
 * as one (read_your_writes) share it.
 *
 * A position counts on its own timeline only.  After a failover it is one of
 * the new primary's that counts, which has everything that was promised, or
 * never will have it.
 *
 * All of it may be used from any thread.
 */

#ifndef ROUTE_CAUSAL_H
#define ROUTE_CAUSAL_H

#include <sys/queue.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "config/config.h"
#include "pool/tide.h"

struct causal {
	struct hash_node	 node;
	TAILQ_ENTRY(causal)	 kept;		/* nobody uses it */
	struct tide		*tide;
	int			 users;		/* guarded by the table's */
	char			*key;		/* NULL: in no table */
	_Atomic uint64_t	 wanted;	/* number of an answer; 0: none
						 * is waited for */
	_Atomic uint32_t	 timeline;	/* as in shared */
	struct {
		pthread_mutex_t	mutex;
		uint32_t	timeline;	/* 0: nothing was written */
		int64_t		lsn;
	} shared;
};

/*
 * So many that have written are remembered when nobody uses them any more: an
 * application may open a connection for each request.  When there are more,
 * the oldest are forgotten, and from then on everybody who is new counts as
 * somebody who has just written.
 */
enum { CAUSAL_KEPT_MAX = 16384 };

/*
 * A reference, shared by those of one scope; NULL when it is off.  address is
 * the client's without its port.  The tide outlives it.
 */
struct causal	*causal_join(enum causal_scope, struct tide *,
		    const char *database, const char *user,
		    const char *address);
void		 causal_leave(struct causal *);		/* NULL is allowed */

/* A write was acknowledged; the monitor should ask at once. */
void		 causal_write(struct causal *);		/* NULL is allowed */

enum causal_state {
	CAUSAL_FREE,		/* any replica */
	CAUSAL_UNKNOWN,		/* none: the answer has not come */
	CAUSAL_AT,		/* one that has replayed as far as that */
};

/* CAUSAL_UNKNOWN: the number of the answer that is waited for. */
uint64_t		causal_wanted(const struct causal *);
enum causal_state	causal_state(struct causal *, uint32_t *timeline,
			    int64_t *lsn);
/* The same said of one replica. */
bool		 causal_allows(struct causal *, uint32_t timeline,
		    int64_t replayed);

/* At the end: forget those whom nobody uses. */
void		 causals_done(void);

#endif
