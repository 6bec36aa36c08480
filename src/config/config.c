/*
 * The snapshot: reading all of it.
 *
 * Order: the file (its section decides whose defaults count), then the
 * environment, then the files that are named, then what does not fit
 * together.  Every fault is reported; one is enough to refuse the whole.
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/config.h"
#include "config/databases.h"
#include "config/hba.h"
#include "config/ini.h"
#include "config/options.h"
#include "config/secret_file.h"
#include "config/userlist.h"
#include "net/addr.h"
#include "net/tls.h"

extern char	**environ;

/* While a snapshot is being read. */
struct reading {
	struct config			*config;
	const struct config_report	*report;
	struct buf			 ignored; /* names, for one note */
	bool				 has_section;
	bool				 has_faults;
};

static void __attribute__((format(printf, 3, 4)))
reading_say(struct reading *reading, bool is_error, const char *format, ...)
{
	char	sentence[1200];
	va_list	args;

	va_start(args, format);
	vsnprintf(sentence, sizeof sentence, format, args);
	va_end(args);
	reading->has_faults = reading->has_faults || is_error;
	reading->report->say(reading->report->arg, is_error, sentence);
}

/*
 * The file.
 */

static void
reading_option(struct reading *reading, const char *where, const char *name,
    const char *value)
{
	const struct option	*option = option_find(name);
	const char		*nearest, *why;
	char			 error[600];

	if (option != NULL) {
		if (!option_parse(option, &reading->config->option, value,
		    error, sizeof error))
			reading_say(reading, true, "%s%s", where, error);
	} else if (option_ignored(name) != NULL)
		buf_printf(&reading->ignored, "%s%s (%s)",
		    buf_length(&reading->ignored) > 0 ? "; " : "", name,
		    option_ignored(name));
	else if ((why = option_refused(name)) != NULL)
		reading_say(reading, true, "%s%s: %s", where, name, why);
	else {
		nearest = option_nearest(name);
		reading_say(reading, true, "%sthere is no option "
		    "\"%s\"%s%s%s", where, name,
		    nearest != NULL ? "; did you mean \"" : "",
		    nearest != NULL ? nearest : "",
		    nearest != NULL ? "\"?" : "");
	}
}

static void
config_add_database(struct config *config, struct database *database)
{
	for (size_t i = 0; i < config->database_count; i++)
		if (strcmp(config->databases[i]->name, database->name) == 0) {
			database_free(config->databases[i]);
			config->databases[i] = database;
			return;
		}
	config->databases = mem_resize(config->databases,
	    (config->database_count + 1) * sizeof config->databases[0]);
	config->databases[config->database_count++] = database;
}

static void
reading_database(struct reading *reading, const char *where,
    const char *name, const char *text)
{
	struct database	*database;
	char		 error[400];

	if (strcmp(name, "pgweir") == 0 || strcmp(name, "pgbouncer") == 0) {
		reading_say(reading, true, "%sthe database name \"%s\" is the "
		    "console's", where, name);
		return;
	}
	database = database_parse(name, text, error, sizeof error);
	if (database == NULL)
		reading_say(reading, true, "%sdatabase \"%s\": %s", where,
		    name, error);
	else
		config_add_database(reading->config, database);
}

static void
reading_user(struct reading *reading, const char *where, const char *name,
    const char *text)
{
	struct config	*config = reading->config;
	struct user	*user;
	char		 error[400];

	if ((user = user_parse(name, text, error, sizeof error)) == NULL) {
		reading_say(reading, true, "%suser \"%s\": %s", where, name,
		    error);
		return;
	}
	config->users = mem_resize(config->users,
	    (config->user_count + 1) * sizeof config->users[0]);
	config->users[config->user_count++] = user;
}

static void
reading_peer(struct reading *reading, const char *where, const char *name,
    const char *text)
{
	struct config		*config = reading->config;
	struct peer_entry	*peer;
	char			 error[400];

	if ((peer = peer_parse(name, text, error, sizeof error)) == NULL) {
		reading_say(reading, true, "%speer \"%s\": %s", where, name,
		    error);
		return;
	}
	for (size_t i = 0; i < config->peer_count; i++)
		if (config->peers[i]->id == peer->id)
			reading_say(reading, true, "%speer %d is there twice",
			    where, peer->id);
	config->peers = mem_resize(config->peers,
	    (config->peer_count + 1) * sizeof config->peers[0]);
	config->peers[config->peer_count++] = peer;
}

/* The first of [pgweir] and [pgbouncer] decides on the defaults. */
static bool
reading_main_section(struct reading *reading, const char *where,
    const char *section)
{
	bool	is_pgbouncer = strcmp(section, "pgbouncer") == 0;

	if (reading->has_section &&
	    is_pgbouncer != reading->config->is_pgbouncer) {
		reading_say(reading, true, "%s[pgweir] and [pgbouncer] cannot "
		    "both be there: they have different defaults", where);
		return false;
	}
	reading->has_section = true;
	return true;
}

