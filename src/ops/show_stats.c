/*
 * SHOW STATS and its relatives: a row a database, over its pools.
 */

#include <string.h>

#include "base/clock.h"
#include "ops/process.h"
#include "ops/show_private.h"
#include "pool/pool.h"

static bool
show_is_first_of(const struct pool *pool)
{
	for (const struct pool *other = pool_each(NULL); other != pool;
	    other = pool_each(other))
		if (strcmp(other->database, pool->database) == 0)
			return false;
	return true;
}

static void
show_sum(const char *database, struct counters *sum)
{
	memset(sum, 0, sizeof *sum);
	for (struct pool *pool = pool_each(NULL); pool != NULL;
	    pool = pool_each(pool))
		if (database == NULL ||
		    strcmp(pool->database, database) == 0)
			pool_sum_counters(pool, sum);
}

static void
show_totals(struct show *show, const struct counters *sum)
{
#define SHOW_COUNTER(name, text)					\
	show_number(show, (int64_t)atomic_load(&sum->name));
	COUNTER_LIST(SHOW_COUNTER)
#undef SHOW_COUNTER
}

static int64_t
show_each_of(uint64_t sum, uint64_t count)
{
	return count == 0 ? 0 : (int64_t)(sum / count);
}

/* Over the life of the process: a second, or one of its kind. */
static void
show_averages(struct show *show, const struct counters *sum)
{
	int64_t		life_us = clock_now_us() - process.started_us;
	uint64_t	seconds = (uint64_t)(life_us / US_PER_SECOND) + 1;

	show_number(show, show_each_of(sum->server_assignment_count,
	    seconds));
	show_number(show, show_each_of(sum->xact_count, seconds));
	show_number(show, show_each_of(sum->query_count, seconds));
	show_number(show, show_each_of(sum->received, seconds));
	show_number(show, show_each_of(sum->sent, seconds));
	show_number(show, show_each_of(sum->xact_time, sum->xact_count));
	show_number(show, show_each_of(sum->query_time, sum->query_count));
	show_number(show, show_each_of(sum->wait_time,
	    sum->server_assignment_count));
	show_number(show, show_each_of(sum->client_parse_count, seconds));
	show_number(show, show_each_of(sum->server_parse_count, seconds));
	show_number(show, show_each_of(sum->bind_count, seconds));
	show_number(show, show_each_of(sum->client_login_count, seconds));
}

static void
show_fill_counters(struct show *show, bool totals, bool averages)
{
	struct counters	sum;

	for (struct pool *pool = pool_each(NULL); pool != NULL;
	    pool = pool_each(pool)) {
		if (!show_is_first_of(pool))
			continue;
		show_sum(pool->database, &sum);
		show_text(show, pool->database);
		if (totals)
			show_totals(show, &sum);
		if (averages)
			show_averages(show, &sum);
		/* Debian's exporter asks for this name of long ago. */
		if (totals && averages)
			show_number(show, (int64_t)sum.query_count);
		show_row(show);
	}
}

void
show_fill_stats(struct show *show)
{
	show_fill_counters(show, true, true);
}

void
show_fill_stats_totals(struct show *show)
{
	show_fill_counters(show, true, false);
}

void
show_fill_stats_averages(struct show *show)
{
	show_fill_counters(show, false, true);
}

void
show_fill_totals(struct show *show)
{
	struct counters	sum;

	show_sum(NULL, &sum);
#define SHOW_COUNTER(name, text)					\
	show_item(show, "total_" #name, (int64_t)atomic_load(&sum.name));
	COUNTER_LIST(SHOW_COUNTER)
#undef SHOW_COUNTER
}
