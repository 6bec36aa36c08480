/*
 * Limits that several pools share, and closing idle servers for them:
 * max_db_connections and max_user_connections of a host.
 *
 * A pool that finds such a limit full is hungry: it counts in limit->hungry.
 * Then one idle server of another pool is closed for it; a server that is
 * given back elsewhere is closed instead of kept or handed on, if somebody in
 * a hungry pool has waited longer; and whoever frees a place looks for the
 * hungry pool with the oldest waiter.  While nobody is hungry all of this
 * costs one atomic read.
 *
 * Pools are looked at one after the other, each under its own mutex, never
 * two; so what is found may be old by the time it is used, and is checked
 * again there.
 *
 * Clients are counted a lane; who looks whether there is room for one more
 * holds a mutex of its own until that one is counted.
 */

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "pool/backend.h"
#include "pool/pool.h"
#include "pool/pool_private.h"

static bool
limit_is_hungry(struct limit *limit)
{
	return atomic_load_explicit(&limit->hungry,
	    memory_order_relaxed) > 0;
}

static bool
pool_shares(const struct pool *pool, const struct limit *limit)
{
	return pool->database_limit == limit || pool->user_limit == limit;
}

static int64_t
pool_oldest_since_locked(const struct pool *pool)
{
	const struct ticket	*first;
	int64_t			 oldest_us = INT64_MAX;

	for (int i = 0; i < pool->lane_count; i++) {
		first = TAILQ_FIRST(&pool->lanes[i].line);
		if (first != NULL && first->since_us < oldest_us)
			oldest_us = first->since_us;
	}
	return oldest_us;
}

/* The pool that has waited longest for this limit, and since when. */
static struct pool *
pool_hungriest(struct limit *limit, const struct pool *except,
    int64_t *since_us)
{
	struct pool	*pool, *found = NULL;
	int64_t		 since;

	*since_us = INT64_MAX;
	for (pool = pool_each(NULL); pool != NULL; pool = pool_each(pool)) {
		if (pool == except || !pool_shares(pool, limit))
			continue;
		pthread_mutex_lock(&pool->shared.mutex);
		since = pool->shared.hungry == limit ?
		    pool_oldest_since_locked(pool) : INT64_MAX;
		pthread_mutex_unlock(&pool->shared.mutex);
		if (since < *since_us) {
			*since_us = since;
			found = pool;
		}
	}
	return found;
}

int64_t
pool_hungry_since_us(struct pool *pool)
{
	struct limit	*limits[] = { pool->database_limit, pool->user_limit };
	int64_t		 since_us, oldest_us = INT64_MAX;

	for (size_t i = 0; i < ARRAY_LENGTH(limits); i++) {
		if (!limit_is_hungry(limits[i]))
			continue;
		(void)pool_hungriest(limits[i], pool, &since_us);
		if (since_us < oldest_us)
			oldest_us = since_us;
	}
	return oldest_us;
}

void
pool_limit_freed(struct limit *limit, const struct pool *except)
{
	struct pool	*pool;
	int64_t		 since_us;

	if (!limit_is_hungry(limit))
		return;
	if ((pool = pool_hungriest(limit, except, &since_us)) != NULL)
		pool_grow(pool);
}

/* In the thread of the idle server: close it for another pool. */
static void
pool_on_evicted(struct loop *loop, struct letter *letter)
{
	struct server	*server = container_of(letter, struct server, letter);
	struct pool	*pool = server->pool;

	assert(server->loop == loop && server->state == SERVER_MOVING);
	pthread_mutex_lock(&pool->shared.mutex);
	pool->shared.moving--;
	pthread_mutex_unlock(&pool->shared.mutex);
	server_close(&server, REASON_SERVER_EVICTED, NULL);
}

/* The idle server of this pool that was used longest ago. */
static struct server *
pool_oldest_idle_locked(struct pool *pool)
{
	struct server	*last, *oldest = NULL;

	for (int i = 0; i < pool->lane_count; i++) {
		last = TAILQ_LAST(&pool->lanes[i].idle, server_list);
		if (last != NULL &&
		    (oldest == NULL || last->used_us < oldest->used_us))
			oldest = last;
	}
	return oldest;
}

