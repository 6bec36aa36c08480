/*
 * Pools over the hosts of a cluster; see pool/pool_set.h.
 *
 * How nobody is forgotten: who asks reads the epoch, chooses, joins a line,
 * and reads the epoch again; whoever changes the roles raises the epoch first
 * and looks through the lines afterwards.  Either the ticket is seen in the
 * line, or the asker sees that the epoch is another one, and asks again.
 * Parking checks the epoch under the mutex under which the parked are taken
 * out.
 */

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/config.h"
#include "pool/backend.h"
#include "pool/cluster_private.h"
#include "pool/pool_private.h"
#include "pool/pool_set.h"

struct pool_set *
pool_set_new(struct cluster *cluster, struct pool *home)
{
	struct pool_set	*set = mem_new(sizeof *set);

	set->cluster = cluster;
	set->home = home;
	pthread_mutex_init(&set->shared.mutex, NULL);
	TAILQ_INIT(&set->shared.parked);
	TAILQ_INIT(&set->shared.awaiting);
	set->older = atomic_load(&cluster->sets);
	while (!atomic_compare_exchange_weak(&cluster->sets, &set->older,
	    set))
		continue;
	return set;
}

/* At the end, when nobody looks at the cluster any more. */
void
pool_set_free(struct pool_set *set)
{
	atomic_store(&set->cluster->sets, NULL);
	pthread_mutex_destroy(&set->shared.mutex);
	free(set);
}

/*
 * The pools of a set.
 */

static struct pool *
pool_set_at(const struct pool_set *set, int i)
{
	return atomic_load_explicit(&set->pools[i], memory_order_acquire);
}

static void
pool_set_remember(struct pool_set *set, struct pool *pool)
{
	struct pool	*other;

	pthread_mutex_lock(&set->shared.mutex);
	for (int i = 0; i < POOL_SET_POOLS_MAX; i++) {
		other = pool_set_at(set, i);
		if (other == pool)
			break;
		if (other == NULL || atomic_load(&other->is_retired)) {
			atomic_store(&set->pools[i], pool);
			break;
		}
	}
	pthread_mutex_unlock(&set->shared.mutex);
}

/* The pool of this set at that host; made if there is none yet. */
static struct pool *
pool_set_pool(struct pool_set *set, struct backend *backend)
{
	struct config	*config;
	struct pool	*pool;

	for (int i = 0; i < POOL_SET_POOLS_MAX; i++) {
		pool = pool_set_at(set, i);
		if (pool != NULL && pool->backend == backend &&
		    !atomic_load_explicit(&pool->is_retired,
		    memory_order_relaxed))
			return pool;
	}
	config = config_current();
	pool = pool_find_at(config, set, backend);
	config_release(config);
	if (pool != NULL)
		pool_set_remember(set, pool);
	return pool;
}

void
pool_set_learn(struct pool_set *set, const struct pool_secret *secret)
{
	struct pool	*pool;

	for (int i = 0; i < POOL_SET_POOLS_MAX; i++)
		if ((pool = pool_set_at(set, i)) != NULL &&
		    !pool_is_home(pool))
			pool_secret_learn(pool, secret);
}

void
pool_set_fill(struct pool_set *set, struct loop *loop)
{
	struct cluster_member	*member;
	struct backend		*backend;
	struct pool		*pool;

	if (pool_profile(set->home)->settings.min_pool_size == 0)
		return;
	for (int i = 0; i < CLUSTER_MEMBERS_MAX; i++) {
		member = &set->cluster->members[i];
		backend = atomic_load(&member->backend);
		if (backend != NULL &&
		    atomic_load(&member->use) >= USE_READ &&
		    (pool = pool_set_pool(set, backend)) != NULL)
			pool_fill(pool, loop);
	}
}

struct pool_welcome *
pool_set_welcome_hold(struct pool_set *set)
{
	struct pool_welcome	*welcome = pool_welcome_hold(set->home);
	struct pool		*pool;

	for (int i = 0; welcome == NULL && i < POOL_SET_POOLS_MAX; i++)
		if ((pool = pool_set_at(set, i)) != NULL)
			welcome = pool_welcome_hold(pool);
	return welcome;
}

