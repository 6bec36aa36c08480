/*
 * The families of /metrics that have pools or databases as labels.
 */

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/choice.h"
#include "config/config.h"
#include "ops/metrics.h"
#include "ops/metrics_text.h"
#include "ops/overview.h"
#include "pool/budget.h"

/*
 * Pools.
 */

static double
pool_clients_active(const struct overview_pool *pool)
{
	/* Those who wait here may be counted at another host. */
	return pool->numbers.clients < pool->numbers.waiting ? 0 :
	    pool->numbers.clients - pool->numbers.waiting;
}

static double
pool_clients_waiting(const struct overview_pool *pool)
{
	return pool->numbers.waiting;
}

static double
pool_servers_active(const struct overview_pool *pool)
{
	return pool->numbers.linked;
}

static double
pool_servers_idle(const struct overview_pool *pool)
{
	return pool->numbers.idle + pool->numbers.moving;
}

static double
pool_servers_login(const struct overview_pool *pool)
{
	return pool->numbers.opening;
}

static double
pool_nothing(const struct overview_pool *pool)
{
	(void)pool;
	return 0;
}

static double
pool_longest_wait(const struct overview_pool *pool)
{
	return (double)pool->numbers.oldest_wait_us / 1e6;
}

static double
pool_size(const struct overview_pool *pool)
{
	return pool->size;
}

static double
pool_pinned(const struct overview_pool *pool)
{
	return pool->pinned;
}

static const struct {
	const char	*name, *help;
	double		(*value)(const struct overview_pool *);
} pool_families[] = {
	{ "pgweir_pool_pinned_clients",
	    "clients that keep a server to themselves", pool_pinned },
	{ "pgbouncer_pools_client_active_connections",
	    "clients that are linked to a server or idle",
	    pool_clients_active },
	{ "pgbouncer_pools_client_waiting_connections",
	    "clients that wait for a server", pool_clients_waiting },
	{ "pgbouncer_pools_client_maxwait_seconds",
	    "how long the first in line has waited", pool_longest_wait },
	{ "pgbouncer_pools_server_active_connections",
	    "servers that are linked to a client", pool_servers_active },
	{ "pgbouncer_pools_server_idle_connections",
	    "servers that are idle", pool_servers_idle },
	{ "pgbouncer_pools_server_login_connections",
	    "servers that are being opened", pool_servers_login },
	{ "pgbouncer_pools_server_used_connections",
	    "always 0: a server is idle or in use", pool_nothing },
	{ "pgbouncer_pools_server_testing_connections",
	    "always 0: a server is idle or in use", pool_nothing },
	{ "pgweir_pool_size", "servers at most, 0 for unlimited",
	    pool_size },
};

static void
metrics_each_pool(struct buf *out, const struct overview *overview)
{
	for (size_t f = 0; f < sizeof pool_families /
	    sizeof pool_families[0]; f++) {
		metrics_head(out, pool_families[f].name, "gauge",
		    pool_families[f].help);
		for (size_t i = 0; i < overview->pool_count; i++) {
			const struct overview_pool *pool =
			    &overview->pools[i];

			metrics_open(out, pool_families[f].name);
			metrics_label(out, "database", pool->database);
			metrics_label(out, "user", pool->user);
			metrics_label(out, "host", pool->host);
			metrics_value(out, pool_families[f].value(pool));
		}
	}
}

static void
metrics_pin(struct buf *out, const struct overview_pool *pool,
    const char *name, unsigned pin, uint64_t count)
{
	if (count == 0)
		return;
	metrics_open(out, name);
	metrics_label(out, "database", pool->database);
	metrics_label(out, "user", pool->user);
	metrics_label(out, "host", pool->host);
	metrics_label(out, "reason", pin_label((enum pin_number)pin));
	metrics_value(out, (double)count);
}

/* What has tied clients to servers, where it ever did. */
static void
metrics_each_pin(struct buf *out, const struct overview *overview)
{
	static const char	 tied[] = "pgweir_pins_total",
				 refused[] = "pgweir_pins_refused_total";
	const struct overview_pool *pool;

	metrics_head(out, tied, "counter", "how often this made a client "
	    "keep its server");
	for (size_t i = 0; i < overview->pool_count; i++) {
		pool = &overview->pools[i];
		for (unsigned pin = 0; pin < PIN_COUNT; pin++)
			metrics_pin(out, pool, tied, pin,
			    atomic_load(&pool->pins.tied[pin]));
	}
	metrics_head(out, refused, "counter", "how often that was refused, "
	    "by max_pinned or pin");
	for (size_t i = 0; i < overview->pool_count; i++) {
		pool = &overview->pools[i];
		for (unsigned pin = 0; pin < PIN_COUNT; pin++)
			metrics_pin(out, pool, refused, pin,
			    atomic_load(&pool->pins.refused[pin]));
	}
}

/*
 * Counters of databases.
 */

