/*
 * All pools: finding them, and what the configuration and the first login
 * say of each.
 *
 * Pools are made at a client's login and never freed before the end, so that
 * a pointer to one stays good in any thread, and the list of them is read
 * without a lock.  A reload gives a pool a new profile, or retires it when
 * its host or user has changed; its clients then look it up again at their
 * next transaction.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "config/userlist.h"
#include "pool/backend.h"
#include "pool/budget.h"
#include "pool/cancel.h"
#include "pool/pool.h"
#include "pool/pool_private.h"
#include "pool/pool_set.h"

static struct {
	pthread_mutex_t		 mutex;		/* making pools, reloads */
	struct hash_table	 by_name;
	_Atomic(struct pool *)	 newest;
	int			 lanes;
} pools = { .mutex = PTHREAD_MUTEX_INITIALIZER };

void
pools_init(int loops)
{
	pools.lanes = loops;
	hash_table_init(&pools.by_name);
	cancel_on_last = pool_on_last_cancel;
}

struct pool *
pool_each(const struct pool *pool)
{
	return pool == NULL ? atomic_load(&pools.newest) : pool->older;
}

static void
pool_profile_free(struct pool_profile *profile)
{
	free(profile->dbname);
	free(profile->reset_query);
	free(profile->check_query);
	free(profile->connect_query);
	free(profile->client_encoding);
	free(profile->datestyle);
	free(profile->timezone);
	free(profile->application_name);
	free(profile);
}

static struct pool_profile *
pool_profile_new(const struct config *config, const struct database *database,
    const char *name, const char *user)
{
	struct pool_profile	*profile = mem_new(sizeof *profile);
	const struct option_values *option = &config->option;

	budget_pool_settings(config, database, user, &profile->settings);
	profile->dbname = mem_string(database->dbname != NULL ?
	    database->dbname : name);
	profile->reset_query = mem_string(option->server_reset_query);
	profile->reset_always = option->server_reset_query_always;
	profile->check_query = mem_string(
	    text_equal(option->server_check_query, "<empty>") ? "" :
	    option->server_check_query);
	profile->check_delay_us = option->server_check_delay_us;
	profile->round_robin = option->server_round_robin;
	profile->connect_query = mem_string(database->connect_query);
	profile->client_encoding = mem_string(database->client_encoding);
	profile->datestyle = mem_string(database->datestyle);
	profile->timezone = mem_string(database->timezone);
	profile->application_name = mem_string(database->application_name);
	return profile;
}

/* Servers that were opened under the other one fit this one too. */
static bool
pool_profile_connects_alike(const struct pool_profile *a,
    const struct pool_profile *b)
{
	return text_equal(a->dbname, b->dbname) &&
	    text_equal(a->connect_query, b->connect_query) &&
	    text_equal(a->client_encoding, b->client_encoding) &&
	    text_equal(a->datestyle, b->datestyle) &&
	    text_equal(a->timezone, b->timezone) &&
	    text_equal(a->application_name, b->application_name);
}

static bool
pool_profile_equal(const struct pool_profile *a, const struct pool_profile *b)
{
	return pool_profile_connects_alike(a, b) &&
	    memcmp(&a->settings, &b->settings, sizeof a->settings) == 0 &&
	    text_equal(a->reset_query, b->reset_query) &&
	    text_equal(a->check_query, b->check_query) &&
	    a->check_delay_us == b->check_delay_us &&
	    a->reset_always == b->reset_always &&
	    a->round_robin == b->round_robin;
}

/* The secret to log in with that the configuration itself gives. */
static const char *
pool_configured_secret(const struct config *config,
    const struct database *database, const char *user)
{
	if (database->password != NULL)
		return database->password;
	return userlist_secret(config->userlist, user);
}

static const struct cluster *
pool_cluster(const struct pool *pool)
{
	return pool->set == NULL ? NULL : pool->set->cluster;
}

static struct pool *
pool_lookup_locked(uint64_t hash, const char *database, const char *user,
    const struct backend *backend, bool is_forced,
    const struct cluster *cluster)
{
	struct hash_node	*node;
	struct pool		*pool;

	for (node = hash_table_first(&pools.by_name, hash); node != NULL;
	    node = hash_table_same(node)) {
		pool = container_of(node, struct pool, node);
		if (pool->backend == backend && pool->is_forced == is_forced &&
		    pool_cluster(pool) == cluster &&
		    strcmp(pool->database, database) == 0 &&
		    strcmp(pool->user, user) == 0)
			return pool;
	}
	return NULL;
}