static void
reading_on_line(void *arg, const struct ini_line *line)
{
	struct reading	*reading = arg;
	char		 where[700];

	config_add_file(reading->config, line->file);
	snprintf(where, sizeof where, "%s:%d: ", line->file, line->number);
	if (strcmp(line->section, "databases") == 0)
		reading_database(reading, where, line->key, line->value);
	else if (strcmp(line->section, "users") == 0)
		reading_user(reading, where, line->key, line->value);
	else if (strcmp(line->section, "peers") == 0)
		reading_peer(reading, where, line->key, line->value);
	else if (strcmp(line->section, "pgweir") == 0 ||
	    strcmp(line->section, "pgbouncer") == 0) {
		if (reading_main_section(reading, where, line->section))
			reading_option(reading, where, line->key,
			    line->value);
	} else
		reading_say(reading, true, "%sthere is no section [%s]; there "
		    "are [databases], [users], [peers] and [pgweir]", where,
		    line->section);
}

static void
reading_on_fault(void *arg, const char *sentence)
{
	reading_say(arg, true, "%s", sentence);
}

/* Whose defaults: looked for first, because options may precede it. */
static void
sniff_on_line(void *arg, const struct ini_line *line)
{
	if (strcmp(line->section, "pgbouncer") == 0)
		*(bool *)arg = true;
}

static void
sniff_on_fault(void *arg, const char *sentence)
{
	(void)arg;
	(void)sentence;
}

/*
 * The environment.
 */

/* What Kubernetes sets for a Service that is called pgweir. */
static bool
environment_is_service(const char *name)
{
	size_t	n = strlen(name);

	return strncmp(name, "SERVICE_", 8) == 0 ||
	    strncmp(name, "PORT", 4) == 0 ||
	    strstr(name, "_SERVICE_") != NULL || strstr(name, "_TCP") != NULL ||
	    (n > 5 && strcmp(name + n - 5, "_PORT") == 0);
}

static void
reading_variable(struct reading *reading, const char *name,
    const char *value)
{
	char	lower[128], where[160];
	size_t	n = strlen(name);

	if (n >= sizeof lower)
		return;
	for (size_t i = 0; i <= n; i++)
		lower[i] = name[i] >= 'A' && name[i] <= 'Z' ?
		    (char)(name[i] - 'A' + 'a') : name[i];
	snprintf(where, sizeof where, "PGWEIR_%s: ", name);
	if (option_find(lower) != NULL)
		reading_option(reading, where, lower, value);
	else if (!environment_is_service(name))
		reading_say(reading, false, "%sthere is no option \"%s\"%s%s"
		    "; ignored", where, lower,
		    option_nearest(lower) != NULL ? "; did you mean " : "",
		    option_nearest(lower) != NULL ?
		    option_nearest(lower) : "");
}

/* The database of a URL, to clients that know its user and password. */
static void
reading_database_url(struct reading *reading, const char *url)
{
	struct config	*config = reading->config;
	struct database	*database;
	const char	*name;
	char		 error[400];

	database = database_parse("", url, error, sizeof error);
	if (database == NULL || database->user == NULL) {
		reading_say(reading, true, "PGWEIR_DATABASE_URL: %s",
		    database == NULL ? error : "it names no user");
		if (database != NULL)
			database_free(database);
		return;
	}
	name = database->dbname != NULL ? database->dbname : database->user;
	free(database->name);
	database->name = mem_string(name);
	userlist_add(config->userlist, database->user,
	    database->password != NULL ? database->password : "");
	config_add_database(config, database);
}

static void
reading_environment(struct reading *reading, char *const *environment)
{
	const char	*equals;
	char		*name;

	for (; environment != NULL && *environment != NULL; environment++) {
		if (strncmp(*environment, "PGWEIR_", 7) != 0 ||
		    (equals = strchr(*environment, '=')) == NULL)
			continue;
		name = mem_string_n(*environment + 7,
		    (size_t)(equals - *environment) - 7);
		if (strcmp(name, "DATABASE_URL") != 0)
			reading_variable(reading, name, equals + 1);
		free(name);
	}
}

static const char *
environment_url(char *const *environment)
{
	for (; environment != NULL && *environment != NULL; environment++)
		if (strncmp(*environment, "PGWEIR_DATABASE_URL=", 20) == 0)
			return *environment + 20;
	return NULL;
}

/*
 * What is named and what must fit.
 */