/*
 * Choosing.
 */

static bool
pool_set_falls_back(const struct pool_set *set)
{
	return pool_profile(set->home)->settings.replica_fallback;
}

/* The first host serves, and the next only when it is known to fail. */
static bool
pool_set_is_ordered(const struct pool_set *set)
{
	return pool_profile(set->home)->settings.balance == BALANCE_DISABLE;
}

static bool
cluster_has_use(const struct cluster *cluster)
{
	for (int i = 0; i < CLUSTER_MEMBERS_MAX; i++)
		if (atomic_load(&cluster->members[i].use) >= USE_READ &&
		    atomic_load(&cluster->members[i].backend) != NULL)
			return true;
	return false;
}

static bool
cluster_use_serves(const struct pool_set *set, enum use use, enum need need)
{
	switch (need) {
	case NEED_WRITE:
		return use == USE_WRITE;
	case NEED_READ:
		return use == USE_READ ||
		    (use == USE_WRITE && pool_set_falls_back(set));
	case NEED_ANY:
		/* Where nobody is known to answer, anybody is tried. */
		return use >= USE_READ || !cluster_has_use(set->cluster) ||
		    (use == USE_UNKNOWN && pool_set_is_ordered(set));
	}
	return false;
}

static bool
cluster_has_member(const struct cluster *cluster,
    const struct backend *backend)
{
	for (int i = 0; i < CLUSTER_MEMBERS_MAX; i++)
		if (atomic_load(&cluster->members[i].backend) == backend)
			return true;
	return false;
}

bool
pool_serves(const struct pool *pool, enum need need)
{
	const struct pool_set	*set = pool->set;

	if (!pool_has_choice(pool))
		return true;
	if (need == NEED_WRITE)
		return cluster_writer(set->cluster) == pool->backend;
	return cluster_has_member(set->cluster, pool->backend) &&
	    cluster_use_serves(set, cluster_use(set->cluster, pool->backend),
	    need);
}

static int
pool_busy(struct pool *pool)
{
	int	busy;

	pthread_mutex_lock(&pool->shared.mutex);
	busy = pool->shared.total - pool->shared.idle - pool->shared.opening +
	    pool->shared.waiting;
	pthread_mutex_unlock(&pool->shared.mutex);
	return busy;
}

/* Whoever is served there: what counts is what the host has to do. */
static int
cluster_busy(const struct cluster *cluster, const struct backend *backend)
{
	const struct pool_set	*set;
	struct pool		*pool;
	int			 busy = 0;

	for (set = atomic_load(&cluster->sets); set != NULL; set = set->older)
		for (int i = 0; i < POOL_SET_POOLS_MAX; i++) {
			pool = pool_set_at(set, i);
			if (pool == NULL)
				break;
			if (pool->backend == backend)
				busy += pool_busy(pool);
		}
	return busy;
}

/* The one with the fewest at work; of equals, in turn. */
static struct pool *
pool_set_choose_replica(struct pool_set *set, uint32_t timeline, int64_t lsn)
{
	struct cluster_member	*member;
	struct backend		*best[CLUSTER_MEMBERS_MAX], *backend;
	int			 busy, least = INT_MAX;
	uint32_t		 n = 0;

	for (int i = 0; i < CLUSTER_MEMBERS_MAX; i++) {
		member = &set->cluster->members[i];
		backend = atomic_load(&member->backend);
		if (backend == NULL ||
		    atomic_load(&member->use) != USE_READ ||
		    !backend_has_replayed(backend, timeline, lsn))
			continue;
		busy = cluster_busy(set->cluster, backend);
		if (busy < least)
			n = 0;
		if (busy <= least)
			best[n++] = backend;
		least = busy < least ? busy : least;
	}
	if (n == 0)
		return NULL;
	return pool_set_pool(set, best[atomic_fetch_add(&set->turn, 1) % n]);
}

