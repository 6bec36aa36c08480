/*
 * A cluster: the hosts that belong together, one primary and its replicas.
 *
 * It is made from one host list ("host=a,b,c"), or from one name that has
 * several addresses; every address is a backend, asked by a monitor of its
 * own (pool/monitor.h).  From what they answer the main thread decides which
 * one gets the writes and which ones may get reads:
 *
 *	- the one that says it is the primary gets the writes, once every host
 *	  has answered or has been given up for the first time;
 *	- of two, the one with the higher timeline; the other gets nothing;
 *	- two on the same timeline, one that is of another system_identifier,
 *	  one whose timeline is older than one that was seen: no writes.
 *
 * A replica that is later than max_replica_lag or max_replica_lag_bytes gets
 * no new reads until it has caught up (pool/wake.h).
 *
 * A database with a single address has no cluster, and no monitor.  A single
 * name stays plain, which is to say nobody looks at its cluster, until it has
 * several addresses.
 *
 * Everything is decided in the main thread; the members, who gets the writes
 * and the epoch are read by any.  The epoch changes before those who wait are
 * told to ask again (pool/pool_set.h), so nobody waits in the wrong line.
 */

#ifndef POOL_CLUSTER_H
#define POOL_CLUSTER_H

#include <sys/queue.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/addr.h"
#include "net/deadline.h"
#include "net/loop.h"
#include "pool/tide.h"
#include "pool/wake.h"

struct backend;
struct config;
struct database;
struct pool_set;
struct resolver;

enum { CLUSTER_MEMBERS_MAX = 32, CLUSTER_SEEDS_MAX = 16 };

/* What a member is good for now. */
enum use {
	USE_NONE,		/* down, foreign, or outvoted */
	USE_UNKNOWN,		/* it has not been heard yet */
	USE_LATE,		/* a replica behind max_replica_lag */
	USE_READ,
	USE_WRITE,		/* and for reads if need be */
};

struct cluster_member {
	_Atomic(struct backend *) backend;	/* NULL: a free slot */
	_Atomic int		  use;		/* enum use */
};

/* A host as configured; the main thread's. */
struct cluster_seed {
	struct cluster		*cluster;
	char			*host;
	int			 port;
	bool			 is_literal;	/* no look-up */
	bool			 is_asking;
	bool			 was_answered;	/* at least once */
	bool			 is_failing;	/* its last look-up failed */
	int			 count;		/* addresses in use */
	struct addr		 addresses[CLUSTER_MEMBERS_MAX];
	struct deadline		 deadline;	/* the next look-up */
};

struct cluster {
	struct cluster		*older;		/* list of all, never freed */
	char			*name;		/* "a:5432,b:5432" */
	_Atomic bool		 is_plain;	/* one name, one address */
	_Atomic uint32_t	 epoch;
	_Atomic(struct backend *) writer;	/* NULL: no primary now */
	struct cluster_member	 members[CLUSTER_MEMBERS_MAX];
	struct tide		 tide;
	_Atomic int		 awaiting;	/* tickets; pool_set_await() */
	_Atomic(struct pool_set *) sets;	/* newest first, never freed */

	/* The rest is the main thread's. */
	bool			 is_named;	/* by the configuration */
	bool			 is_used;	/* started, not stopped since */
	bool			 is_settled; /* everybody was looked at once */
	char			*database;	/* the entry whose name, user
						 * and password may be used */
	size_t			 seed_count;
	struct cluster_seed	 seeds[CLUSTER_SEEDS_MAX];
	uint64_t		 system_identifier;	/* 0: not known */
	uint32_t		 timeline; /* the highest that had writes */
	struct wake		 wake;		/* of the primary */
	struct backend		*last_writer;
	struct backend		*crowned;	/* had the writes last */
	int			 rivals; /* that say they are the primary */
	_Atomic uint64_t	 failovers;	/* to another host than that */
	char			 trouble[400];	/* why there are no writes;
						 * guarded by clusters' mutex */
	_Atomic uint64_t	 conflicts;	/* a primary was not believed */
	/* Nobody can be asked, and waiting will not heal that. */
	_Atomic bool		 is_blind;
};

/* Main thread, before any worker runs; after backends_init(). */
void		 clusters_init(struct loop *main_loop, struct resolver *);
/* Main thread: what the configuration names is looked at, the rest not. */
void		 clusters_reload(const struct config *);

/* Any thread.  NULL: one host with one address, there is nothing to choose. */
struct cluster	*cluster_of(const struct config *, const struct database *);
/* Walk all; NULL first. */
struct cluster	*cluster_each(const struct cluster *);
/* Any thread: is this what the member may be used for? */
enum use	 cluster_use(const struct cluster *, const struct backend *);
/*
 * Any thread: one host for a question of ours that any of them can answer;
 * the primary if there is one.  NULL: none is known.
 */
struct backend	*cluster_anyone(const struct cluster *);
/* Any thread: why writes wait, for people. */
void		 cluster_explain(struct cluster *, char *, size_t);

/* Any thread: this host has said that it is no primary; writes stop now. */
void		 cluster_doubt(struct cluster *, struct backend *);

/* Main thread: a monitor has heard something, or nothing, of this host. */
void		 clusters_judge(const struct backend *);
/* Main thread: it has said how far it is; counts where it is the primary. */
void		 clusters_tide(const struct backend *, uint64_t number,
		    uint32_t timeline, int64_t lsn);
/* Main thread: the same of a replica.  Whether somebody waits for it. */
bool		 clusters_replayed(const struct backend *);
/* Main thread: its postmaster is another one than before. */
void		 clusters_renew(struct backend *);
/* Main thread: whether any cluster has this member. */
bool		 clusters_have(const struct backend *);

/* Main thread: the last failovers, the newest first; how many there are. */
enum { FAILOVERS_MAX = 20, FAILOVER_TEXT_BYTES = 300 };
struct failover {
	int64_t	at_us;		/* the wall's clock */
	char	text[FAILOVER_TEXT_BYTES];
};
void		 failover_note(struct cluster *, const struct backend *);
size_t		 failovers_list(struct failover [FAILOVERS_MAX]);

static inline bool
cluster_is_plain(const struct cluster *cluster)
{
	return atomic_load_explicit(&cluster->is_plain, memory_order_relaxed);
}

static inline struct backend *
cluster_writer(const struct cluster *cluster)
{
	return atomic_load_explicit(&cluster->writer, memory_order_acquire);
}

#endif