static void
reading_files(struct reading *reading)
{
	struct config	*config = reading->config;
	char		 error[600];

	userlist_free(config->userlist);
	config->userlist = userlist_read(config->option.auth_file, error,
	    sizeof error);
	if (config->userlist == NULL) {
		reading_say(reading, true, "%s", error);
		config->userlist = userlist_new();
	}
	if (config->option.dashboard_token_file[0] != '\0' &&
	    (config->dashboard_token = secret_file_read(
	    config->option.dashboard_token_file, error, sizeof error)) ==
	    NULL)
		reading_say(reading, true, "dashboard_token_file: %s", error);
	if (config->option.auth_hba_file[0] == '\0')
		return;
	config->hba = hba_read(config->option.auth_hba_file,
	    config->option.auth_ident_file, error, sizeof error);
	if (config->hba == NULL)
		reading_say(reading, true, "%s", error);
}

static void
reading_check_metrics_addr(struct reading *reading, const char *value)
{
	char		*list = mem_string(value), *rest = list, *word;
	struct addr	 addr;

	while ((word = text_next_word(&rest)) != NULL)
		if (strcmp(word, "*") != 0 &&
		    strcmp(word, "localhost") != 0 &&
		    !addr_parse_ip(&addr, word, 0))
			reading_say(reading, true, "metrics_addr: \"%s\" is "
			    "not a numeric address", word);
	free(list);
}

static void
reading_check_peers(struct reading *reading, const char *value)
{
	char	*list = mem_string(value), *rest = list, *word;
	int	 port;

	while ((word = text_next_word(&rest)) != NULL)
		if (!peer_split(word, &port))
			reading_say(reading, true, "peers: \"%s\" has a "
			    "port that is none", word);
	free(list);
}

/* Contexts are made with the snapshot, so that bad files refuse it. */
static void
reading_tls(struct reading *reading)
{
	struct config			*config = reading->config;
	const struct option_values	*option = &config->option;
	struct tls_settings		 front = {
		.mode = (enum tls_mode)option->client_tls_sslmode,
		.key_file = option->client_tls_key_file,
		.cert_file = option->client_tls_cert_file,
		.ca_file = option->client_tls_ca_file,
		.protocols = option->client_tls_protocols,
		.ciphers = option->client_tls_ciphers,
		.ciphers13 = option->client_tls13_ciphers,
		.ecdhcurve = option->client_tls_ecdhcurve,
		.dheparams = option->client_tls_dheparams,
	};
	struct tls_settings		 back = {
		.mode = (enum tls_mode)option->server_tls_sslmode,
		.key_file = option->server_tls_key_file,
		.cert_file = option->server_tls_cert_file,
		.ca_file = option->server_tls_ca_file,
		.protocols = option->server_tls_protocols,
		.ciphers = option->server_tls_ciphers,
		.ciphers13 = option->server_tls13_ciphers,
	};
	/* Encrypted where they offer it; whoever wants certificates of us
	 * gets the request in the clear. */
	struct tls_settings		 peers = {
		.mode = TLS_PREFER,
		.protocols = "secure",
		.ciphers = "default",
	};
	char				 error[600];

	if (front.mode != TLS_DISABLE &&
	    (config->front_tls = tls_context_new_server(&front,
	    &config->is_self_signed, error, sizeof error)) == NULL)
		reading_say(reading, true, "client_tls: %s", error);
	if (back.mode != TLS_DISABLE &&
	    (config->back_tls = tls_context_new_client(&back, error,
	    sizeof error)) == NULL)
		reading_say(reading, true, "server_tls: %s", error);
	if ((option->peers[0] != '\0' || config->peer_count > 0) &&
	    front.mode > TLS_DISABLE && front.mode < TLS_VERIFY_CA)
		config->peers_tls = tls_context_new_client(&peers, error,
		    sizeof error);
}

static void
reading_check(struct reading *reading)
{
	struct config			*config = reading->config;
	const struct option_values	*option = &config->option;

	reading_check_metrics_addr(reading, option->metrics_addr);
	if (option->auth_type == AUTH_HBA && option->auth_hba_file[0] == '\0')
		reading_say(reading, true, "auth_type hba needs "
		    "auth_hba_file");
	if (option->auth_type == AUTH_CERT &&
	    option->client_tls_ca_file[0] == '\0')
		reading_say(reading, true, "auth_type cert needs "
		    "client_tls_ca_file");
	if ((option->client_tls_cert_file[0] == '\0') !=
	    (option->client_tls_key_file[0] == '\0'))
		reading_say(reading, true, "client_tls_cert_file and "
		    "client_tls_key_file go together");
	if (option->auth_type == AUTH_ANY)
		for (size_t i = 0; i < config->database_count; i++)
			if (config->databases[i]->user == NULL)
				reading_say(reading, true, "auth_type any "
				    "needs user= in database \"%s\"",
				    config->databases[i]->name);
	reading_check_peers(reading, option->peers);
	if (option->peers[0] != '\0' && config->peer_count > 0)
		reading_say(reading, true, "the option peers and the section "
		    "[peers] cannot both be there");
	if (config->peer_count > 0 && option->peer_id == 0)
		reading_say(reading, false, "[peers] without a peer_id of "
		    "this process: nobody can pass a cancel request on to it");
	if (config->database_count == 0 && !reading->has_faults)
		reading_say(reading, false, "no database is configured: only "
		    "the console can be used");
	if (buf_length(&reading->ignored) > 0) {
		buf_add(&reading->ignored, "", 1);
		reading_say(reading, false, "without meaning here: %s",
		    (const char *)buf_bytes(&reading->ignored));
	}
}

