/*
 * Pools that nobody uses any more: of a database that has left the
 * configuration, of a host that has left its name, or not used for
 * autodb_idle_timeout (databases made from "*") or pool_idle_timeout.
 *
 * Such a pool is retired, so that whoever comes looks it up again, which
 * brings it back; until then nothing shows it.
 */

#include "base/clock.h"
#include "config/config.h"
#include "pool/pool.h"
#include "pool/pool_set.h"

static bool
pool_is_empty(struct pool *pool)
{
	struct pool_numbers	numbers;

	pool_count(pool, 0, &numbers);
	return numbers.clients == 0 && numbers.waiting == 0 &&
	    numbers.total == 0;
}

bool
pool_is_gone(struct pool *pool)
{
	return atomic_load(&pool->is_retired) && pool_is_empty(pool);
}

struct pool *
pool_each_there(const struct pool *pool)
{
	struct pool	*next = pool_each(pool);

	while (next != NULL && pool_is_gone(next))
		next = pool_each(next);
	return next;
}

/* 0: it is kept. */
static int64_t
pool_idle_timeout_us(const struct pool *pool, const struct config *config)
{
	const struct option_values *option = &config->option;
	int64_t		 of_all = option->pool_idle_timeout_us;
	int64_t		 of_auto = option->autodb_idle_timeout_us;

	if (!config_is_auto(config, pool->database) || of_auto == 0)
		return of_all;
	return of_all == 0 || of_auto < of_all ? of_auto : of_all;
}

void
pools_forget(const struct config *config)
{
	int64_t			 now_us = clock_now_us(), timeout_us;
	const struct pool	*home;
	struct pool		*pool;

	for (pool = pool_each(NULL); pool != NULL; pool = pool_each(pool))
		if (!pool_is_empty(pool))
			atomic_store(&pool->used_us, now_us);
	for (pool = pool_each(NULL); pool != NULL; pool = pool_each(pool)) {
		home = pool->set != NULL ? pool->set->home : pool;
		timeout_us = pool_idle_timeout_us(pool, config);
		if (timeout_us > 0 &&
		    now_us - atomic_load(&pool->used_us) >= timeout_us &&
		    now_us - atomic_load(&home->used_us) >= timeout_us)
			atomic_store(&pool->is_retired, true);
	}
}
