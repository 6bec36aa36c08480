/*
 * SHOW STATS and its relatives: a row a database, over its pools.
 *
 * Averages are since the last sums but one, which the main thread takes every
 * stats_period; so they are over one or two of those.
 */

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "ops/show.h"
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

bool
show_stands_for_database(const struct pool *pool)
{
	struct pool	*any = NULL;

	if (!show_is_first_of(pool))
		return false;
	while ((any = pool_each_there(any)) != NULL)
		if (strcmp(any->database, pool->database) == 0)
			return true;
	return false;
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

/*
 * Sums of before.
 */

struct past {
	const char	*database;	/* as the pools have it */
	struct counters	 newer, older;
};

static struct {
	pthread_mutex_t	 mutex;
	struct past	*list;
	size_t		 count;
	int64_t		 newer_us, older_us;
	struct deadline	 deadline;	/* main's */
} past = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static struct past *
past_find_locked(const char *database)
{
	for (size_t i = 0; i < past.count; i++)
		if (strcmp(past.list[i].database, database) == 0)
			return &past.list[i];
	return NULL;
}

static void
past_take_locked(const char *database)
{
	struct past	*row = past_find_locked(database);

	if (row == NULL) {
		past.list = mem_resize(past.list,
		    (past.count + 1) * sizeof past.list[0]);
		row = &past.list[past.count++];
		memset(row, 0, sizeof *row);
		row->database = database;
	}
	row->older = row->newer;
	show_sum(database, &row->newer);
}

static void
past_subtract(struct counters *sum, const struct counters *before)
{
#define PAST_COUNTER(name, text)	sum->name -= before->name;
	COUNTER_LIST(PAST_COUNTER)
#undef PAST_COUNTER
}

/* Leaves in sum what was counted since then; returns how long ago it was. */
static int64_t
past_since(const char *database, struct counters *sum)
{
	const struct past	*row;
	int64_t			 since_us;

	pthread_mutex_lock(&past.mutex);
	since_us = past.older_us;
	if ((row = past_find_locked(database)) != NULL)
		past_subtract(sum, &row->older);
	pthread_mutex_unlock(&past.mutex);
	return clock_now_us() - since_us;
}

static int64_t
show_each_of(uint64_t sum, uint64_t count)
{
	return count == 0 ? 0 : (int64_t)(sum / count);
}

static int64_t
show_a_second(uint64_t count, int64_t in_us)
{
	return in_us <= 0 ? 0 : (int64_t)((double)count * US_PER_SECOND /
	    (double)in_us);
}

/* A second, or one of its kind. */
static void
show_averages(struct show *show, const struct counters *sum, int64_t in_us)
{
	show_number(show, show_a_second(sum->server_assignment_count,
	    in_us));
	show_number(show, show_a_second(sum->xact_count, in_us));
	show_number(show, show_a_second(sum->query_count, in_us));
	show_number(show, show_a_second(sum->received, in_us));
	show_number(show, show_a_second(sum->sent, in_us));
	show_number(show, show_each_of(sum->xact_time, sum->xact_count));
	show_number(show, show_each_of(sum->query_time, sum->query_count));
	show_number(show, show_each_of(sum->wait_time,
	    sum->server_assignment_count));
	show_number(show, show_a_second(sum->client_parse_count, in_us));
	show_number(show, show_a_second(sum->server_parse_count, in_us));
	show_number(show, show_a_second(sum->bind_count, in_us));
	show_number(show, show_a_second(sum->client_login_count, in_us));
}

static void
show_fill_counters(struct show *show, bool totals, bool averages)
{
	struct counters	sum;
	uint64_t	queries;
	int64_t		in_us;

	for (struct pool *pool = pool_each(NULL); pool != NULL;
	    pool = pool_each(pool)) {
		if (!show_stands_for_database(pool))
			continue;
		show_sum(pool->database, &sum);
		queries = sum.query_count;
		show_text(show, pool->database);
		if (totals)
			show_totals(show, &sum);
		if (averages) {
			in_us = past_since(pool->database, &sum);
			show_averages(show, &sum, in_us);
		}
		/* Debian's exporter asks for this name of long ago. */
		if (totals && averages)
			show_number(show, (int64_t)queries);
		show_row(show);
	}
	show_console_row(show);
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

/*
 * Every stats_period.
 */

static void
stats_log(const struct counters *sum, int64_t in_us)
{
	log_info(NULL, "stats: %lld xacts/s, %lld queries/s, in %lld B/s, "
	    "out %lld B/s, xact %lld us, query %lld us, wait %lld us",
	    (long long)show_a_second(sum->xact_count, in_us),
	    (long long)show_a_second(sum->query_count, in_us),
	    (long long)show_a_second(sum->received, in_us),
	    (long long)show_a_second(sum->sent, in_us),
	    (long long)show_each_of(sum->xact_time, sum->xact_count),
	    (long long)show_each_of(sum->query_time, sum->query_count),
	    (long long)show_each_of(sum->wait_time,
	    sum->server_assignment_count));
}

static void
stats_on_period(struct loop *loop, struct deadline *deadline)
{
	struct config	*config = config_current();
	struct counters	 sum, before;

	memset(&sum, 0, sizeof sum);
	memset(&before, 0, sizeof before);
	pthread_mutex_lock(&past.mutex);
	past.older_us = past.newer_us;
	past.newer_us = clock_now_us();
	pools_forget(config);
	for (struct pool *pool = pool_each(NULL); pool != NULL;
	    pool = pool_each(pool))
		if (show_is_first_of(pool))
			past_take_locked(pool->database);
	for (size_t i = 0; i < past.count; i++) {
		counters_add(&sum, &past.list[i].newer);
		counters_add(&before, &past.list[i].older);
	}
	past_subtract(&sum, &before);
	if (config->option.log_stats)
		stats_log(&sum, past.newer_us - past.older_us);
	pthread_mutex_unlock(&past.mutex);
	deadline_set(loop, deadline, config->option.stats_period_us,
	    stats_on_period);
	config_release(config);
}

void
show_stats_start(struct loop *loop)
{
	struct config	*config = config_current();

	past.older_us = past.newer_us = clock_now_us();
	deadline_set(loop, &past.deadline, config->option.stats_period_us,
	    stats_on_period);
	config_release(config);
}