/* The next one that serves, counted over those that do; or the first. */
static struct pool *
pool_set_choose_any(struct pool_set *set)
{
	struct backend	*serving[CLUSTER_MEMBERS_MAX], *backend;
	uint32_t	 n = 0;

	for (int i = 0; i < CLUSTER_MEMBERS_MAX; i++) {
		backend = atomic_load(&set->cluster->members[i].backend);
		if (backend != NULL && cluster_use_serves(set, (enum use)
		    atomic_load(&set->cluster->members[i].use), NEED_ANY))
			serving[n++] = backend;
	}
	if (n == 0)
		return NULL;
	if (pool_set_is_ordered(set))
		return pool_set_pool(set, serving[0]);
	return pool_set_pool(set,
	    serving[atomic_fetch_add(&set->turn, 1) % n]);
}

struct pool *
pool_set_choose_reader(struct pool_set *set, struct pool *favourite,
    uint32_t timeline, int64_t lsn)
{
	if (favourite != NULL && favourite->set == set &&
	    cluster_use(set->cluster, favourite->backend) == USE_READ &&
	    backend_has_replayed(favourite->backend, timeline, lsn))
		return favourite;
	return pool_set_choose_replica(set, timeline, lsn);
}

struct pool *
pool_set_choose(struct pool_set *set, enum need need, struct pool *favourite)
{
	struct backend	*writer = cluster_writer(set->cluster);
	struct pool	*pool;

	if (need == NEED_ANY)
		return pool_set_choose_any(set);
	if (need == NEED_READ) {
		if (favourite != NULL && favourite->set == set &&
		    cluster_use(set->cluster, favourite->backend) == USE_READ)
			return favourite;
		if ((pool = pool_set_choose_replica(set, 0, 0)) != NULL)
			return pool;
		if (!pool_set_falls_back(set))
			return NULL;
	}
	return writer == NULL ? NULL : pool_set_pool(set, writer);
}

/*
 * Taking and parking.
 */

void
pool_set_explain(struct pool_set *set, char *text, size_t size)
{
	cluster_explain(set->cluster, text, size);
	if (text[0] == '\0')
		snprintf(text, size, "no replica is there that is not late, "
		    "and replica_fallback is off");
}

/* Waiting heals nothing, or is not wanted: the reason is at home. */
static void
pool_set_refuse(struct pool_set *set, struct ticket *ticket)
{
	struct pool_error	error = { .reason = REASON_NO_PRIMARY };
	char			trouble[400];

	pool_set_explain(set, trouble, sizeof trouble);
	snprintf(error.text, sizeof error.text, "%.60s has no host for this "
	    "now: %.300s", set->cluster->name, trouble);
	snprintf(error.sqlstate, sizeof error.sqlstate, "%s",
	    reason_sqlstate(error.reason));
	pthread_mutex_lock(&set->home->shared.mutex);
	set->home->shared.error = error;
	pthread_mutex_unlock(&set->home->shared.mutex);
	ticket->is_refused = true;
	ticket->state = TICKET_GRANTED;
	pool_answer(ticket, ticket->loop);
}

/* False: the roles have changed meanwhile. */
static bool
pool_set_park(struct pool_set *set, struct ticket *ticket, uint32_t epoch)
{
	bool	parked, waits = !atomic_load(&set->cluster->is_blind) &&
		    pool_profile(set->home)->settings.failover_wait_us > 0;

	ticket->pool = set->home;
	ticket->is_refused = ticket->is_leaving = ticket->is_moved = false;
	ticket->awaits = false;
	if (!ticket->keeps_since)
		ticket->since_us = loop_now_us(ticket->loop);
	ticket->keeps_since = ticket->waits_for_host = true;
	pthread_mutex_lock(&set->shared.mutex);
	parked = atomic_load(&set->cluster->epoch) == epoch;
	if (parked && waits) {
		ticket->state = TICKET_PARKED;
		ticket->is_parked = true;
		TAILQ_INSERT_TAIL(&set->shared.parked, ticket, entry);
	}
	pthread_mutex_unlock(&set->shared.mutex);
	if (parked && !waits)
		pool_set_refuse(set, ticket);
	return parked;
}

