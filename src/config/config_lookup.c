/*
 * The snapshot that is current, and questions to one: which database, which
 * user, what counts for a pool; and a copy of one with an option changed.
 */

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "config/options.h"
#include "net/listener.h"

static struct {
	pthread_mutex_t	 mutex;
	struct config	*config;
} current = { .mutex = PTHREAD_MUTEX_INITIALIZER };

struct config *
config_current(void)
{
	struct config	*config;

	pthread_mutex_lock(&current.mutex);
	config = config_hold(current.config);
	pthread_mutex_unlock(&current.mutex);
	return config;
}

void
config_replace(struct config *fresh)
{
	struct config	*old;

	pthread_mutex_lock(&current.mutex);
	old = current.config;
	current.config = fresh;
	pthread_mutex_unlock(&current.mutex);
	config_release(old);
}

const struct database *
config_database(const struct config *config, const char *name)
{
	const struct database	*fallback = NULL;

	for (size_t i = 0; i < config->database_count; i++) {
		if (strcmp(config->databases[i]->name, name) == 0)
			return config->databases[i];
		if (strcmp(config->databases[i]->name, "*") == 0)
			fallback = config->databases[i];
	}
	return fallback;
}

bool
config_is_auto(const struct config *config, const char *name)
{
	const struct database	*entry = config_database(config, name);

	return entry != NULL && strcmp(entry->name, "*") == 0;
}

static bool
database_has_hosts_of(const struct database *a, const struct database *b)
{
	if (a->host_count != b->host_count)
		return false;
	for (size_t i = 0; i < a->host_count; i++)
		if (strcmp(a->hosts[i].name, b->hosts[i].name) != 0 ||
		    a->hosts[i].port != b->hosts[i].port)
			return false;
	return true;
}

const struct database *
config_same_hosts(const struct config *config)
{
	for (size_t i = 1; i < config->database_count; i++)
		if (!database_has_hosts_of(config->databases[0],
		    config->databases[i]))
			return NULL;
	return config->database_count == 0 ? NULL : config->databases[0];
}

const struct user *
config_user(const struct config *config, const char *name)
{
	const struct user	*found = NULL;

	for (size_t i = 0; i < config->user_count; i++)
		if (strcmp(config->users[i]->name, name) == 0)
			found = config->users[i];
	return found;
}

void
config_socket_settings(const struct config *config,
    struct socket_settings *settings)
{
	const struct option_values	*option = &config->option;

	*settings = (struct socket_settings){
		.keepalive = option->tcp_keepalive,
		.keepalive_count = option->tcp_keepcnt,
		.keepalive_idle_s = option->tcp_keepidle,
		.keepalive_interval_s = option->tcp_keepintvl,
		.user_timeout_ms = option->tcp_user_timeout,
		.buffer_bytes = (int)option->tcp_socket_buffer,
	};
}

static int64_t
first_set(int64_t a, int64_t b, int64_t otherwise)
{
	if (a != CONFIG_UNSET)
		return a;
	return b != CONFIG_UNSET ? b : otherwise;
}

/* Of the same name in both, or in all: who says it. */
#define FROM(name, users, databases)					\
	settings->name = (__typeof__(settings->name))first_set(users,	\
	    databases, (int64_t)option->name)
#define FROM_BOTH(name)		FROM(name, user->name, database->name)
#define FROM_USER(name)		FROM(name, user->name, CONFIG_UNSET)
#define FROM_DATABASE(name)	FROM(name, CONFIG_UNSET, database->name)
#define FROM_OPTION(name)	FROM(name, CONFIG_UNSET, CONFIG_UNSET)

/* A user's override goes before a database's, as in PgBouncer. */
void
config_pool_settings(const struct config *config,
    const struct database *database, const char *name,
    struct pool_settings *settings)
{
	static const struct user	 nobody = {
		.pool_size = CONFIG_UNSET,
		.reserve_pool_size = CONFIG_UNSET,
		.max_user_connections = CONFIG_UNSET,
		.max_user_client_connections = CONFIG_UNSET,
		.query_timeout_us = CONFIG_UNSET,
		.query_wait_timeout_us = CONFIG_UNSET,
		.idle_transaction_timeout_us = CONFIG_UNSET,
		.transaction_timeout_us = CONFIG_UNSET,
		.client_idle_timeout_us = CONFIG_UNSET,
	};
	const struct option_values	*option = &config->option;
	const struct user		*user = config_user(config, name);

