/*
 * See config/databases.h.  The keys stand in one table a section
 * (config/keys.h); a URL is turned into the same keys.
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
#include "config/keys.h"
#include "config/secret_file.h"
#include "net/addr.h"

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
	return keys_set(database_keys, database, name, value, error, size);
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
	keys_unset(database_keys, database);
	if ((database_is_url(text) ?
	    url_parse(database, text, error, size) :
	    keys_parse(database_keys, database, text, error, size)) &&
	    database_split_hosts(database, error, size) &&
	    database_read_password(database, error, size))
		return database;
	database_free(database);
	return NULL;
}

void
database_free(struct database *database)
{
	keys_free_texts(database_keys, database);
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
	keys_unset(user_keys, user);
	if (keys_parse(user_keys, user, text, error, size))
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

	keys_unset(peer_keys, peer);
	peer->port = 6432;
	if (!text_to_integer(name, &id) || id < 1 || id > PEER_ID_MAX)
		snprintf(error, size, "a peer_id is a number from 1 to %d",
		    PEER_ID_MAX);
	else if (keys_parse(peer_keys, peer, text, error, size)) {
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