static struct pool *
pool_new(const char *database, const char *user, struct backend *backend,
    bool is_forced)
{
	struct pool	*pool = mem_new(sizeof *pool +
			    (size_t)pools.lanes * sizeof pool->lanes[0]);

	pool->database = mem_string(database);
	pool->user = mem_string(user);
	pool->backend = backend;
	pool->is_forced = is_forced;
	pool->database_limit = limit_find("database", database, backend);
	pool->user_limit = limit_find("user", user, backend);
	pool->lane_count = pools.lanes;
	pthread_mutex_init(&pool->shared.mutex, NULL);
	for (int i = 0; i < pool->lane_count; i++) {
		struct pool_lane	*lane = &pool->lanes[i];

		TAILQ_INIT(&lane->idle);
		TAILQ_INIT(&lane->line);
		lane->times = mem_new(sizeof *lane->times);
	}
	return pool;
}

static void
pool_apply_locked(struct pool *pool, struct pool_profile *profile)
{
	struct pool_profile	*old = atomic_load(&pool->profile);

	atomic_store(&pool->database_limit->max,
	    profile->settings.max_db_connections);
	atomic_store(&pool->user_limit->max,
	    profile->settings.max_user_connections);
	if (old != NULL && pool_profile_equal(old, profile)) {
		pool_profile_free(profile);
		return;
	}
	profile->older = old;
	atomic_store_explicit(&pool->profile, profile, memory_order_release);
	if (old != NULL && !pool_profile_connects_alike(old, profile))
		pool_reconnect(pool);
}

/* The pool joins all others; set: it is one of, NULL: it is the first. */
static struct pool *
pool_add_locked(struct pool *pool, uint64_t hash,
    const struct config *config, const struct database *entry,
    struct cluster *cluster, struct pool_set *set)
{
	struct pool_secret	secret = { .secret = NULL };

	pool->set = set;
	atomic_init(&pool->used_us, clock_now_us());
	if (cluster != NULL && set == NULL)
		pool->set = pool_set_new(cluster, pool);
	pool_apply_locked(pool, pool_profile_new(config, entry,
	    pool->database, pool->user));
	if (set != NULL)
		pool_secret_copy(set->home, &secret);
	else
		secret.secret = mem_string(pool_configured_secret(config,
		    entry, pool->user));
	pool_secret_learn(pool, &secret);
	pool_secret_wipe(&secret);
	pool->older = atomic_load(&pools.newest);
	atomic_store(&pools.newest, pool);
	hash_table_add(&pools.by_name, &pool->node, hash);
	pool_obey(pool);
	return pool;
}

static struct pool *
pool_find_locked(const struct config *config, const struct database *entry,
    const char *database, const char *user)
{
	bool		 is_forced = entry->user != NULL;
	const char	*name = is_forced ? entry->user : user;
	struct backend	*backend = backend_find(entry->hosts[0].name,
			    entry->hosts[0].port);
	struct cluster	*cluster = cluster_of(config, entry);
	uint64_t	 hash = hash_mix(hash_text(database), hash_text(name));
	struct pool	*pool;

	pool = pool_lookup_locked(hash, database, name, backend, is_forced,
	    cluster);
	if (pool != NULL) {
		atomic_store(&pool->is_retired, false);
		if (!pool_is_home(pool))
			pool = pool->set->home;
		atomic_store(&pool->used_us, clock_now_us());
		atomic_store(&pool->is_retired, false);
		return pool;
	}
	return pool_add_locked(pool_new(database, name, backend, is_forced),
	    hash, config, entry, cluster, NULL);
}

struct pool *
pool_find(const struct config *config, const char *database, const char *user)
{
	const struct database	*entry = config_database(config, database);
	struct pool		*pool;

	if (entry == NULL)
		return NULL;
	pthread_mutex_lock(&pools.mutex);
	pool = pool_find_locked(config, entry, database, user);
	pthread_mutex_unlock(&pools.mutex);
	return pool;
}

struct pool *
pool_find_at(const struct config *config, struct pool_set *set,
    struct backend *backend)
{
	const struct pool	*home = set->home;
	const struct database	*entry = config_database(config,
				    home->database);
	uint64_t		 hash = hash_mix(hash_text(home->database),
				    hash_text(home->user));
	struct pool		*pool;

	if (entry == NULL)
		return NULL;
	pthread_mutex_lock(&pools.mutex);
	pool = pool_lookup_locked(hash, home->database, home->user, backend,
	    home->is_forced, set->cluster);
	if (pool != NULL)
		atomic_store(&pool->is_retired, false);
	else
		pool = pool_add_locked(pool_new(home->database, home->user,
		    backend, home->is_forced), hash, config, entry,
		    set->cluster, set);
	pthread_mutex_unlock(&pools.mutex);
	return pool;
}

