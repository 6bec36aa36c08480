/*
 * /data.json: what the page shows, from an overview of the pools.
 */

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/mem.h"
#include "client/client.h"
#include "config/choice.h"
#include "config/config.h"
#include "ops/hosts.h"
#include "ops/overview.h"
#include "ops/page.h"
#include "ops/process.h"

/* More rows than anybody reads are left out, the idlest first. */
enum { PAGE_POOLS_MAX = 200 };

static const int64_t	page_boundaries_us[] = {
	100, 200, 300, 500, 750, 1000, 1500, 2000, 3000, 5000, 7500, 10000,
	15000, 20000, 30000, 50000, 75000, 100000, 200000, 300000, 500000,
	1000000, 2000000, 5000000, 10000000, 30000000,
};

/* A member of the object that is open: a comma if it is not the first. */
static void
page_name(struct buf *out, const char *name)
{
	uint8_t	last = buf_bytes(out)[buf_length(out) - 1];

	buf_printf(out, "%s\"%s\":", last == '{' ? "" : ",", name);
}

static void
page_text(struct buf *out, const char *name, const char *text)
{
	page_name(out, name);
	json_add(out, text);
}

static void
page_number(struct buf *out, const char *name, int64_t number)
{
	page_name(out, name);
	buf_printf(out, "%lld", (long long)number);
}

/* An element of the list that is open. */
static void
page_open_element(struct buf *out)
{
	uint8_t	last = buf_bytes(out)[buf_length(out) - 1];

	buf_add_text(out, last == '[' ? "{" : ",{");
}

static void
page_process(struct buf *out)
{
	struct config	*config = config_current();

	page_text(out, "version", PACKAGE_VERSION);
	page_text(out, "state", process.state());
	page_number(out, "now_us", clock_now_us());
	page_number(out, "uptime_s", (clock_now_us() - process.started_us) /
	    US_PER_SECOND);
	page_name(out, "reload_has_failed");
	buf_add_text(out, process.reload_has_failed ? "true" : "false");
	page_name(out, "clients");
	buf_add_text(out, "{");
	page_number(out, "used", atomic_load(&client_numbers.served));
	page_number(out, "logging_in",
	    atomic_load(&client_numbers.logging_in));
	page_number(out, "max", config->option.max_client_conn);
	buf_add_text(out, "}");
	config_release(config);
}

static int64_t
page_count_errors(void)
{
	struct error_kind	*kinds = mem_new(ERRORS_KINDS_MAX *
				    sizeof *kinds);
	size_t			 n = errors_kinds(kinds);
	uint64_t		 sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += kinds[i].count;
	free(kinds);
	return (int64_t)sum;
}

static void
page_totals(struct buf *out, const struct overview *overview)
{
	struct counters		*sum = mem_new(sizeof *sum);
	struct histogram	*query = mem_new(sizeof *query);

	for (size_t i = 0; i < overview->database_count; i++) {
		counters_add(sum, &overview->databases[i].counters);
		histogram_add(query, &overview->databases[i].times.query);
	}
	page_name(out, "totals");
	buf_add_text(out, "{");
	page_number(out, "queries", (int64_t)sum->query_count);
	page_number(out, "transactions", (int64_t)sum->xact_count);
	page_number(out, "received", (int64_t)sum->received);
	page_number(out, "sent", (int64_t)sum->sent);
	page_number(out, "errors", page_count_errors());
	buf_add_text(out, "}");
	page_name(out, "boundaries_us");
	buf_add_text(out, "[");
	for (size_t i = 0; i < ARRAY_LENGTH(page_boundaries_us); i++)
		buf_printf(out, "%s%lld", i > 0 ? "," : "",
		    (long long)page_boundaries_us[i]);
	buf_add_text(out, "]");
	page_name(out, "query_buckets");
	buf_add_text(out, "[");
	for (size_t i = 0; i < ARRAY_LENGTH(page_boundaries_us); i++)
		buf_printf(out, "%llu,", (unsigned long long)
		    histogram_count_within(query, page_boundaries_us[i]));
	buf_printf(out, "%llu]",
	    (unsigned long long)histogram_count(query));
	free(query);
	free(sum);
}

static void
page_pool_numbers(struct buf *out, const struct pool_numbers *numbers)
{
	page_number(out, "linked", numbers->linked);
	page_number(out, "idle", numbers->idle + numbers->moving);
	page_number(out, "opening", numbers->opening);
	page_number(out, "servers", numbers->total);
	page_number(out, "clients", numbers->clients);
	page_number(out, "waiting", numbers->waiting);
	page_number(out, "longest_wait_us", numbers->oldest_wait_us);
}

