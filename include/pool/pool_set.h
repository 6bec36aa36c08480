/*
 * A pool set: the pools of one database and user over the hosts of a cluster,
 * one a host.
 *
 * A client holds one pool of it, its home, which has the client's statistics
 * and limits and stays the same whoever is the primary.  Which pool serves it
 * is chosen anew for each transaction, by what the transaction needs.  Where
 * nobody can serve it now, its ticket is parked here.
 *
 * When the roles change, everybody who waits in the line of a pool that
 * cannot serve him any more, or is parked, is told to ask again: moved().  His
 * place in the line is kept by the time at which he began to wait.
 *
 * Any thread, unless it says otherwise.
 */

#ifndef POOL_POOL_SET_H
#define POOL_POOL_SET_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "pool/cluster.h"
#include "pool/pool.h"

enum { POOL_SET_POOLS_MAX = CLUSTER_MEMBERS_MAX };

struct catalogue_source;

struct pool_set {
	struct pool_set		*older;		/* of the cluster */
	struct cluster		*cluster;
	struct pool		*home;
	_Atomic(struct pool *)	 pools[POOL_SET_POOLS_MAX]; /* as they are
						 * needed; never freed */
	_Atomic(struct catalogue_source *) catalogue;	/* the relay's */
	_Atomic uint32_t	 turn;		/* for taking turns */
	_Atomic(struct pool *)	 replicated;	/* the replica that streamed
						 * to a client last, or NULL */
	struct {
		pthread_mutex_t	   mutex;
		struct ticket_list parked;
		struct ticket_list awaiting;	/* parked too, for a replica
						 * to catch up */
	} shared;				/* guarded by shared.mutex */
};

/*
 * Whether this set has to be asked at all: false where there is only one
 * host, and for a client's pool without a set.
 */
static inline bool
pool_has_choice(const struct pool *pool)
{
	return pool->set != NULL && !cluster_is_plain(pool->set->cluster);
}

/* Whether clients hold it, and not only their servers come from it. */
static inline bool
pool_is_home(const struct pool *pool)
{
	return pool->set == NULL || pool->set->home == pool;
}

/* pool_table.c: for a new home, which is in the table of pools then. */
struct pool_set	*pool_set_new(struct cluster *, struct pool *home);
void		 pool_set_free(struct pool_set *);
/* The secret that was learned at home counts everywhere. */
void		 pool_set_learn(struct pool_set *,
		    const struct pool_secret *);

/*
 * As pool_take(), from the pool that serves this need now.  favourite: the
 * pool that served the client's reads before, taken while it may; or NULL.
 * With a NULL answer the ticket is in a line (TICKET_QUEUED or on its way) or
 * TICKET_PARKED.
 */
struct server	*pool_set_take(struct pool_set *, enum need,
		    struct pool *favourite, struct ticket *);
/*
 * The same for a read, from this pool and no other; NULL: from the primary,
 * where replica_fallback allows that.  False: the roles have changed since
 * that epoch, choose again.
 */
bool		 pool_set_take_from(struct pool_set *, struct pool *,
		    uint32_t epoch, struct ticket *, struct server **);
/* The pool that a need is served from now; NULL: none. */
struct pool	*pool_set_choose(struct pool_set *, enum need,
		    struct pool *favourite);
/*
 * The pool of a replica that has replayed as far as that, on that timeline
 * (0: any); favourite if it has.  NULL: there is none.
 */
struct pool	*pool_set_choose_reader(struct pool_set *,
		    struct pool *favourite, uint32_t timeline, int64_t lsn);
/* Any thread: why nobody serves it now, for people. */
void		 pool_set_explain(struct pool_set *, char *, size_t);
/* Whether this pool may serve that need now. */
bool		 pool_serves(const struct pool *, enum need);
/* min_pool_size, at every host. */
void		 pool_set_fill(struct pool_set *, struct loop *);
/* ParameterStatus messages of whichever pool has some; as pool_welcome_hold */
struct pool_welcome	*pool_set_welcome_hold(struct pool_set *);

/*
 * pool_await.c: park until a replica has replayed what the ticket awaits, or
 * the primary has answered; moved() is called then, and when roles change.
 * False: that is so already.  pool_withdraw() takes it out.
 */
bool		 pool_set_await(struct pool_set *, struct ticket *);
/* Somebody waits for a replica of this cluster. */
bool		 cluster_is_awaited(const struct cluster *);
/* Main thread: a replica, or the primary, has said how far it is. */
void		 pool_sets_replayed(struct cluster *,
		    const struct backend *);
void		 pool_sets_answered(struct cluster *);

/* Add those who are parked to the numbers of the home. */
void		 pool_set_count(struct pool_set *, int64_t now_us,
		    struct pool_numbers *);

/* pool.c: out of the parking place.  False: it is not there any more. */
bool		 pool_set_unpark(struct ticket *);

/*
 * Main thread: the roles have changed; the epoch has, already.  gone: a host
 * that is no member any more; former: its connections belong to a former life
 * and are closed, the ones in use too.  Either may be NULL.
 */
void		 pool_sets_changed(struct cluster *, struct backend *gone);
void		 pool_sets_close_former(struct cluster *,
		    struct backend *former, const char *why);

#endif