/* Whether the configuration still leads to it. */
static bool
pool_is_wanted(const struct pool *pool, const struct config *config,
    const struct database *entry)
{
	if (entry == NULL || (entry->user != NULL) != pool->is_forced ||
	    (entry->user != NULL && strcmp(entry->user, pool->user) != 0) ||
	    cluster_of(config, entry) != pool_cluster(pool))
		return false;
	return pool->set != NULL || backend_find(entry->hosts[0].name,
	    entry->hosts[0].port) == pool->backend;
}

static void
pool_reload(struct pool *pool, const struct config *config)
{
	const struct database	*entry = config_database(config,
				    pool->database);
	struct pool_secret	 secret = { .secret = NULL };

	if (!pool_is_wanted(pool, config, entry)) {
		atomic_store(&pool->is_retired, true);
		pool_close_idle(pool);
		return;
	}
	pool_apply_locked(pool, pool_profile_new(config, entry,
	    pool->database, pool->user));
	secret.secret = mem_string(pool_configured_secret(config, entry,
	    pool->user));
	if (secret.secret != NULL)
		pool_secret_learn(pool, &secret);
	pool_secret_wipe(&secret);
	pool_trim(pool);
}

void
pools_reload(const struct config *config)
{
	struct pool	*pool;

	pthread_mutex_lock(&pools.mutex);
	for (pool = pool_each(NULL); pool != NULL; pool = pool_each(pool))
		pool_reload(pool, config);
	pthread_mutex_unlock(&pools.mutex);
	/* Limits may have become wider for those who wait. */
	for (pool = pool_each(NULL); pool != NULL; pool = pool_each(pool))
		pool_grow(pool);
}

/*
 * What a login taught us.
 */

void
pool_greeted(struct pool *pool, const uint8_t *bytes, size_t length)
{
	struct pool_welcome	*fresh, *old;

	fresh = mem_new(sizeof *fresh + length);
	atomic_init(&fresh->references, 1);
	fresh->length = (uint32_t)length;
	if (length > 0)
		memcpy(fresh->bytes, bytes, length);

	pthread_mutex_lock(&pool->shared.mutex);
	pool->shared.backoff_us = 0;
	pool->shared.error.reason = REASON_NONE;
	old = pool->shared.welcome;
	if (old != NULL && old->length == length &&
	    (length == 0 || memcmp(old->bytes, bytes, length) == 0))
		old = fresh;
	else
		pool->shared.welcome = fresh;
	pthread_mutex_unlock(&pool->shared.mutex);
	pool_welcome_release(old);
}

struct pool_welcome *
pool_welcome_hold(struct pool *pool)
{
	struct pool_welcome	*welcome;

	pthread_mutex_lock(&pool->shared.mutex);
	if ((welcome = pool->shared.welcome) != NULL)
		atomic_fetch_add(&welcome->references, 1);
	pthread_mutex_unlock(&pool->shared.mutex);
	return welcome;
}

void
pool_welcome_release(struct pool_welcome *welcome)
{
	if (welcome != NULL && atomic_fetch_sub(&welcome->references, 1) == 1)
		free(welcome);
}

static void
pool_secret_set(struct pool_secret *to, const struct pool_secret *from)
{
	to->secret = mem_string(from->secret);
	to->has_client_key = from->has_client_key;
	memcpy(to->client_key, from->client_key, sizeof to->client_key);
}

void
pool_secret_wipe(struct pool_secret *secret)
{
	mem_free_secret(secret->secret);
	mem_wipe(secret, sizeof *secret);
}

void
pool_secret_copy(struct pool *pool, struct pool_secret *copy)
{
	pthread_mutex_lock(&pool->shared.mutex);
	pool_secret_set(copy, &pool->shared.secret);
	pthread_mutex_unlock(&pool->shared.mutex);
}

/*
 * The same secret without its key is no news.  Anything else is: it is from
 * the configuration, or a client has just proved it.
 */
void
pool_secret_learn(struct pool *pool, const struct pool_secret *fresh)
{
	struct pool_secret	*known = &pool->shared.secret;
	struct errand		 errand = { .open_count = 0 };
	bool			 is_same;

	pthread_mutex_lock(&pool->shared.mutex);
	is_same = text_equal(known->secret, fresh->secret);
	if (!is_same || (fresh->has_client_key && !known->has_client_key)) {
		pool_secret_wipe(known);
		pool_secret_set(known, fresh);
		/* What was refused for want of it may be tried again. */
		if (pool->shared.is_lasting) {
			pool->shared.is_backing_off = false;
			pool_grow_locked(pool, &errand);
		}
	}
	pthread_mutex_unlock(&pool->shared.mutex);
	pool_run_errand(pool, &errand);
	if (pool_is_home(pool) && pool->set != NULL)
		pool_set_learn(pool->set, fresh);
}

/*
 * The console.
 */

