/*
 * See ops/overview.h.
 */

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ops/overview.h"
#include "pool/backend.h"

/* Looked at once: it may go, or come back, at any time. */
struct sight {
	struct pool	*pool;
	bool		 is_gone;
};

/* Of the same database, user and host, one that is there comes first. */
static int
overview_compare(const void *a, const void *b)
{
	const struct sight	*seen = a, *also = b;
	const struct pool	*one = seen->pool, *other = also->pool;
	int			 order = strcmp(one->database,
				    other->database);

	if (order == 0)
		order = strcmp(one->user, other->user);
	if (order == 0)
		order = strcmp(one->backend->name, other->backend->name);
	return order != 0 ? order : seen->is_gone - also->is_gone;
}

static struct sight *
overview_sorted(size_t *count)
{
	struct sight	*list = NULL;
	struct pool	*pool;
	size_t		 room = 0;

	*count = 0;
	for (pool = pool_each(NULL); pool != NULL; pool = pool_each(pool)) {
		if (*count == room) {
			room = room * 2 + 16;
			list = mem_resize(list, room * sizeof *list);
		}
		list[(*count)++] = (struct sight){ pool, pool_is_gone(pool) };
	}
	if (*count > 0)
		qsort(list, *count, sizeof *list, overview_compare);
	return list;
}

static void
overview_add(struct pool_numbers *sum, const struct pool_numbers *part)
{
	sum->clients += part->clients;
	sum->waiting += part->waiting;
	sum->linked += part->linked;
	sum->idle += part->idle;
	sum->moving += part->moving;
	sum->opening += part->opening;
	sum->total += part->total;
	if (part->oldest_wait_us > sum->oldest_wait_us)
		sum->oldest_wait_us = part->oldest_wait_us;
}

/* A pool made anew beside its retired self is one row with it. */
static struct overview_pool *
overview_pool_row(struct overview *overview, const struct sight *sight)
{
	const struct pool	*pool = sight->pool;
	struct overview_pool	*row;

	if (overview->pool_count > 0) {
		row = &overview->pools[overview->pool_count - 1];
		if (strcmp(row->database, pool->database) == 0 &&
		    strcmp(row->user, pool->user) == 0 &&
		    strcmp(row->host, pool->backend->name) == 0)
			return row;
	}
	if (sight->is_gone)
		return NULL;
	row = &overview->pools[overview->pool_count++];
	row->database = pool->database;
	row->user = pool->user;
	row->host = pool->backend->name;
	return row;
}

static struct overview_database *
overview_database_row(struct overview *overview, const char *name)
{
	struct overview_database	*row;

	if (overview->database_count > 0) {
		row = &overview->databases[overview->database_count - 1];
		if (strcmp(row->name, name) == 0)
			return row;
	}
	overview->databases = mem_resize(overview->databases,
	    (overview->database_count + 1) * sizeof *row);
	row = &overview->databases[overview->database_count++];
	memset(row, 0, sizeof *row);
	row->name = name;
	return row;
}

static void
overview_add_pool(struct overview_pool *row, struct pool *pool,
    const struct pool_numbers *numbers)
{
	row->mode = pool_profile(pool)->settings.mode;
	row->size = pool_profile(pool)->settings.pool_size;
	row->pinned += atomic_load(&pool->pinned);
	pool_sum_pins(pool, &row->pins);
	overview_add(&row->numbers, numbers);
}

/* What was counted in pools that are gone stays in their database's sums. */
static void
overview_add_to_database(struct overview_database *database,
    const struct sight *sight, const struct pool_numbers *numbers)
{
	database->is_there = database->is_there || !sight->is_gone;
	overview_add(&database->numbers, numbers);
	pool_sum_counters(sight->pool, &database->counters);
	pool_sum_routes(sight->pool, &database->routes);
	pool_sum_times(sight->pool, &database->times);
}

/* Databases of which every pool is gone are so, too. */
static void
overview_drop_databases(struct overview *overview)
{
	size_t	n = 0;

	for (size_t i = 0; i < overview->database_count; i++)
		if (overview->databases[i].is_there && n++ != i)
			overview->databases[n - 1] = overview->databases[i];
	overview->database_count = n;
}

struct overview *
overview_new(void)
{
	struct overview		*overview = mem_new(sizeof *overview);
	int64_t			 now_us = clock_now_us();
	struct overview_pool	*row;
	struct pool_numbers	 numbers;
	struct sight		*list;
	size_t			 count;

	list = overview_sorted(&count);
	overview->pools = mem_new((count + 1) * sizeof *overview->pools);
	for (size_t i = 0; i < count; i++) {
		pool_count(list[i].pool, now_us, &numbers);
		row = overview_pool_row(overview, &list[i]);
		if (row != NULL)
			overview_add_pool(row, list[i].pool, &numbers);
		overview_add_to_database(overview_database_row(overview,
		    list[i].pool->database), &list[i], &numbers);
		overview_add(&overview->sum, &numbers);
	}
	free(list);
	overview_drop_databases(overview);
	return overview;
}

void
overview_free(struct overview *overview)
{
	free(overview->pools);
	free(overview->databases);
	free(overview);
}

static int
overview_compare_name(const void *key, const void *row)
{
	return strcmp(key, ((const struct overview_database *)row)->name);
}

const struct overview_database *
overview_database(const struct overview *overview, const char *name)
{
	if (overview->database_count == 0)
		return NULL;
	return bsearch(name, overview->databases, overview->database_count,
	    sizeof overview->databases[0], overview_compare_name);
}
