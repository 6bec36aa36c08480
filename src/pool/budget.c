/*
 * See pool/budget.h.
 *
 * What one process could open at a host is an upper bound that is easy to
 * understand: the sum over its databases of their pools' sizes with the
 * reserve, a database never counting more than its max_db_connections; or the
 * same over its users, if that is less.  A database of the configuration that
 * nobody has used yet counts with one pool.  One more is for questions of our
 * own.
 */

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/loop.h"
#include "pool/backend.h"
#include "pool/budget.h"
#include "pool/cluster.h"
#include "pool/libpq.h"
#include "pool/peers.h"
#include "pool/pool.h"

/* How often it is reckoned, and a host asked; sooner after a failure. */
#define LOOK_US		(2 * US_PER_SECOND)
#define ASK_US		(600 * US_PER_SECOND)
#define ASK_AGAIN_US	(30 * US_PER_SECOND)
#define ANSWER_US	(5 * US_PER_SECOND)

#define UNLIMITED	INT32_MAX

struct budget_host {
	struct budget_host	*next;
	struct backend		*backend;
	struct libpq		 libpq;
	struct config		*config;	/* held while it is asked */
	struct deadline		 limit;
	int64_t			 ask_us;	/* when to ask next */
	int			 available;	/* 0: not known */
	int			 answer;	/* that is coming in */
	int64_t			 each;		/* one process */
	int			 processes;
	bool			 is_over;	/* that was logged */
	bool			 has_failed;	/* so was that */
};

static struct {
	struct loop		*loop;
	struct budget_host	*hosts;
	struct deadline		 look;
} budget;

/*
 * Dividing.
 */

static bool
budget_has_peers(const struct config *config)
{
	return config->option.peers[0] != '\0' || config->peer_count > 0;
}

/* Any thread: how many processes there may be together. */
static int
budget_processes(const struct config *config)
{
	return config->option.expected_replicas > 0 ?
	    config->option.expected_replicas : peers_processes();
}

/* Before the first look-up has been answered nobody knows. */
static int
budget_shares(const struct config *config)
{
	if (!config->option.divide_by_peers)
		return 1;
	if (budget_has_peers(config) && peers_are_known())
		return peers_processes();
	return budget_processes(config);
}

/* 0 means unlimited, and stays so. */
static int
budget_divide(int limit, int shares)
{
	return limit == 0 || limit / shares > 0 ? limit / shares : 1;
}

void
budget_pool_settings(const struct config *config,
    const struct database *database, const char *user,
    struct pool_settings *settings)
{
	int	shares = budget_shares(config);

	config_pool_settings(config, database, user, settings);
	if (shares <= 1)
		return;
	settings->pool_size = budget_divide(settings->pool_size, shares);
	settings->max_db_connections =
	    budget_divide(settings->max_db_connections, shares);
	settings->max_user_connections =
	    budget_divide(settings->max_user_connections, shares);
	settings->reserve_pool_size /= shares;
	settings->min_pool_size /= shares;
}

void
budget_on_peers(const struct config *config)
{
	if (config->option.divide_by_peers)
		pools_reload(config);
}

/*
 * Reckoning.
 */

/* What a pool may open at a host, with the two limits it shares. */
struct share {
	const void	*database, *user;
	int		 max_database, max_user;	/* 0: unlimited */
	int		 size;
};

struct shares {
	struct share	*list;
	size_t		 count;
};

static void
shares_add(struct shares *shares, const struct share *share)
{
	shares->list = mem_resize(shares->list,
	    (shares->count + 1) * sizeof shares->list[0]);
	shares->list[shares->count++] = *share;
}

static int
pool_places(const struct pool_settings *settings)
{
	return settings->pool_size == 0 ? UNLIMITED :
	    settings->pool_size + settings->reserve_pool_size;
}

static int
share_by_database(const void *a, const void *b)
{
	uintptr_t	one = (uintptr_t)((const struct share *)a)->database;
	uintptr_t	other = (uintptr_t)((const struct share *)b)->database;

	return (one > other) - (one < other);
}

static int
share_by_user(const void *a, const void *b)
{
	uintptr_t	one = (uintptr_t)((const struct share *)a)->user;
	uintptr_t	other = (uintptr_t)((const struct share *)b)->user;

	return (one > other) - (one < other);
}

static int64_t
shares_least(int64_t sum, int max)
{
	return max > 0 && max < sum ? max : sum;
}