static int
page_compare_pools(const void *a, const void *b)
{
	const struct pool_numbers *one =
	    &((const struct overview_pool *)a)->numbers;
	const struct pool_numbers *other =
	    &((const struct overview_pool *)b)->numbers;

	if (one->waiting != other->waiting)
		return other->waiting - one->waiting;
	if (one->linked != other->linked)
		return other->linked - one->linked;
	return other->clients - one->clients;
}

static void
page_pools(struct buf *out, const struct overview *overview)
{
	if (overview->pool_count > PAGE_POOLS_MAX)
		qsort(overview->pools, overview->pool_count,
		    sizeof overview->pools[0], page_compare_pools);
	page_name(out, "pools");
	buf_add_text(out, "[");
	for (size_t i = 0; i < overview->pool_count && i < PAGE_POOLS_MAX;
	    i++) {
		const struct overview_pool	*pool = &overview->pools[i];

		page_open_element(out);
		page_text(out, "database", pool->database);
		page_text(out, "user", pool->user);
		page_text(out, "host", pool->host);
		page_text(out, "mode",
		    choice_name(CHOICE_MODE, (int)pool->mode));
		page_number(out, "size", pool->size);
		page_pool_numbers(out, &pool->numbers);
		buf_add_text(out, "}");
	}
	buf_add_text(out, "]");
}

struct page_hosts {
	struct buf		*out;
	const struct overview	*overview;
};

static void
page_on_host(void *arg, const struct host_row *host)
{
	const struct overview	*overview = ((struct page_hosts *)arg)->
				    overview;
	struct buf		*out = ((struct page_hosts *)arg)->out;
	int			 linked = 0, idle = 0;

	for (size_t i = 0; i < overview->pool_count; i++)
		if (strcmp(overview->pools[i].host,
		    host->backend->name) == 0) {
			linked += overview->pools[i].numbers.linked;
			idle += overview->pools[i].numbers.idle;
		}
	page_open_element(out);
	page_text(out, "name", host->backend->name);
	page_text(out, "role", host->role);
	page_text(out, "state", host->state);
	page_number(out, "linked", linked);
	page_number(out, "idle", idle);
	if (host->use == USE_READ || host->use == USE_LATE)
		page_number(out, "lag_us",
		    atomic_load(&host->backend->lag_us));
	buf_add_text(out, "}");
}

static void
page_hosts(struct buf *out, const struct overview *overview)
{
	struct page_hosts	hosts = { out, overview };

	page_name(out, "hosts");
	buf_add_text(out, "[");
	hosts_each(page_on_host, &hosts);
	buf_add_text(out, "]");
}

static void
page_failovers(struct buf *out)
{
	struct failover	list[FAILOVERS_MAX];
	size_t		n = failovers_list(list);

	page_name(out, "failovers");
	buf_add_text(out, "[");
	for (size_t i = 0; i < n; i++) {
		page_open_element(out);
		page_number(out, "at_us", list[i].at_us);
		page_text(out, "text", list[i].text);
		buf_add_text(out, "}");
	}
	buf_add_text(out, "]");
}

static void
page_errors(struct buf *out)
{
	struct error_event	*recent = mem_new(ERRORS_RECENT_MAX *
				    sizeof *recent);
	size_t			 n = errors_recent(recent);

	page_name(out, "errors");
	buf_add_text(out, "[");
	for (size_t i = 0; i < n; i++) {
		page_open_element(out);
		page_number(out, "at_us", recent[i].at_us);
		page_text(out, "sqlstate", recent[i].sqlstate);
		page_text(out, "source",
		    recent[i].is_servers ? "server" : "pgweir");
		page_text(out, "reason", recent[i].reason);
		page_text(out, "database", recent[i].database);
		page_text(out, "user", recent[i].user);
		page_text(out, "text", recent[i].text);
		buf_add_text(out, "}");
	}
	buf_add_text(out, "]");
	free(recent);
}

void
page_write(struct buf *out)
{
	struct overview	*overview = overview_new();

	buf_add_text(out, "{");
	page_process(out);
	page_name(out, "sum");
	buf_add_text(out, "{");
	page_pool_numbers(out, &overview->sum);
	buf_add_text(out, "}");
	page_totals(out, overview);
	page_hosts(out, overview);
	page_pools(out, overview);
	page_failovers(out);
	page_errors(out);
	buf_add_text(out, "}");
	overview_free(overview);
}