static void
config_free(struct config *config)
{
	for (size_t i = 0; i < config->database_count; i++)
		database_free(config->databases[i]);
	for (size_t i = 0; i < config->user_count; i++)
		user_free(config->users[i]);
	for (size_t i = 0; i < config->peer_count; i++)
		peer_free(config->peers[i]);
	free(config->peers);
	tls_context_free(config->peers_tls);
	option_values_done(&config->option);
	userlist_free(config->userlist);
	hba_free(config->hba);
	tls_context_free(config->front_tls);
	tls_context_free(config->back_tls);
	for (size_t i = 0; i < config->set_count; i++)
		free(config->sets[i]);
	free(config->sets);
	free(config->databases);
	free(config->users);
	config_free_files(config);
	mem_free_secret(config->dashboard_token);
	free(config->file);
	free(config);
}

/* What goes before file and environment until the next reload. */
static void
reading_set(struct reading *reading, const char *name, const char *value)
{
	struct config	*config = reading->config;

	reading_option(reading, "", name, value);
	for (size_t i = 0; i < config->set_count; i += 2)
		if (strcmp(config->sets[i], name) == 0) {
			free(config->sets[i + 1]);
			config->sets[i + 1] = mem_string(value);
			return;
		}
	config->sets = mem_resize(config->sets,
	    (config->set_count + 2) * sizeof config->sets[0]);
	config->sets[config->set_count++] = mem_string(name);
	config->sets[config->set_count++] = mem_string(value);
}

/* old: whose SETs are kept; name and value: one more.  Or NULL. */
static struct config *
config_read_all(const char *file, char *const *environment,
    const struct config *old, const char *name, const char *value,
    const struct config_report *report)
{
	struct reading	 reading = { .report = report };
	struct config	*config = mem_new(sizeof *config);
	const char	*url = environment_url(environment);

	reading.config = config;
	buf_init(&reading.ignored);
	atomic_init(&config->references, 1);
	config->file = mem_string(file);
	if (file != NULL)
		config_add_file(config, file);
	if (file != NULL)
		ini_read(file, sniff_on_line, sniff_on_fault,
		    &config->is_pgbouncer);
	option_values_init(&config->option, config->is_pgbouncer);
	config->userlist = userlist_new();
	if (file != NULL)
		ini_read(file, reading_on_line, reading_on_fault, &reading);
	else {
		/* Beside its application: nobody else is to reach it. */
		free(config->option.listen_addr);
		config->option.listen_addr = mem_string("127.0.0.1");
		free(config->option.metrics_addr);
		config->option.metrics_addr = mem_string("127.0.0.1");
	}
	reading_environment(&reading, environment);
	for (size_t i = 0; old != NULL && i < old->set_count; i += 2)
		reading_set(&reading, old->sets[i], old->sets[i + 1]);
	if (name != NULL)
		reading_set(&reading, name, value);
	reading_files(&reading);
	if (url != NULL)
		reading_database_url(&reading, url);
	config_add_named_files(config);
	reading_check(&reading);
	reading_tls(&reading);
	buf_done(&reading.ignored);
	if (!reading.has_faults)
		return config;
	config_free(config);
	return NULL;
}

struct config *
config_read(const char *file, char *const *environment,
    const struct config_report *report)
{
	return config_read_all(file, environment, NULL, NULL, NULL, report);
}

struct config *
config_read_with(const struct config *config, const char *name,
    const char *value, const struct config_report *report)
{
	return config_read_all(config->file, environ, config, name, value,
	    report);
}

struct config *
config_hold(const struct config *config)
{
	struct config	*held = (struct config *)(uintptr_t)config;

	atomic_fetch_add(&held->references, 1);
	return held;
}

void
config_release(struct config *config)
{
	if (config != NULL &&
	    atomic_fetch_sub(&config->references, 1) == 1)
		config_free(config);
}
