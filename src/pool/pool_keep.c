/*
 * Servers that are not lent: opened for one owner, who keeps them.
 *
 * They do not count in pool_size: a pool of one server would have none left
 * for its clients.  They do count in max_db_connections and
 * max_user_connections, which say what PostgreSQL can bear.
 */

#include "pool/backend.h"
#include "pool/pool.h"
#include "pool/pool_private.h"

bool
pool_open_kept(struct pool *pool, struct loop *loop,
    struct pool_keeper *keeper)
{
	struct limit	*full = NULL;

	if (!limit_reserve(pool->database_limit))
		full = pool->database_limit;
	else if (!limit_reserve(pool->user_limit)) {
		limit_release(pool->database_limit);
		full = pool->user_limit;
	}
	if (full != NULL) {
		pool_evict(full, NULL);
		return false;
	}
	server_open_kept(pool, loop, keeper);
	return true;
}

void
pool_release_kept(struct pool *pool)
{
	limit_release(pool->database_limit);
	limit_release(pool->user_limit);
	pool_limit_freed(pool->database_limit, NULL);
	pool_limit_freed(pool->user_limit, NULL);
}