bool
pool_is_quiet(struct pool *pool)
{
	bool	quiet;

	pthread_mutex_lock(&pool->shared.mutex);
	quiet = pool->shared.total == pool->shared.idle;
	pthread_mutex_unlock(&pool->shared.mutex);
	return quiet;
}

void
pool_count(struct pool *pool, int64_t now_us, struct pool_numbers *numbers)
{
	const struct ticket	*first;

	memset(numbers, 0, sizeof *numbers);
	pthread_mutex_lock(&pool->shared.mutex);
	for (int i = 0; i < pool->lane_count; i++) {
		numbers->clients += atomic_load(&pool->lanes[i].clients);
		first = TAILQ_FIRST(&pool->lanes[i].line);
		if (first != NULL &&
		    now_us - first->since_us > numbers->oldest_wait_us)
			numbers->oldest_wait_us = now_us - first->since_us;
	}
	numbers->waiting = pool->shared.waiting;
	numbers->idle = pool->shared.idle;
	numbers->moving = pool->shared.moving;
	numbers->opening = pool->shared.opening;
	numbers->total = pool->shared.total;
	numbers->fails = pool->shared.is_backing_off;
	pthread_mutex_unlock(&pool->shared.mutex);
	numbers->linked = numbers->total - numbers->idle - numbers->moving -
	    numbers->opening;
	if (pool->set != NULL && pool_is_home(pool))
		pool_set_count(pool->set, now_us, numbers);
}

/* "; max_db_connections (3) of database "app" is reached" */
static void
limit_explain(struct limit *limit, const char *option, char *text,
    size_t size)
{
	int	max = atomic_load(&limit->max);

	text[0] = '\0';
	if (max > 0 && atomic_load(&limit->count) >= max)
		snprintf(text, size, "; %s (%d) of %.100s is reached", option,
		    max, limit->name);
}

bool
pool_explain_wait(struct pool *pool, const char *limit, char *text,
    size_t size)
{
	const struct pool_settings *settings = &pool_profile(pool)->settings;
	struct pool_numbers	numbers;
	struct pool_error	error;
	char			of_database[200], of_user[200];
	char			reserve[60] = "", within[80] = "is free";

	if (limit != NULL)
		snprintf(within, sizeof within, "was free within "
		    "query_wait_timeout (%s)", limit);
	pool_count(pool, 0, &numbers);
	pthread_mutex_lock(&pool->shared.mutex);
	error = pool->shared.error;
	pthread_mutex_unlock(&pool->shared.mutex);
	limit_explain(pool->database_limit, "max_db_connections", of_database,
	    sizeof of_database);
	limit_explain(pool->user_limit, "max_user_connections", of_user,
	    sizeof of_user);
	if (settings->reserve_pool_size > 0)
		snprintf(reserve, sizeof reserve, " and reserve_pool_size %d",
		    settings->reserve_pool_size);
	snprintf(text, size, "no server for database \"%s\" and user \"%s\" "
	    "%s: %d of pool_size %d%s are open, %d in use, %d other clients "
	    "wait%s%s%s%s%s", pool->database, pool->user, within,
	    numbers.total - numbers.opening, settings->pool_size, reserve,
	    numbers.linked, numbers.waiting - (limit == NULL &&
	    numbers.waiting > 0), of_database, of_user,
	    atomic_load(&pool->is_paused) ? "; the pool is paused" : "",
	    error.reason != REASON_NONE ? "; the last attempt: " : "",
	    error.reason != REASON_NONE ? error.text : "");
	return error.reason != REASON_NONE;
}

static void
pool_free(struct pool *pool)
{
	struct pool_profile	*profile, *older;
	struct pool_words	*words;

	while ((words = atomic_load(&pool->words)) != NULL) {
		atomic_store(&pool->words, words->older);
		free(words);
	}
	for (profile = atomic_load(&pool->profile); profile != NULL;
	    profile = older) {
		older = profile->older;
		pool_profile_free(profile);
	}
	for (int i = 0; i < pool->lane_count; i++)
		free(pool->lanes[i].times);
	if (pool->set != NULL && pool_is_home(pool))
		pool_set_free(pool->set);
	pool_welcome_release(pool->shared.welcome);
	pool_secret_wipe(&pool->shared.secret);
	pthread_mutex_destroy(&pool->shared.mutex);
	free(pool->database);
	free(pool->user);
	free(pool);
}

void
pools_done(void)
{
	struct pool	*pool, *older;

	for (pool = pool_each(NULL); pool != NULL; pool = older) {
		older = pool->older;
		hash_table_remove(&pools.by_name, &pool->node);
		pool_free(pool);
	}
	atomic_store(&pools.newest, NULL);
	hash_table_done(&pools.by_name);
	pool_orders_done();
	pools_forget_loops();
}
