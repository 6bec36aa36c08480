/*
 * SHOW, the parts that one thread can see; see ops/show.h.  Clients and
 * servers, which belong to their loops' threads, are in show_loops.c.
 */

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "client/auth_query.h"
#include "client/client.h"
#include "config/choice.h"
#include "config/options.h"
#include "config/userlist.h"
#include "ops/process.h"
#include "ops/show.h"
#include "ops/show_private.h"
#include "ops/suspend.h"
#include "pool/backend.h"
#include "pool/budget.h"
#include "pool/peers.h"
#include "pool/pool.h"
#include "session/prepared.h"
#include "session/settings.h"

/*
 * Rows.
 */

void
show_text(struct show *show, const char *text)
{
	show->values[show->count++] = text;
}

void
show_number(struct show *show, int64_t number)
{
	char	*room = show->room[show->count];

	snprintf(room, sizeof show->room[0], "%lld", (long long)number);
	show_text(show, room);
}

void
show_row(struct show *show)
{
	put_data_row(&show->rows, show->values, show->count);
	show->count = 0;
}

static enum put_type
show_type(char letter)
{
	switch (letter) {
	case 'i':
		return PUT_INT4;
	case 'l':
		return PUT_INT8;
	case 'n':
		return PUT_NUMERIC;
	case 'b':
		return PUT_BYTEA;
	default:
		return PUT_TEXT;
	}
}

/* NULL where nothing overrides the option. */
static void
show_override(struct show *show, int value)
{
	if (value == CONFIG_UNSET)
		show_text(show, NULL);
	else
		show_number(show, value);
}

static void
show_mode(struct show *show, enum pool_mode mode)
{
	show_text(show, mode == POOL_MODE_DEFAULT ? NULL :
	    choice_name(CHOICE_MODE, (int)mode));
}

size_t
show_columns(const struct show_table *table, struct put_column *columns,
    char *room, size_t size, bool is_text)
{
	char	*rest = room, *word, *colon;
	size_t	 n = 0;

	snprintf(room, size, "%s", table->columns);
	while ((word = text_next_word(&rest)) != NULL) {
		colon = strchr(word, ':');
		*colon = '\0';
		columns[n].name = word;
		columns[n].type = is_text ? PUT_TEXT : show_type(colon[1]);
		n++;
	}
	return n;
}

/*
 * Tables.
 */

static void
show_fill_version(struct show *show)
{
	show_text(show, "pgweir " PACKAGE_VERSION);
	show_row(show);
}

static void
show_fill_config(struct show *show)
{
	struct config		*config = config_current();
	char			 value[1200];

	for (size_t i = 0; i < option_count; i++) {
		option_print(&options[i], &config->option, value,
		    sizeof value);
		show_text(show, options[i].name);
		show_text(show, value);
		show_text(show, config->is_pgbouncer ? options[i].theirs :
		    options[i].ours);
		show_text(show, options[i].reloadable ? "yes" : "no");
		show_row(show);
	}
	config_release(config);
}

static void
show_fill_pools(struct show *show)
{
	int64_t			 now = clock_now_us();
	struct pool_numbers	 numbers;
	struct pool		*pool;

	for (pool = pool_each_there(NULL); pool != NULL;
	    pool = pool_each_there(pool)) {
		pool_count(pool, now, &numbers);
		show_text(show, pool->database);
		show_text(show, pool->user);
		/* Those who wait here may be counted at their home. */
		show_number(show, numbers.clients > numbers.waiting ?
		    numbers.clients - numbers.waiting : 0);
		show_number(show, numbers.waiting);
		show_number(show, 0);	/* cancels have no line here */
		show_number(show, 0);
		show_number(show, numbers.linked);
		show_number(show, 0);
		show_number(show, 0);
		show_number(show, numbers.idle + numbers.moving);
		show_number(show, 0);
		show_number(show, 0);
		show_number(show, numbers.opening);
		show_number(show, numbers.oldest_wait_us / US_PER_SECOND);
		show_number(show, numbers.oldest_wait_us % US_PER_SECOND);
		show_text(show, choice_name(CHOICE_MODE,
		    (int)pool_profile(pool)->settings.mode));
		show_text(show, pool->set == NULL ? "" :
		    choice_name(CHOICE_BALANCE,
		    (int)pool_profile(pool)->settings.balance));
		show_text(show, pool->backend->name);
		show_row(show);
	}
	show_console_row(show);
}