static const struct {
	const char	*name, *help;
	size_t		 offset;
	double		 unit;
} counter_families[] = {
#define AT(field)	offsetof(struct counters, field)
	{ "pgbouncer_stats_queries_pooled_total",
	    "queries: Query, or a batch up to Sync", AT(query_count), 1 },
	{ "pgbouncer_stats_sql_transactions_pooled_total",
	    "transactions that ended", AT(xact_count), 1 },
	{ "pgbouncer_stats_received_bytes_total", "bytes from clients",
	    AT(received), 1 },
	{ "pgbouncer_stats_sent_bytes_total", "bytes to clients", AT(sent),
	    1 },
	{ "pgbouncer_stats_queries_duration_seconds_total",
	    "time between queries and their ends", AT(query_time), 1e-6 },
	{ "pgbouncer_stats_server_in_transaction_seconds_total",
	    "time servers were linked in transactions", AT(xact_time),
	    1e-6 },
	{ "pgbouncer_stats_client_wait_seconds_total",
	    "time clients waited for a server", AT(wait_time), 1e-6 },
	{ "pgbouncer_stats_client_parses_total",
	    "Parse messages from clients", AT(client_parse_count), 1 },
	{ "pgbouncer_stats_server_parses_total",
	    "Parse messages to servers", AT(server_parse_count), 1 },
	{ "pgbouncer_stats_binds_total", "Bind messages from clients",
	    AT(bind_count), 1 },
	{ "pgweir_server_assignments_total", "servers given to clients",
	    AT(server_assignment_count), 1 },
	{ "pgweir_client_logins_total", "clients that logged in",
	    AT(client_login_count), 1 },
#undef AT
};

static double
metrics_counter(const struct counters *counters, size_t offset)
{
	const _Atomic uint64_t	*at = (const void *)
				    ((const char *)counters + offset);

	return (double)atomic_load(at);
}

static void
metrics_each_counter(struct buf *out, const struct overview *overview)
{
	for (size_t f = 0; f < sizeof counter_families /
	    sizeof counter_families[0]; f++) {
		metrics_head(out, counter_families[f].name, "counter",
		    counter_families[f].help);
		for (size_t i = 0; i < overview->database_count; i++) {
			metrics_open(out, counter_families[f].name);
			metrics_label(out, "database",
			    overview->databases[i].name);
			metrics_value(out, counter_families[f].unit *
			    metrics_counter(&overview->databases[i].counters,
			    counter_families[f].offset));
		}
	}
}

/* Where transactions went, where there was a choice. */
static void
metrics_each_route(struct buf *out, const struct overview *overview)
{
	static const char	name[] = "pgweir_routes_total";
	uint64_t		count;

	metrics_head(out, name, "counter", "transactions by where they went, "
	    "and why");
	for (size_t i = 0; i < overview->database_count; i++)
		for (int cell = 0; cell < TARGET_COUNT * WHY_COUNT; cell++) {
			count = atomic_load(&overview->databases[i].routes
			    .taken[cell / WHY_COUNT][cell % WHY_COUNT]);
			if (count == 0)
				continue;
			metrics_open(out, name);
			metrics_label(out, "database",
			    overview->databases[i].name);
			metrics_label(out, "target", route_target_name(
			    (enum route_target)(cell / WHY_COUNT)));
			metrics_label(out, "reason", route_why_label(
			    (enum route_why)(cell % WHY_COUNT)));
			metrics_value(out, (double)count);
		}
}

/*
 * Histograms of databases.  A boundary may count times that are longer by an
 * eighth, which is how fine they are kept.
 */

static const struct {
	const char	*name, *help;
	size_t		 offset;
} histogram_families[] = {
#define AT(field)	offsetof(struct pool_times, field)
	{ "pgweir_query_duration_seconds",
	    "between a query and its end", AT(query) },
	{ "pgweir_transaction_duration_seconds",
	    "between the first query of a transaction and its end",
	    AT(transaction) },
	{ "pgweir_client_wait_duration_seconds",
	    "for a server, of those who had to wait", AT(wait) },
	{ "pgweir_login_duration_seconds",
	    "between a client's connection and the end of its "
	    "authentication", AT(login) },
#undef AT
};

static const struct {
	int64_t		 us;
	const char	*text;
} boundaries[] = {
	{ 100, "0.0001" }, { 250, "0.00025" }, { 500, "0.0005" },
	{ 1000, "0.001" }, { 2500, "0.0025" }, { 5000, "0.005" },
	{ 10000, "0.01" }, { 25000, "0.025" }, { 50000, "0.05" },
	{ 100000, "0.1" }, { 250000, "0.25" }, { 500000, "0.5" },
	{ 1000000, "1" }, { 2500000, "2.5" }, { 5000000, "5" },
	{ 10000000, "10" }, { 30000000, "30" }, { 60000000, "60" },
};

static void
metrics_histogram(struct buf *out, const char *name, const char *database,
    const struct histogram *histogram)
{
	uint64_t	count = histogram_count(histogram);

	for (size_t i = 0; i <= sizeof boundaries / sizeof boundaries[0];
	    i++) {
		bool	is_last = i == sizeof boundaries /
			    sizeof boundaries[0];

		buf_printf(out, "%s_bucket", name);
		metrics_label(out, "database", database);
		metrics_label(out, "le", is_last ? "+Inf" :
		    boundaries[i].text);
		metrics_value(out, (double)(is_last ? count :
		    histogram_count_within(histogram, boundaries[i].us)));
	}
	buf_printf(out, "%s_sum", name);
	metrics_label(out, "database", database);
	metrics_value(out, (double)histogram_sum_us(histogram) / 1e6);
	buf_printf(out, "%s_count", name);
	metrics_label(out, "database", database);
	metrics_value(out, (double)count);
}

