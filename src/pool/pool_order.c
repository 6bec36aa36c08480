/*
 * What the console has ordered of databases: paused and disabled.
 *
 * An order counts for pools that are made later as well, so it is kept here
 * by the database's name; the pools have it as flags, which is where the data
 * path looks.  An order is written down first and the pools that exist are
 * told afterwards; a new pool joins the list of all pools first and asks for
 * its orders afterwards, so that no pool is missed.
 *
 * Any thread.  The mutex is a leaf.
 */

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pool/pool.h"
#include "pool/pool_private.h"

enum pause {
	PAUSE_AS_ALL,		/* what was said last of all databases */
	PAUSE_ON,
	PAUSE_OFF,
};

struct order {
	char		*database;
	enum pause	 pause;
	bool		 is_disabled;
	struct order	*next;
};

static struct {
	pthread_mutex_t	 mutex;
	struct order	*first;
	bool		 is_paused;	/* all databases without their own */
} orders = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static struct order *
order_find_locked(const char *database)
{
	struct order	*order;

	for (order = orders.first; order != NULL; order = order->next)
		if (strcmp(order->database, database) == 0)
			return order;
	return NULL;
}

static struct order *
order_make_locked(const char *database)
{
	struct order	*order = order_find_locked(database);

	if (order != NULL)
		return order;
	order = mem_new(sizeof *order);
	order->database = mem_string(database);
	order->next = orders.first;
	orders.first = order;
	return order;
}

static bool
order_is_paused_locked(const char *database)
{
	const struct order	*order = database == NULL ? NULL :
				    order_find_locked(database);

	if (order == NULL || order->pause == PAUSE_AS_ALL)
		return orders.is_paused;
	return order->pause == PAUSE_ON;
}

static void
order_set_paused(const char *database, bool is_paused)
{
	struct order	*order;

	pthread_mutex_lock(&orders.mutex);
	if (database != NULL)
		order_make_locked(database)->pause = is_paused ? PAUSE_ON :
		    PAUSE_OFF;
	else {
		orders.is_paused = is_paused;
		for (order = orders.first; order != NULL; order = order->next)
			order->pause = PAUSE_AS_ALL;
	}
	pthread_mutex_unlock(&orders.mutex);
}

static bool
order_is_about(const struct pool *pool, const char *database)
{
	return database == NULL || strcmp(pool->database, database) == 0;
}

void
pools_pause(const char *database)
{
	struct pool	*pool;

	order_set_paused(database, true);
	for (pool = pool_each(NULL); pool != NULL; pool = pool_each(pool))
		if (order_is_about(pool, database))
			atomic_store(&pool->is_paused, true);
}

void
pools_resume(const char *database)
{
	struct pool	*pool;

	order_set_paused(database, false);
	for (pool = pool_each(NULL); pool != NULL; pool = pool_each(pool))
		if (order_is_about(pool, database))
			pool_resume(pool);
}

void
pools_set_disabled(const char *database, bool is_disabled)
{
	struct pool	*pool;

	pthread_mutex_lock(&orders.mutex);
	order_make_locked(database)->is_disabled = is_disabled;
	pthread_mutex_unlock(&orders.mutex);
	for (pool = pool_each(NULL); pool != NULL; pool = pool_each(pool))
		if (order_is_about(pool, database))
			atomic_store(&pool->is_disabled, is_disabled);
}

bool
pools_are_paused(const char *database)
{
	bool	is_paused;

	pthread_mutex_lock(&orders.mutex);
	is_paused = order_is_paused_locked(database);
	pthread_mutex_unlock(&orders.mutex);
	return is_paused;
}

bool
pools_have_paused(void)
{
	const struct order	*order;
	bool			 have;

	pthread_mutex_lock(&orders.mutex);
	have = orders.is_paused;
	for (order = orders.first; order != NULL; order = order->next)
		have = have || order->pause == PAUSE_ON;
	pthread_mutex_unlock(&orders.mutex);
	return have;
}

bool
pools_are_disabled(const char *database)
{
	const struct order	*order;
	bool			 is_disabled;

	pthread_mutex_lock(&orders.mutex);
	order = order_find_locked(database);
	is_disabled = order != NULL && order->is_disabled;
	pthread_mutex_unlock(&orders.mutex);
	return is_disabled;
}

void
pool_obey(struct pool *pool)
{
	const struct order	*order;

	pthread_mutex_lock(&orders.mutex);
	order = order_find_locked(pool->database);
	if (order_is_paused_locked(pool->database))
		atomic_store(&pool->is_paused, true);
	if (order != NULL && order->is_disabled)
		atomic_store(&pool->is_disabled, true);
	pthread_mutex_unlock(&orders.mutex);
}

void
pool_orders_done(void)
{
	struct order	*order;

	while ((order = orders.first) != NULL) {
		orders.first = order->next;
		free(order->database);
		free(order);
	}
	orders.is_paused = false;
}
