/*
 * See config/databases.h.  The keys stand in one table a section; a URL is
 * turned into the same keys.
 */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/databases.h"
#include "config/key_list.h"
#include "config/secret_file.h"
#include "net/addr.h"

enum key_kind {
	KEY_TEXT,
	KEY_NUMBER,
	KEY_TIME,
	KEY_MODE,
	KEY_ROUTE,
	KEY_BALANCE,
};

struct key {
	const char	*name;
	enum key_kind	 kind;
	size_t		 offset;
	const char	*meaning;
};

#define DATABASE_KEY(kind, name, field, meaning)			\
	{ name, KEY_##kind, offsetof(struct database, field), meaning },
#define USER_KEY(kind, name, field, meaning)				\
	{ name, KEY_##kind, offsetof(struct user, field), meaning },
#define PEER_KEY(kind, name, field, meaning)				\
	{ name, KEY_##kind, offsetof(struct peer_entry, field), meaning },

static const struct key	database_keys[] = {
	DATABASE_KEYS(DATABASE_KEY)
	{ NULL, KEY_TEXT, 0, NULL },
};

static const struct key	user_keys[] = {
	USER_KEYS(USER_KEY)
	{ NULL, KEY_TEXT, 0, NULL },
};

static const struct key	peer_keys[] = {
	PEER_KEYS(PEER_KEY)
	{ NULL, KEY_TEXT, 0, NULL },
};

static const struct key *
key_find(const struct key *keys, const char *name)
{
	for (; keys->name != NULL; keys++)
		if (strcmp(keys->name, name) == 0)
			return keys;
	return NULL;
}

static const char *
key_nearest(const struct key *keys, const char *name)
{
	const char	*nearest = NULL;
	int		 distance, least = 4;

	for (; keys->name != NULL; keys++) {
		distance = text_distance(name, keys->name, least);
		if (distance < least) {
			least = distance;
			nearest = keys->name;
		}
	}
	return nearest;
}

const char *
config_balance_name(enum balance balance)
{
	return balance == BALANCE_DISABLE ? "disable" : "round-robin";
}

static bool
balance_parse(const char *text, enum balance *balance)
{
	*balance = strcmp(text, "disable") == 0 ? BALANCE_DISABLE :
	    BALANCE_ROUND_ROBIN;
	return strcmp(text, config_balance_name(*balance)) == 0;
}

static bool
key_set(const struct key *keys, void *record, const char *name,
    const char *value, char *error, size_t size)
{
	const struct key	*key = key_find(keys, name);
	const char		*nearest;
	int64_t			 number;
	void			*at;

	if (key == NULL) {
		nearest = key_nearest(keys, name);
		snprintf(error, size, "there is no key \"%s\"%s%s%s", name,
		    nearest != NULL ? "; did you mean \"" : "",
		    nearest != NULL ? nearest : "",
		    nearest != NULL ? "\"?" : "");
		return false;
	}
	at = (char *)record + key->offset;
	switch (key->kind) {
	case KEY_TEXT:
		mem_free_secret(*(char **)at);
		*(char **)at = mem_string(value);
		return true;
	case KEY_NUMBER:
		if (text_to_integer(value, &number) && number >= 0 &&
		    number <= 1000000) {
			*(int *)at = (int)number;
			return true;
		}
		break;
	case KEY_TIME:
		if (text_to_duration(value, &number) && number >= 0) {
			*(int64_t *)at = number;
			return true;
		}
		break;
	case KEY_MODE:
		if (config_pool_mode_parse(value, at))
			return true;
		break;
	case KEY_ROUTE:
		if (config_route_parse(value, at))
			return true;
		break;
	case KEY_BALANCE:
		if (balance_parse(value, at))
			return true;
		break;
	}
	snprintf(error, size, "%s=%s is not possible", name, value);
	return false;
}

/*
 * key=value key='va lue' ...; inside quotes '' is one quote.
 */

static bool
pairs_next(char **at, char **name, char **value)
{
	char	*from, *to;
	bool	 quoted;

	*name = *at;
	*at += strcspn(*at, "= \t");
	from = *at + strspn(*at, " \t");
	if (*at == *name || *from != '=')
		return false;
	**at = '\0';
	from++;
	from += strspn(from, " \t");
	quoted = *from == '\'';
	from += quoted;
	for (*value = to = from; *from != '\0'; *to++ = *from++) {
		if (quoted && *from == '\'') {
			if (from[1] != '\'')
				break;
			from++;
		} else if (!quoted && strchr(" \t", *from) != NULL)
			break;
	}
	if (quoted && *from != '\'')
		return false;
	*at = from + (*from != '\0');
	*to = '\0';
	return true;
}

static bool
pairs_parse(const struct key *keys, void *record, const char *text,
    char *error, size_t size)
{
	char	*copy = mem_string(text), *at = copy, *name, *value;
	bool	 good = true;

	while (good && *(at += strspn(at, " \t")) != '\0') {
		if (!pairs_next(&at, &name, &value)) {
			snprintf(error, size, "it is not a list of "
			    "key=value");
			good = false;
		} else
			good = key_set(keys, record, name, value, error,
			    size);
	}
	mem_free_secret(copy);
	return good;
}

/*
 * postgresql://user:password@host:port/dbname?key=value&...
 */

static int
url_hex(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	digit = (char)tolower((unsigned char)digit);
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* In place; false: a % that is not followed by two digits, or NUL. */
static bool
url_decode(char *text)
{
	char	*to = text;
	int	 high, low;

	for (; *text != '\0'; text++, to++) {
		*to = *text;
		if (*text != '%')
			continue;
		if ((high = url_hex(text[1])) < 0 ||
		    (low = url_hex(text[2])) < 0 || high + low == 0)
			return false;
		*to = (char)(high << 4 | low);
		text += 2;
	}
	*to = '\0';
	return true;
}

static bool
url_set(struct database *database, const char *name, char *value,
    char *error, size_t size)
{
	if (value == NULL || value[0] == '\0')
		return true;
	if (!url_decode(value)) {
		snprintf(error, size, "the URL's %s has a bad %% in it",
		    name);
		return false;
	}
	return key_set(database_keys, database, name, value, error, size);
}

/* "host", "host:port", "[v6]:port": the port is cut off; NULL: none. */
static char *
url_cut_port(char **host)
{
	char	*end;

	if ((*host)[0] == '[' && (end = strchr(*host, ']')) != NULL) {
		*end = '\0';
		(*host)++;
		return end[1] == ':' ? end + 2 : NULL;
	}
	if ((end = strchr(*host, ':')) == NULL)
		return NULL;
	*end = '\0';
	return end + 1;
}

/* One host or several with commas; an encoded path is a socket directory. */
static bool
url_set_host(struct database *database, char *list, char *error, size_t size)
{
	struct buf	 hosts, ports;
	char		*host, *port;
	bool		 good;

	buf_init(&hosts);
	buf_init(&ports);
	while ((host = strsep(&list, ",")) != NULL) {
		port = url_cut_port(&host);
		buf_printf(&hosts, "%s%s", buf_length(&hosts) > 0 ? "," : "",
		    host);
		buf_printf(&ports, "%s%s", buf_length(&ports) > 0 ? "," : "",
		    port != NULL && port[0] != '\0' ? port : "5432");
	}
	buf_add(&hosts, "", 1);
	buf_add(&ports, "", 1);
	good = url_set(database, "host", (char *)buf_bytes(&hosts), error,
	    size) && url_set(database, "port", (char *)buf_bytes(&ports),
	    error, size);
	buf_done(&hosts);
	buf_done(&ports);
	return good;
}

static bool
url_set_query(struct database *database, char *query, char *error,
    size_t size)
{
	char	*pair, *value;

	while ((pair = strsep(&query, "&")) != NULL) {
		if ((value = strchr(pair, '=')) == NULL)
			continue;
		*value++ = '\0';
		/* TOWARDS PostgreSQL this is server_tls_sslmode's. */
		if (strcmp(pair, "sslmode") == 0)
			continue;
		if (!url_set(database, pair, value, error, size))
			return false;
	}
	return true;
}

static bool
url_parse(struct database *database, const char *text, char *error,
    size_t size)
{
	char	*copy = mem_string(strstr(text, "://") + 3);
	char	*at = copy, *query, *path, *host, *password = NULL, *user;
	bool	 good;

	if ((query = strchr(at, '?')) != NULL)
		*query++ = '\0';
	if ((path = strchr(at, '/')) != NULL)
		*path++ = '\0';
	user = at;
	if ((host = strrchr(at, '@')) != NULL) {
		*host++ = '\0';
		if ((password = strchr(user, ':')) != NULL)
			*password++ = '\0';
	} else {
		host = at;
		user = NULL;
	}
	good = url_set(database, "user", user, error, size) &&
	    url_set(database, "password", password, error, size) &&
	    url_set_host(database, host, error, size) &&
	    url_set(database, "dbname", path, error, size) &&
	    (query == NULL || url_set_query(database, query, error, size));
	mem_free_secret(copy);
	return good;
}

static bool
database_is_url(const char *text)
{
	return strncmp(text, "postgresql://", 13) == 0 ||
	    strncmp(text, "postgres://", 11) == 0;
}

static bool
port_parse(const char *text, int *port)
{
	int64_t	number;

	if (!text_to_integer(text, &number) || number <= 0 || number > 65535)
		return false;
	*port = (int)number;
	return true;
}

static void
database_add_host(struct database *database, const char *name, int port)
{
	database->hosts = mem_resize(database->hosts,
	    (database->host_count + 1) * sizeof database->hosts[0]);
	database->hosts[database->host_count++] = (struct host){
		.name = mem_string(name),
		.port = port,
		.is_literal = addr_is_literal(name),
	};
}

/* Hosts with their ports: one port for all, or as many as there are hosts. */
static bool
database_split_hosts(struct database *database, char *error, size_t size)
{
	char	*hosts = mem_string(database->host != NULL ? database->host :
		    "/var/run/postgresql");
	char	*ports = mem_string(database->ports != NULL ?
		    database->ports : "5432");
	char	*host_rest = hosts, *port_rest = ports, *host, *next;
	char	*port = strsep(&port_rest, ",");
	bool	 in_step = port_rest != NULL, good = true;

	while (good && (host = strsep(&host_rest, ",")) != NULL) {
		next = port;
		if (in_step && database->host_count > 0)
			next = strsep(&port_rest, ",");
		if (next == NULL || host[0] == '\0') {
			snprintf(error, size, "host and port are lists of "
			    "different lengths, or have gaps");
			good = false;
		} else if (!port_parse(next, &database->port)) {
			snprintf(error, size, "port=%s is not possible", next);
			good = false;
		} else
			database_add_host(database, host, database->port);
	}
	if (good && in_step && port_rest != NULL) {
		snprintf(error, size, "there are more ports than hosts");
		good = false;
	}
	if (good && database->host_count > HOSTS_MAX) {
		snprintf(error, size, "there are more than %d hosts",
		    HOSTS_MAX);
		good = false;
	}
	if (good)
		database->port = database->hosts[0].port;
	free(hosts);
	free(ports);
	return good;
}

static bool
database_read_password(struct database *database, char *error, size_t size)
{
	if (database->password_file == NULL)
		return true;
	if (database->password != NULL) {
		snprintf(error, size, "password and password_file cannot "
		    "both be there");
		return false;
	}
	database->password = secret_file_read(database->password_file, error,
	    size);
	return database->password != NULL;
}

struct database *
database_parse(const char *name, const char *text, char *error, size_t size)
{
	struct database	*database = mem_new(sizeof *database);

	database->name = mem_string(name);
	database->pool_size = database->min_pool_size = CONFIG_UNSET;
	database->reserve_pool_size = CONFIG_UNSET;
	database->max_db_connections = CONFIG_UNSET;
	database->max_db_client_connections = CONFIG_UNSET;
	database->server_lifetime_us = CONFIG_UNSET;
	database->query_wait_timeout_us = CONFIG_UNSET;
	if ((database_is_url(text) ?
	    url_parse(database, text, error, size) :
	    pairs_parse(database_keys, database, text, error, size)) &&
	    database_split_hosts(database, error, size) &&
	    database_read_password(database, error, size))
		return database;
	database_free(database);
	return NULL;
}

static void
record_free_texts(const struct key *keys, void *record)
{
	char	**text;

	for (; keys->name != NULL; keys++)
		if (keys->kind == KEY_TEXT) {
			text = (char **)((char *)record + keys->offset);
			mem_free_secret(*text);
			*text = NULL;
		}
}

void
database_free(struct database *database)
{
	record_free_texts(database_keys, database);
	for (size_t i = 0; i < database->host_count; i++)
		free(database->hosts[i].name);
	free(database->hosts);
	free(database->name);
	free(database);
}

struct user *
user_parse(const char *name, const char *text, char *error, size_t size)
{
	struct user	*user = mem_new(sizeof *user);

	user->name = mem_string(name);
	user->pool_size = user->reserve_pool_size = CONFIG_UNSET;
	user->max_user_connections = CONFIG_UNSET;
	user->max_user_client_connections = CONFIG_UNSET;
	user->query_timeout_us = user->query_wait_timeout_us = CONFIG_UNSET;
	user->idle_transaction_timeout_us = CONFIG_UNSET;
	user->transaction_timeout_us = CONFIG_UNSET;
	user->client_idle_timeout_us = CONFIG_UNSET;
	if (pairs_parse(user_keys, user, text, error, size))
		return user;
	user_free(user);
	return NULL;
}

void
user_free(struct user *user)
{
	free(user->name);
	free(user);
}

struct peer_entry *
peer_parse(const char *name, const char *text, char *error, size_t size)
{
	struct peer_entry	*peer = mem_new(sizeof *peer);
	int64_t			 id = 0;

	peer->pool_size = CONFIG_UNSET;
	peer->port = 6432;
	if (!text_to_integer(name, &id) || id < 1 || id > PEER_ID_MAX)
		snprintf(error, size, "a peer_id is a number from 1 to %d",
		    PEER_ID_MAX);
	else if (pairs_parse(peer_keys, peer, text, error, size)) {
		if (peer->host != NULL && peer->port > 0 &&
		    peer->port <= 65535) {
			peer->id = (int)id;
			return peer;
		}
		snprintf(error, size, "it needs a host, and a port from 1 to "
		    "65535");
	}
	peer_free(peer);
	return NULL;
}

void
peer_free(struct peer_entry *peer)
{
	free(peer->host);
	free(peer);
}

bool
peer_split(char *word, int *port)
{
	char	*colon = strrchr(word, ':');
	int64_t	 number;

	*port = 0;
	/* An IPv6 address without brackets has no port. */
	if (colon == NULL || (word[0] == '[' && colon[-1] != ']') ||
	    (word[0] != '[' && strchr(word, ':') != colon))
		return true;
	if (!text_to_integer(colon + 1, &number) || number < 1 ||
	    number > 65535)
		return false;
	*colon = '\0';
	*port = (int)number;
	return true;
}

/*
 * The manual.
 */

static void
keys_print(FILE *to, const struct key *keys, const char *section,
    const char *lead)
{
	fprintf(to, ".SH KEYS OF [%s]\n%s\n", section, lead);
	for (; keys->name != NULL; keys++)
		fprintf(to, ".TP\n.B %s\n%s\n", keys->name, keys->meaning);
}

void
databases_print_manual(FILE *to)
{
	keys_print(to, database_keys, "databases", "name = key=value ..., or "
	    "a URL that has the same keys behind its question mark; a value "
	    "with blanks stands in '...', where '' is a quote.  The name * "
	    "serves every database that has no entry.");
	keys_print(to, user_keys, "users", "name = key=value ...");
	keys_print(to, peer_keys, "peers", "peer_id = key=value ...");
}