static void
metrics_each_histogram(struct buf *out, const struct overview *overview)
{
	for (size_t f = 0; f < sizeof histogram_families /
	    sizeof histogram_families[0]; f++) {
		metrics_head(out, histogram_families[f].name, "histogram",
		    histogram_families[f].help);
		for (size_t i = 0; i < overview->database_count; i++) {
			const struct overview_database	*database =
			    &overview->databases[i];

			metrics_histogram(out, histogram_families[f].name,
			    database->name, (const void *)
			    ((const char *)&database->times +
			    histogram_families[f].offset));
		}
	}
}

/*
 * Databases of the configuration; those of "*" by the names by which they are
 * used.
 */

struct database_row {
	const struct database	*entry;
	const char		*name;
	struct pool_settings	 settings;
	struct pool_numbers	 numbers;
};

static double
database_pool_size(const struct database_row *row)
{
	return row->settings.pool_size;
}

static double
database_reserve(const struct database_row *row)
{
	return row->settings.reserve_pool_size;
}

static double
database_max(const struct database_row *row)
{
	return row->settings.max_db_connections;
}

static double
database_servers(const struct database_row *row)
{
	return row->numbers.total;
}

static double
database_is_paused(const struct database_row *row)
{
	return pools_are_paused(row->name);
}

static double
database_is_disabled(const struct database_row *row)
{
	return pools_are_disabled(row->name);
}

static const struct {
	const char	*name, *help;
	double		(*value)(const struct database_row *);
} database_families[] = {
	{ "pgbouncer_databases_pool_size",
	    "servers of one user at most, 0 for unlimited",
	    database_pool_size },
	{ "pgbouncer_databases_reserve_pool",
	    "additional servers for clients that wait long",
	    database_reserve },
	{ "pgbouncer_databases_max_connections",
	    "servers over all users at most, 0 for unlimited",
	    database_max },
	{ "pgbouncer_databases_current_connections", "servers",
	    database_servers },
	{ "pgbouncer_databases_paused", "1: PAUSE was said",
	    database_is_paused },
	{ "pgbouncer_databases_disabled", "1: DISABLE was said",
	    database_is_disabled },
};

static void
database_row_fill(struct database_row *row, const struct config *config,
    const char *name, const struct overview *overview)
{
	const struct overview_database	*found;

	row->entry = config_database(config, name);
	row->name = name;
	budget_pool_settings(config, row->entry, "", &row->settings);
	if ((found = overview_database(overview, name)) != NULL)
		row->numbers = found->numbers;
}

static size_t
database_rows(struct database_row *rows, const struct config *config,
    const struct overview *overview)
{
	const char	*name;
	size_t		 count = 0;

	for (size_t i = 0; i < config->database_count; i++) {
		name = config->databases[i]->name;
		if (strcmp(name, "*") != 0)
			database_row_fill(&rows[count++], config, name,
			    overview);
	}
	for (size_t i = 0; i < overview->database_count; i++) {
		name = overview->databases[i].name;
		if (config_is_auto(config, name))
			database_row_fill(&rows[count++], config, name,
			    overview);
	}
	return count;
}

static void
metrics_database(struct buf *out, size_t family,
    const struct database_row *row)
{
	const struct database	*entry = row->entry;
	char			 port[16];

	snprintf(port, sizeof port, "%d", entry->port);
	metrics_open(out, database_families[family].name);
	metrics_label(out, "name", row->name);
	metrics_label(out, "host", entry->host);
	metrics_label(out, "port", port);
	metrics_label(out, "database", entry->dbname != NULL ?
	    entry->dbname : row->name);
	metrics_label(out, "force_user", entry->user);
	metrics_label(out, "pool_mode",
	    choice_name(CHOICE_MODE, (int)row->settings.mode));
	metrics_value(out, database_families[family].value(row));
}

static void
metrics_each_database(struct buf *out, const struct overview *overview)
{
	struct config		*config = config_current();
	struct database_row	*rows;
	size_t			 count;

	rows = mem_new((config->database_count + overview->database_count) *
	    sizeof *rows);
	count = database_rows(rows, config, overview);
	for (size_t f = 0; f < sizeof database_families /
	    sizeof database_families[0]; f++) {
		metrics_head(out, database_families[f].name, "gauge",
		    database_families[f].help);
		for (size_t i = 0; i < count; i++)
			metrics_database(out, f, &rows[i]);
	}
	free(rows);
	config_release(config);
}

void
metrics_pools(struct buf *out, const struct overview *overview)
{
	metrics_each_pool(out, overview);
	metrics_each_pin(out, overview);
	metrics_each_counter(out, overview);
	metrics_each_route(out, overview);
	metrics_each_histogram(out, overview);
	metrics_each_database(out, overview);
}