static void
show_database_numbers(const char *name, int *servers, int *clients)
{
	struct pool_numbers	 numbers;
	struct pool		*pool;

	*servers = *clients = 0;
	for (pool = pool_each(NULL); pool != NULL; pool = pool_each(pool)) {
		if (strcmp(pool->database, name) != 0)
			continue;
		pool_count(pool, 0, &numbers);
		*servers += numbers.total;
		*clients += numbers.clients;
	}
}

static void
show_database(struct show *show, const struct config *config,
    const struct database *entry, const char *name)
{
	struct pool_settings	 settings;
	const char		*dbname = entry->dbname;
	int			 servers, clients;

	budget_pool_settings(config, entry, "", &settings);
	show_database_numbers(name, &servers, &clients);
	show_text(show, name);
	show_text(show, entry->host);
	show_number(show, entry->port);
	show_text(show, dbname != NULL ? dbname : name);
	show_text(show, entry->user);
	show_number(show, settings.pool_size);
	show_number(show, settings.min_pool_size);
	show_number(show, settings.reserve_pool_size);
	show_number(show, settings.server_lifetime_us / US_PER_SECOND);
	show_mode(show, entry->pool_mode);
	show_text(show, entry->host_count < 2 ? "" :
	    choice_name(CHOICE_BALANCE, (int)settings.balance));
	show_number(show, settings.max_db_connections);
	show_number(show, servers);
	show_number(show, settings.max_db_client_connections);
	show_number(show, clients);
	show_number(show, pools_are_paused(name));
	show_number(show, pools_are_disabled(name));
	/* As above: its name of long ago. */
	show_number(show, settings.reserve_pool_size);
	show_row(show);
}

/* Those of "*" are listed under the names by which they are used. */
static void
show_fill_databases(struct show *show)
{
	struct config		*config = config_current();
	const struct database	*entry;
	struct pool		*pool;

	for (size_t i = 0; i < config->database_count; i++) {
		entry = config->databases[i];
		if (strcmp(entry->name, "*") != 0)
			show_database(show, config, entry, entry->name);
	}
	for (pool = pool_each(NULL); pool != NULL; pool = pool_each(pool))
		if (config_is_auto(config, pool->database) &&
		    show_stands_for_database(pool))
			show_database(show, config, config_database(config,
			    pool->database), pool->database);
	show_console_row(show);
	config_release(config);
}

static void
show_user(struct show *show, const struct config *config, const char *name)
{
	static const struct database	 any = { .pool_size = CONFIG_UNSET,
		.min_pool_size = CONFIG_UNSET,
		.reserve_pool_size = CONFIG_UNSET,
		.max_db_connections = CONFIG_UNSET,
		.max_db_client_connections = CONFIG_UNSET,
		.server_lifetime_us = CONFIG_UNSET,
		.query_wait_timeout_us = CONFIG_UNSET };
	struct pool_settings	 settings;
	struct pool_numbers	 numbers;
	const struct user	*user;
	struct pool		*pool;
	int			 servers = 0, clients = 0;

	budget_pool_settings(config, &any, name, &settings);
	user = config_user(config, name);
	for (pool = pool_each(NULL); pool != NULL; pool = pool_each(pool))
		if (strcmp(pool->user, name) == 0) {
			pool_count(pool, 0, &numbers);
			servers += numbers.total;
			clients += numbers.clients;
		}
	show_text(show, name);
	show_override(show, user != NULL ? user->pool_size : CONFIG_UNSET);
	show_override(show, user != NULL ? user->reserve_pool_size :
	    CONFIG_UNSET);
	show_mode(show, user != NULL ? user->pool_mode : POOL_MODE_DEFAULT);
	show_number(show, settings.max_user_connections);
	show_number(show, servers);
	show_number(show, settings.max_user_client_connections);
	show_number(show, clients);
	show_row(show);
}