/* Sums of those that share a limit, none more than that. */
static int64_t
shares_sum(struct shares *shares, bool by_user)
{
	int64_t	all = 0, sum = 0;

	if (shares->count > 0)
		qsort(shares->list, shares->count, sizeof shares->list[0],
		    by_user ? share_by_user : share_by_database);
	for (size_t i = 0; i < shares->count; i++) {
		const struct share	*share = &shares->list[i];
		bool	is_last = i + 1 == shares->count ||
			    (by_user ? share[1].user != share->user :
			    share[1].database != share->database);

		sum += share->size;
		if (!is_last)
			continue;
		all += shares_least(sum, by_user ? share->max_user :
		    share->max_database);
		sum = 0;
	}
	return all;
}

static bool
shares_have(const struct shares *shares, const struct limit *limit)
{
	for (size_t i = 0; i < shares->count; i++)
		if (shares->list[i].database == limit)
			return true;
	return false;
}

/* Databases that nobody has used yet, one pool each. */
static void
shares_add_unused(struct shares *shares, const struct config *config,
    const struct backend *backend)
{
	for (size_t i = 0; i < config->database_count; i++) {
		const struct database	*entry = config->databases[i];
		struct cluster		*cluster = cluster_of(config, entry);
		struct pool_settings	 settings;
		struct limit		*limit;
		struct share		 share;

		if (strcmp(entry->name, "*") == 0 ||
		    (cluster != NULL && !cluster_is_plain(cluster) ?
		    cluster_use(cluster, backend) == USE_NONE :
		    backend_find(entry->hosts[0].name, entry->hosts[0].port)
		    != backend))
			continue;
		limit = limit_find("database", entry->name, backend);
		if (shares_have(shares, limit))
			continue;
		budget_pool_settings(config, entry,
		    entry->user != NULL ? entry->user : "", &settings);
		share = (struct share){ limit, entry,
		    settings.max_db_connections,
		    settings.max_user_connections, pool_places(&settings) };
		shares_add(shares, &share);
	}
}

static int64_t
budget_reckon(const struct config *config, const struct backend *backend)
{
	struct shares	 shares = { NULL, 0 };
	int64_t		 by_database, by_user;

	for (const struct pool *pool = pool_each(NULL); pool != NULL;
	    pool = pool_each(pool)) {
		const struct pool_settings *settings =
		    &pool_profile(pool)->settings;
		struct share	share = { pool->database_limit,
		    pool->user_limit, settings->max_db_connections,
		    settings->max_user_connections, pool_places(settings) };

		if (pool->backend == backend &&
		    !atomic_load(&pool->is_retired))
			shares_add(&shares, &share);
	}
	shares_add_unused(&shares, config, backend);
	by_database = shares_sum(&shares, false);
	by_user = shares_sum(&shares, true);
	free(shares.list);
	return 1 + (by_user < by_database ? by_user : by_database);
}

static void
host_judge(struct budget_host *host)
{
	int64_t	need = host->each * host->processes;
	bool	is_over = host->available > 0 && need > host->available;

	if (is_over && !host->is_over && host->each > UNLIMITED)
		log_warning(NULL, "host %s lets %d connections in "
		    "(max_connections less those reserved), and pools here "
		    "have no limit: set default_pool_size or "
		    "max_db_connections", host->backend->name,
		    host->available);
	else if (is_over && !host->is_over)
		log_warning(NULL, "host %s lets %d connections in "
		    "(max_connections less those reserved), but %d processes "
		    "of pgweir could open %lld, %lld each: lower "
		    "default_pool_size, set max_db_connections, or "
		    "divide_by_peers = on", host->backend->name,
		    host->available, host->processes, (long long)need,
		    (long long)host->each);
	else if (host->is_over && !is_over)
		log_info(NULL, "host %s lets %d connections in, which is "
		    "enough for %d processes of pgweir now",
		    host->backend->name, host->available, host->processes);
	host->is_over = is_over;
}

/*
 * Asking.
 */

static void
host_close(struct budget_host *host, int64_t again_us)
{
	libpq_close(&host->libpq);
	deadline_clear(budget.loop, &host->limit);
	config_release(host->config);
	host->config = NULL;
	host->ask_us = loop_now_us(budget.loop) + again_us;
}

static void
host_on_failed(struct libpq *libpq, const char *why)
{
	struct budget_host	*host = container_of(libpq,
				    struct budget_host, libpq);

	if (!host->has_failed)
		log_info(NULL, "host %s cannot be asked for its "
		    "max_connections: %s", host->backend->name, why);
	host->has_failed = true;
	host_close(host, ASK_AGAIN_US);
}