/* Of all pools that share this limit, the one with the oldest idle server. */
static struct pool *
pool_idlest(const struct limit *limit, const struct pool *except)
{
	struct pool	*pool, *found = NULL;
	struct server	*server;
	int64_t		 oldest_us = INT64_MAX;

	for (pool = pool_each(NULL); pool != NULL; pool = pool_each(pool)) {
		if (pool == except || !pool_shares(pool, limit))
			continue;
		pthread_mutex_lock(&pool->shared.mutex);
		server = pool_oldest_idle_locked(pool);
		if (server != NULL && server->used_us < oldest_us) {
			oldest_us = server->used_us;
			found = pool;
		}
		pthread_mutex_unlock(&pool->shared.mutex);
	}
	return found;
}

/* Take an idle server out of its list, to be closed by its own thread. */
static void
pool_evict_one(struct pool *pool, struct server *server)
{
	struct loop	*loop = server->loop;

	pool_unlist_locked(pool, server);
	pool_move_locked(pool, server, NULL, pool_on_evicted);
	loop_post(loop, &server->letter);
}

void
pool_evict(struct limit *limit, const struct pool *except)
{
	struct pool	*pool;
	struct server	*server = NULL;

	if ((pool = pool_idlest(limit, except)) == NULL)
		return;
	pthread_mutex_lock(&pool->shared.mutex);
	if ((server = pool_oldest_idle_locked(pool)) != NULL)
		pool_evict_one(pool, server);
	pthread_mutex_unlock(&pool->shared.mutex);
}

void
pool_evict_own(struct pool *pool)
{
	struct server	*server;

	pthread_mutex_lock(&pool->shared.mutex);
	if ((server = pool_oldest_idle_locked(pool)) != NULL)
		pool_evict_one(pool, server);
	pthread_mutex_unlock(&pool->shared.mutex);
}

void
pool_close_idle(struct pool *pool)
{
	struct server	*server;

	pthread_mutex_lock(&pool->shared.mutex);
	while ((server = pool_oldest_idle_locked(pool)) != NULL)
		pool_evict_one(pool, server);
	pthread_mutex_unlock(&pool->shared.mutex);
}

/* A smaller pool_size: what is idle beyond it goes at once. */
void
pool_trim(struct pool *pool)
{
	int		 size = pool_profile(pool)->settings.pool_size, excess;
	struct server	*server;

	if (size == 0)
		return;
	pthread_mutex_lock(&pool->shared.mutex);
	excess = pool->shared.total - pool->shared.moving - size;
	while (excess-- > 0 &&
	    (server = pool_oldest_idle_locked(pool)) != NULL)
		pool_evict_one(pool, server);
	pthread_mutex_unlock(&pool->shared.mutex);
}

/*
 * Limits of clients.
 */

static pthread_mutex_t	entrance = PTHREAD_MUTEX_INITIALIZER;

static enum pool_entry
pool_is_full(const struct pool *pool, const struct pool_settings *settings)
{
	int	of_database = 0, of_user = 0, here;

	for (const struct pool *other = pool_each(NULL); other != NULL;
	    other = pool_each(other)) {
		here = 0;
		for (int i = 0; i < other->lane_count; i++)
			here += atomic_load(&other->lanes[i].clients);
		if (strcmp(other->database, pool->database) == 0)
			of_database += here;
		if (strcmp(other->user, pool->user) == 0)
			of_user += here;
	}
	if (settings->max_db_client_connections > 0 &&
	    of_database >= settings->max_db_client_connections)
		return POOL_DATABASE_FULL;
	if (settings->max_user_client_connections > 0 &&
	    of_user >= settings->max_user_client_connections)
		return POOL_USER_FULL;
	return POOL_ENTERED;
}

enum pool_entry
pool_enter(struct pool *pool, const struct loop *loop)
{
	const struct pool_settings *settings = &pool_profile(pool)->settings;
	_Atomic int		*clients = &pool_lane_of(pool, loop)->clients;
	enum pool_entry		 entry;

	if (settings->max_db_client_connections == 0 &&
	    settings->max_user_client_connections == 0) {
		atomic_fetch_add(clients, 1);
		return POOL_ENTERED;
	}
	pthread_mutex_lock(&entrance);
	if ((entry = pool_is_full(pool, settings)) == POOL_ENTERED)
		atomic_fetch_add(clients, 1);
	pthread_mutex_unlock(&entrance);
	return entry;
}