static void
show_fill_users(struct show *show)
{
	struct config	*config = config_current();

	for (size_t i = 0; i < userlist_count(config->userlist); i++)
		show_user(show, config, userlist_name(config->userlist, i));
	for (size_t i = 0; i < config->user_count; i++)
		if (userlist_secret(config->userlist,
		    config->users[i]->name) == NULL)
			show_user(show, config, config->users[i]->name);
	config_release(config);
}

void
show_item(struct show *show, const char *name, int64_t number)
{
	show_text(show, name);
	show_number(show, number);
	show_row(show);
}

static void
show_fill_lists(struct show *show)
{
	struct config		*config = config_current();
	struct pool_numbers	 numbers, sum = { 0 };
	struct peers_counts	 counts;
	struct pool		*pool;
	int			 pools = 0;

	for (pool = pool_each_there(NULL); pool != NULL;
	    pool = pool_each_there(pool)) {
		pool_count(pool, 0, &numbers);
		pools++;
		sum.idle += numbers.idle + numbers.moving;
		sum.total += numbers.total;
	}
	show_item(show, "databases", (int64_t)config->database_count);
	show_item(show, "users",
	    (int64_t)userlist_count(config->userlist));
	show_item(show, "peers", peers_count());
	show_item(show, "pools", pools);
	show_item(show, "peer_pools", peers_count());
	show_item(show, "free_clients", 0);
	show_item(show, "used_clients", atomic_load(&client_numbers.served));
	show_item(show, "login_clients",
	    atomic_load(&client_numbers.logging_in));
	show_item(show, "free_servers", sum.idle);
	show_item(show, "used_servers", sum.total - sum.idle);
	show_item(show, "dns_names", 0);
	show_item(show, "dns_zones", 0);
	show_item(show, "dns_queries", 0);
	show_item(show, "dns_pending", 0);
	/* Ours: they hold places of max_db_connections. */
	show_item(show, "lookup_servers_counted", auth_query_places());
	peers_counts(&counts);
	show_item(show, "cancels_passed", (int64_t)counts.passed);
	show_item(show, "cancels_passed_done", (int64_t)counts.done);
	show_item(show, "cancels_dropped", (int64_t)counts.dropped);
	config_release(config);
}

/* Of each pool what has tied clients to servers so far. */
static void
show_fill_pins(struct show *show)
{
	struct pin_counters	 sum;
	char			 words[64];

	for (struct pool *pool = pool_each_there(NULL); pool != NULL;
	    pool = pool_each_there(pool)) {
		memset(&sum, 0, sizeof sum);
		pool_sum_pins(pool, &sum);
		for (unsigned i = 0; i < PIN_COUNT; i++) {
			if (atomic_load(&sum.tied[i]) == 0 &&
			    atomic_load(&sum.refused[i]) == 0)
				continue;
			pins_text(1u << i, words, sizeof words);
			show_text(show, pool->database);
			show_text(show, pool->user);
			show_text(show, words);
			show_number(show, (int64_t)atomic_load(&sum.tied[i]));
			show_number(show,
			    (int64_t)atomic_load(&sum.refused[i]));
			show_row(show);
		}
	}
}

/*
 * The process.
 */

static void
show_memory(struct show *show, const char *name, size_t size, size_t used,
    size_t bytes)
{
	show_text(show, name);
	show_number(show, (int64_t)size);
	show_number(show, (int64_t)used);
	show_number(show, 0);
	show_number(show, (int64_t)bytes);
	show_row(show);
}

static void
show_fill_mem(struct show *show)
{
	size_t	clients = (size_t)atomic_load(&client_numbers.served);
	size_t	servers = 0, count, bytes;

	for (struct pool *pool = pool_each(NULL); pool != NULL;
	    pool = pool_each(pool)) {
		struct pool_numbers	numbers;

		pool_count(pool, 0, &numbers);
		servers += (size_t)numbers.total;
	}
	show_memory(show, "client", show_client_bytes, clients,
	    clients * show_client_bytes);
	show_memory(show, "server", sizeof(struct server), servers,
	    servers * sizeof(struct server));
	statements_memory(&count, &bytes);
	show_memory(show, "statement", sizeof(struct statement), count,
	    bytes);
	settings_memory(&count, &bytes);
	show_memory(show, "settings", 0, count, bytes);
}