	if (user == NULL)
		user = &nobody;
	/* All of its bytes: they are compared. */
	memset(settings, 0, sizeof *settings);
	settings->mode = (enum pool_mode)option->pool_mode;
	if (database->pool_mode != POOL_MODE_DEFAULT)
		settings->mode = database->pool_mode;
	if (user->pool_mode != POOL_MODE_DEFAULT)
		settings->mode = user->pool_mode;
	settings->route = (enum route)option->route;
	if (database->route != ROUTE_DEFAULT)
		settings->route = database->route;
	if (user->route != ROUTE_DEFAULT)
		settings->route = user->route;
	settings->balance = database->balance;
	settings->pool_size = (int)first_set(user->pool_size,
	    database->pool_size, option->default_pool_size);
	FROM_BOTH(reserve_pool_size);
	if (option->reserve_pool_timeout_us == 0)
		settings->reserve_pool_size = 0;
	FROM_BOTH(query_wait_timeout_us);
	FROM_DATABASE(min_pool_size);
	FROM_DATABASE(max_db_connections);
	FROM_DATABASE(max_db_client_connections);
	FROM_DATABASE(server_lifetime_us);
	FROM_USER(max_user_connections);
	FROM_USER(max_user_client_connections);
	FROM_USER(query_timeout_us);
	FROM_USER(idle_transaction_timeout_us);
	FROM_USER(transaction_timeout_us);
	FROM_USER(client_idle_timeout_us);
	FROM_OPTION(replica_fallback);
	FROM_OPTION(split_transactions);
	FROM_OPTION(failover_wait_us);
	FROM_OPTION(read_your_writes);
	FROM_OPTION(read_your_writes_wait_us);
	FROM_OPTION(reserve_pool_timeout_us);
	FROM_OPTION(server_idle_timeout_us);
	FROM_OPTION(server_connect_timeout_us);
	FROM_OPTION(server_login_retry_us);
	FROM_OPTION(pin);
	FROM_OPTION(pin_notice);
	FROM_OPTION(max_pinned);
	FROM_OPTION(pinned_idle_timeout_us);
}

void
config_keep_fixed(struct config *config, const struct config *running,
    const struct config_report *report)
{
	char	fresh[2048], old[2048], sentence[5000], error[600];

	for (size_t i = 0; i < option_count; i++) {
		const struct option	*option = &options[i];

		if (option->reloadable)
			continue;
		option_print(option, &config->option, fresh, sizeof fresh);
		option_print(option, &running->option, old, sizeof old);
		if (strcmp(fresh, old) == 0 || !option_parse(option,
		    &config->option, old, error, sizeof error))
			continue;
		snprintf(sentence, sizeof sentence, "%s = %s counts after a "
		    "restart; until then it is \"%s\"", option->name, fresh,
		    old);
		report->say(report->arg, false, sentence);
	}
}

struct found_fault {
	char	*error;
	size_t	 size;
};

static void
found_on_fault(void *arg, bool is_error, const char *sentence)
{
	struct found_fault	*found = arg;

	if (is_error && found->error[0] == '\0')
		snprintf(found->error, found->size, "%s", sentence);
}

/*
 * Everything is read again with the option added to the environment, so that
 * SET passes the same checks as the file.
 */
struct config *
config_with(const struct config *config, const char *name, const char *value,
    char *error, size_t size)
{
	char			 lower[128];
	const struct option	*option;
	struct found_fault	 found = { error, size };
	struct config_report	 report = { found_on_fault, &found };
	struct config		*fresh;
	size_t			 n;

	for (n = 0; n + 1 < sizeof lower && name[n] != '\0'; n++)
		lower[n] = name[n] >= 'A' && name[n] <= 'Z' ?
		    (char)(name[n] - 'A' + 'a') : name[n];
	lower[n] = '\0';
	option = option_find(lower);
	error[0] = '\0';
	if (option != NULL && !option->reloadable) {
		snprintf(error, size, "option \"%s\" cannot be changed while "
		    "pgweir runs", lower);
		return NULL;
	}
	fresh = config_read_with(config, lower, value, &report);
	if (fresh != NULL)
		config_keep_fixed(fresh, config, &report);
	return fresh;
}