static void
host_on_limit(struct loop *loop, struct deadline *deadline)
{
	struct budget_host	*host = container_of(deadline,
				    struct budget_host, limit);

	(void)loop;
	host_on_failed(&host->libpq, "it did not answer in time");
}

static void
host_on_ready(struct libpq *libpq)
{
	libpq_ask(libpq, "SELECT sum(CASE name WHEN 'max_connections' THEN "
	    "setting::int8 ELSE -setting::int8 END) FROM pg_settings WHERE "
	    "name IN ('max_connections', 'superuser_reserved_connections', "
	    "'reserved_connections')", 0, NULL);
}

static void
host_on_result(struct libpq *libpq, PGresult *result)
{
	struct budget_host	*host = container_of(libpq,
				    struct budget_host, libpq);

	host->answer = 0;
	if (PQresultStatus(result) == PGRES_TUPLES_OK &&
	    PQntuples(result) == 1)
		host->answer = atoi(PQgetvalue(result, 0, 0));
}

static void
host_on_answered(struct libpq *libpq)
{
	struct budget_host	*host = container_of(libpq,
				    struct budget_host, libpq);

	if (host->answer > 0) {
		host->available = host->answer;
		host->has_failed = false;
	}
	host_close(host, ASK_US);
	host_judge(host);
}

static const struct libpq_handlers	host_handlers = {
	.ready = host_on_ready,
	.result = host_on_result,
	.answered = host_on_answered,
	.failed = host_on_failed,
};

/* Whose pool: the database and the user to ask with are its. */
static void
host_ask(struct budget_host *host, const struct pool *pool)
{
	const struct database	*entry;
	struct libpq_login	 login = { .name = "pgweir budget" };
	struct addr		 addr;

	if (host->config != NULL || loop_now_us(budget.loop) < host->ask_us ||
	    !backend_address(host->backend, &addr, budget.loop, NULL))
		return;
	host->config = config_current();
	entry = config_database(host->config, pool->database);
	login.config = host->config;
	login.backend = host->backend;
	login.addr = &addr;
	login.database = pool_profile(pool)->dbname;
	if (!libpq_introduce(&login, entry)) {
		host_on_failed(&host->libpq, "no user is known who could ask: "
		    "set monitor_user and monitor_password");
		return;
	}
	deadline_set(budget.loop, &host->limit, ANSWER_US, host_on_limit);
	libpq_open(&host->libpq, budget.loop, &host_handlers, &login);
}

static struct budget_host *
host_find(struct backend *backend)
{
	struct budget_host	*host;

	for (host = budget.hosts; host != NULL; host = host->next)
		if (host->backend == backend)
			return host;
	host = mem_new(sizeof *host);
	host->backend = backend;
	host->next = budget.hosts;
	budget.hosts = host;
	return host;
}

static void
budget_look(const struct config *config)
{
	struct budget_host	*host;

	for (host = budget.hosts; host != NULL; host = host->next)
		host->processes = 0;
	for (struct pool *pool = pool_each(NULL); pool != NULL;
	    pool = pool_each(pool)) {
		if (atomic_load(&pool->is_retired))
			continue;
		host = host_find(pool->backend);
		host_ask(host, pool);
		if (host->processes > 0)
			continue;
		host->processes = budget_processes(config);
		host->each = budget_reckon(config, host->backend);
		host_judge(host);
	}
}

static void
budget_on_look(struct loop *loop, struct deadline *deadline)
{
	struct config	*config = config_current();

	if (budget_has_peers(config) || config->option.expected_replicas > 0)
		budget_look(config);
	config_release(config);
	deadline_set(loop, deadline, LOOK_US, budget_on_look);
}

void
budget_start(struct loop *main_loop)
{
	budget.loop = main_loop;
	deadline_set(main_loop, &budget.look, LOOK_US, budget_on_look);
}

void
budget_each(void (*each)(void *, const struct budget_row *), void *arg)
{
	for (const struct budget_host *host = budget.hosts; host != NULL;
	    host = host->next) {
		struct budget_row	row = {
			.backend = host->backend,
			.need = host->each > UNLIMITED ? -1 :
			    host->each * host->processes,
			.available = host->available,
		};

		if (host->processes > 0)
			each(arg, &row);
	}
}