static void
show_fill_state(struct show *show)
{
	bool	paused = pools_are_paused(NULL), suspended = suspend_is_on();

	show_text(show, "active");
	show_text(show, paused || suspended ? "no" : "yes");
	show_row(show);
	show_text(show, "paused");
	show_text(show, paused ? "yes" : "no");
	show_row(show);
	show_text(show, "suspended");
	show_text(show, suspended ? "yes" : "no");
	show_row(show);
	show_text(show, "process");
	show_text(show, process.state());
	show_row(show);
}

static void	show_fill_help(struct show *);

static void
show_fill_nothing(struct show *show)
{
	(void)show;
}

#define SHOW_BUFFER_COLUMNS						\
	" recv_pos:i pkt_pos:i pkt_remain:i send_pos:i send_remain:i "	\
	"pkt_avail:i send_avail:i"

#define COUNTERS_TOTAL							\
	"total_server_assignment_count:n total_xact_count:n "		\
	"total_query_count:n total_received:n total_sent:n "		\
	"total_xact_time:n total_query_time:n total_wait_time:n "	\
	"total_client_parse_count:n total_server_parse_count:n "	\
	"total_bind_count:n total_client_login_count:n "
#define COUNTERS_AVERAGE						\
	"avg_server_assignment_count:n avg_xact_count:n "		\
	"avg_query_count:n avg_recv:n avg_sent:n avg_xact_time:n "	\
	"avg_query_time:n avg_wait_time:n avg_client_parse_count:n "	\
	"avg_server_parse_count:n avg_bind_count:n avg_client_login_count:n"