bool
pool_set_unpark(struct ticket *ticket)
{
	struct pool_set	*set = ticket->set;
	bool		 was_parked;

	pthread_mutex_lock(&set->shared.mutex);
	was_parked = ticket->is_parked;
	if (was_parked) {
		if (ticket->awaits)
			pool_set_unlist_locked(set, ticket);
		else
			TAILQ_REMOVE(&set->shared.parked, ticket, entry);
		ticket->is_parked = false;
		ticket->state = TICKET_NONE;
	}
	pthread_mutex_unlock(&set->shared.mutex);
	return was_parked;
}

bool
pool_set_take_from(struct pool_set *set, struct pool *pool, uint32_t epoch,
    struct ticket *ticket, struct server **server)
{
	struct backend	*writer;

	assert(ticket->state == TICKET_NONE);
	ticket->set = set;
	ticket->need = NEED_READ;
	*server = NULL;
	if (pool == NULL && pool_set_falls_back(set) &&
	    (writer = cluster_writer(set->cluster)) != NULL)
		pool = pool_set_pool(set, writer);
	if (pool == NULL)
		return pool_set_park(set, ticket, epoch);
	*server = pool_take(pool, ticket);
	if (*server != NULL || atomic_load(&set->cluster->epoch) == epoch ||
	    !pool_withdraw(pool, ticket))
		return true;
	ticket->keeps_since = true;
	return false;
}

struct server *
pool_set_take(struct pool_set *set, enum need need, struct pool *favourite,
    struct ticket *ticket)
{
	struct server	*server;
	struct pool	*pool;
	uint32_t	 epoch;

	assert(ticket->state == TICKET_NONE);
	ticket->set = set;
	ticket->need = need;
	for (;;) {
		epoch = atomic_load(&set->cluster->epoch);
		pool = pool_set_choose(set, need, favourite);
		if (pool == NULL) {
			if (pool_set_park(set, ticket, epoch))
				return NULL;
			continue;
		}
		if ((server = pool_take(pool, ticket)) != NULL)
			return server;
		if (atomic_load(&set->cluster->epoch) == epoch ||
		    !pool_withdraw(pool, ticket))
			return NULL;
		ticket->keeps_since = true;
	}
}

/*
 * When the roles change; main thread.
 */

static void
pool_set_release_parked(struct pool_set *set)
{
	struct ticket_list	 moved = TAILQ_HEAD_INITIALIZER(moved);
	struct ticket		*ticket;

	pthread_mutex_lock(&set->shared.mutex);
	TAILQ_CONCAT(&moved, &set->shared.parked, entry);
	while ((ticket = TAILQ_FIRST(&set->shared.awaiting)) != NULL) {
		pool_set_unlist_locked(set, ticket);
		TAILQ_INSERT_TAIL(&moved, ticket, entry);
	}
	TAILQ_FOREACH(ticket, &moved, entry)
		pool_set_let_go_locked(ticket);
	pthread_mutex_unlock(&set->shared.mutex);
	pool_set_answer_all(&moved);
}

static void
pool_set_leave(struct pool *pool)
{
	if (!pool_is_home(pool))
		atomic_store(&pool->is_retired, true);
	pool_reconnect(pool);
}

static void
pool_set_changed(struct pool_set *set, const struct backend *gone)
{
	struct pool	*pool;

	for (int i = 0; i < POOL_SET_POOLS_MAX; i++) {
		if ((pool = pool_set_at(set, i)) == NULL)
			continue;
		if (pool->backend == gone)
			pool_set_leave(pool);
		pool_move_line(pool, clusters_loop());
	}
	if (set->home->backend == gone)
		pool_set_leave(set->home);
	pool_move_line(set->home, clusters_loop());
	pool_set_release_parked(set);
}

void
pool_sets_changed(struct cluster *cluster, struct backend *gone)
{
	struct pool_set	*set;

	for (set = atomic_load(&cluster->sets); set != NULL;
	    set = set->older)
		pool_set_changed(set, gone);
}

void
pool_sets_close_former(struct cluster *cluster, struct backend *former,
    const char *why)
{
	struct pool_set	*set;
	struct pool	*pool;

	for (set = atomic_load(&cluster->sets); set != NULL;
	    set = set->older)
		for (int i = 0; i < POOL_SET_POOLS_MAX; i++)
			if ((pool = pool_set_at(set, i)) != NULL &&
			    pool->backend == former)
				pool_close_former(pool, why);
}