static const struct show_table	show_tables[] = {
	{ "HELP", "what there is", false, "command:t meaning:t",
	    show_fill_help, NULL },
	{ "ACTIVE_SOCKETS", "connections that are in use", false,
	    SHOW_CONNECTION_COLUMNS SHOW_BUFFER_COLUMNS, NULL,
	    show_fill_active_sockets },
	{ "CLIENTS", "client connections", false, SHOW_CONNECTION_COLUMNS
	    " pinned:t", NULL, show_fill_clients },
	{ "CONFIG", "options with their values", false,
	    "key:t value:t default:t changeable:t", show_fill_config, NULL },
	{ "DATABASES", "databases in the configuration", false,
	    "name:t host:t port:i database:t force_user:t pool_size:i "
	    "min_pool_size:i reserve_pool_size:i server_lifetime:i "
	    "pool_mode:t load_balance_hosts:t max_connections:i "
	    "current_connections:i max_client_connections:i "
	    "current_client_connections:i paused:i disabled:i "
	    "reserve_pool:i",
	    show_fill_databases, NULL },
	{ "DNS_HOSTS", "names of hosts and their addresses", false,
	    "hostname:t ttl:l addrs:t", NULL, show_fill_dns_hosts },
	{ "DNS_ZONES", "none: zones are not followed", false,
	    "zonename:t serial:l count:i", show_fill_nothing, NULL },
	{ "ERRORS", "errors that clients were told, with the last of each",
	    false, "sqlstate:t source:t reason:t count:l last_time:t "
	    "database:t user:t text:t", show_fill_errors, NULL },
	{ "FDS", "descriptors; the secrets are left empty", true,
	    "fd:i task:t user:t database:t addr:t port:i cancel:l link:i "
	    "client_encoding:t std_strings:t datestyle:t timezone:t "
	    "password:t scram_client_key:b scram_server_key:b", NULL,
	    show_fill_fds },
	{ "HOSTS", "hosts, their roles and what they are used for", false,
	    "host:t port:i address:t role:t state:t use:t lag_bytes:l lag:t "
	    "timeline:l last_seen:t connections:i cluster:t error:t", NULL,
	    show_fill_hosts },
	{ "LISTS", "numbers of things", false, "list:t items:i",
	    show_fill_lists, NULL },
	{ "MEM", "memory", false,
	    "name:t size:i used:i free:i memtotal:i", show_fill_mem, NULL },
	{ "PEERS", "other processes, for cancel requests", false,
	    "peer_id:i host:t port:i pool_size:i name:t", NULL,
	    show_fill_peers },
	{ "PEER_POOLS", "connections to them", false,
	    "peer_id:i cl_active_cancel_req:i cl_waiting_cancel_req:i "
	    "sv_active_cancel:i sv_login:i host:t port:i", NULL,
	    show_fill_peer_pools },
	{ "PINS", "what has tied clients to servers", false,
	    "database:t user:t reason:t tied:l refused:l", show_fill_pins,
	    NULL },
	{ "POOLS", "pools and what they do", false,
	    "database:t user:t cl_active:i cl_waiting:i "
	    "cl_active_cancel_req:i cl_waiting_cancel_req:i sv_active:i "
	    "sv_active_cancel:i sv_being_canceled:i sv_idle:i sv_used:i "
	    "sv_tested:i sv_login:i maxwait:i maxwait_us:i pool_mode:t "
	    "load_balance_hosts:t host:t", show_fill_pools, NULL },
	{ "PREPARED", "prepared statements, up to the first literal", true,
	    "hash:t references:i bytes:i text:t", show_fill_prepared, NULL },
	{ "ROUTES", "where transactions went, and why", false,
	    "database:t target:t reason:t count:l", show_fill_routes, NULL },
	{ "SERVERS", "connections to PostgreSQL", false,
	    SHOW_CONNECTION_COLUMNS " cancels:i", NULL, show_fill_servers },
	{ "SOCKETS", "connections to clients and to PostgreSQL", false,
	    SHOW_CONNECTION_COLUMNS SHOW_BUFFER_COLUMNS, NULL,
	    show_fill_sockets },
	{ "STATE", "what the process does", false, "key:t value:t",
	    show_fill_state, NULL },
	{ "STATS", "counters and averages", false, "database:t "
	    COUNTERS_TOTAL COUNTERS_AVERAGE " total_requests:n",
	    show_fill_stats, NULL },
	{ "STATS_AVERAGES", "averages", false, "database:t "
	    "server_assignment_count:n xact_count:n query_count:n "
	    "bytes_received:n bytes_sent:n xact_time:n query_time:n "
	    "wait_time:n avg_client_parse_count:n avg_server_parse_count:n "
	    "avg_bind_count:n avg_client_login_count:n",
	    show_fill_stats_averages, NULL },
	{ "STATS_TOTALS", "counters", false, "database:t "
	    "server_assignment_count:n xact_count:n query_count:n "
	    "bytes_received:n bytes_sent:n xact_time:n query_time:n "
	    "wait_time:n client_parse_count:n server_parse_count:n "
	    "bind_count:n client_login_count:n", show_fill_stats_totals,
	    NULL },
	{ "TOTALS", "counters over all databases", false, "name:t value:n",
	    show_fill_totals, NULL },
	{ "USERS", "users in auth_file and [users]", false,
	    "name:t pool_size:i reserve_pool_size:i pool_mode:t "
	    "max_user_connections:i current_connections:i "
	    "max_user_client_connections:i current_client_connections:i",
	    show_fill_users, NULL },
	{ "VERSION", "the version", false, "version:t", show_fill_version,
	    NULL },
};

const struct show_table *
show_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(show_tables); i++)
		if (text_equal_nocase(show_tables[i].name, name))
			return &show_tables[i];
	return NULL;
}

const char *
show_nearest(const char *name)
{
	const char	*nearest = NULL;
	int		 distance, least = 3;

	for (size_t i = 0; i < ARRAY_LENGTH(show_tables); i++) {
		distance = text_distance(name, show_tables[i].name, least);
		if (distance < least) {
			least = distance;
			nearest = show_tables[i].name;
		}
	}
	return nearest;
}

static void
show_fill_help(struct show *show)
{
	char	text[64];

	for (size_t i = 0; i < ARRAY_LENGTH(show_tables); i++) {
		snprintf(text, sizeof text, "SHOW %s", show_tables[i].name);
		show_text(show, text);
		show_text(show, show_tables[i].help);
		show_row(show);
	}
	show_commands(show);
}
