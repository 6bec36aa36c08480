/*
 * See pool/libpq.h.  libpq verifies certificates in every mode in which it is
 * given authorities; we do not.
 */

#include <stdio.h>
#include <string.h>

#include <event2/event.h>

#include "base/mem.h"
#include "config/config.h"
#include "config/userlist.h"
#include "net/loop.h"
#include "net/tls.h"
#include "pool/backend.h"
#include "pool/libpq.h"

/* libpq has files in the home directory for what is empty, not for this. */
#define NO_FILE		"/dev/null/none"

static const char *
libpq_file(const char *path)
{
	return path[0] != '\0' ? path : NO_FILE;
}

/* The same as on connections of clients; libpq's own is another file. */
static const char *
libpq_authorities(const struct option_values *option)
{
	const char	*file = option->server_tls_ca_file;

	if (option->server_tls_sslmode < TLS_VERIFY_CA)
		return NO_FILE;
	if (file[0] == '\0')
		file = tls_system_authorities();
	return file != NULL ? file : NO_FILE;
}

static PGconn *
libpq_start(const struct libpq_login *login)
{
	const struct option_values *option = &login->config->option;
	char		 host[ADDR_TEXT_BYTES], port[16];
	bool		 is_unix = addr_is_unix(login->addr);
	const struct {
		const char	*name, *value;
	} parameters[] = {
		{ "host", login->backend->host },
		{ "hostaddr", is_unix ? "" :
		    addr_print_host(login->addr, host, sizeof host) },
		{ "port", port },
		{ "user", login->user },
		{ "password", login->password != NULL ? login->password : "" },
		{ "dbname", login->database },
		{ "sslmode", is_unix ? "disable" :
		    tls_mode_names[option->server_tls_sslmode] },
		{ "sslrootcert", libpq_authorities(option) },
		{ "sslcert", libpq_file(option->server_tls_cert_file) },
		{ "sslkey", libpq_file(option->server_tls_key_file) },
		/* No replica answers in a serializable transaction. */
		{ "options", "-csearch_path=pg_catalog "
		    "-cdefault_transaction_isolation=read\\ committed" },
		{ "application_name", login->name },
		{ "passfile", "/dev/null" },
		{ "gssencmode", "disable" },
		{ "target_session_attrs", "any" },
	};
	const char	*names[ARRAY_LENGTH(parameters) + 1] = { NULL };
	const char	*values[ARRAY_LENGTH(parameters) + 1] = { NULL };

	snprintf(port, sizeof port, "%d", login->backend->port);
	for (size_t i = 0; i < ARRAY_LENGTH(parameters); i++) {
		names[i] = parameters[i].name;
		values[i] = parameters[i].value;
	}
	return PQconnectStartParams(names, values, 0);
}

static void
libpq_fail(struct libpq *libpq)
{
	libpq->handlers->failed(libpq, libpq->connection == NULL ?
	    "out of memory" : PQerrorMessage(libpq->connection));
}

static void	libpq_on_event(evutil_socket_t, short, void *);

static void
libpq_unwatch(struct libpq *libpq)
{
	if (libpq->event != NULL)
		event_free(libpq->event);
	libpq->event = NULL;
}

static void
libpq_watch(struct libpq *libpq, short what)
{
	libpq_unwatch(libpq);
	libpq->event = event_new(libpq->loop->base,
	    PQsocket(libpq->connection), (short)(what | EV_PERSIST),
	    libpq_on_event, libpq);
	event_add(libpq->event, NULL);
}

/*
 * Connecting.
 */

void
libpq_open(struct libpq *libpq, struct loop *loop,
    const struct libpq_handlers *handlers, const struct libpq_login *login)
{
	libpq->loop = loop;
	libpq->handlers = handlers;
	libpq->connection = libpq_start(login);
	if (libpq->connection == NULL ||
	    PQstatus(libpq->connection) == CONNECTION_BAD)
		libpq_fail(libpq);
	else
		libpq_watch(libpq, EV_WRITE);
}

static void
libpq_poll(struct libpq *libpq)
{
	PostgresPollingStatusType	status;

	/* It may close its socket and make another one. */
	libpq_unwatch(libpq);
	status = PQconnectPoll(libpq->connection);
	switch (PQstatus(libpq->connection)) {
	case CONNECTION_BAD:
	case CONNECTION_STARTED:
	case CONNECTION_NEEDED:
		break;
	default:
		libpq->is_met = true;
		break;
	}
	if (status == PGRES_POLLING_FAILED) {
		libpq_fail(libpq);
		return;
	}
	libpq_watch(libpq, status == PGRES_POLLING_WRITING ? EV_WRITE :
	    EV_READ);
	if (status == PGRES_POLLING_OK) {
		libpq->is_ready = true;
		libpq->handlers->ready(libpq);
	}
}

void
libpq_close(struct libpq *libpq)
{
	libpq_unwatch(libpq);
	PQfinish(libpq->connection);
	memset(libpq, 0, sizeof *libpq);
}

/*
 * Asking.
 */

static void
libpq_sent(struct libpq *libpq, int is_sent)
{
	if (is_sent == 1)
		libpq->is_asking = true;
	else
		libpq_fail(libpq);
}

void
libpq_ask(struct libpq *libpq, const char *query, int count,
    const char *const *values)
{
	libpq_sent(libpq, count == 0 ?
	    PQsendQuery(libpq->connection, query) :
	    PQsendQueryParams(libpq->connection, query, count, NULL, values,
	    NULL, NULL, 0));
}

void
libpq_prepare(struct libpq *libpq, const char *name, const char *query)
{
	libpq_sent(libpq, PQsendPrepare(libpq->connection, name, query, 0,
	    NULL));
}

void
libpq_ask_prepared(struct libpq *libpq, const char *name)
{
	libpq_sent(libpq, PQsendQueryPrepared(libpq->connection, name, 0,
	    NULL, NULL, NULL, 0));
}

/* A handler that closes it, or fails, also ends the asking. */
static void
libpq_read(struct libpq *libpq)
{
	PGresult	*result;

	if (PQconsumeInput(libpq->connection) != 1) {
		libpq_fail(libpq);
		return;
	}
	while (libpq->is_asking && PQisBusy(libpq->connection) == 0) {
		if ((result = PQgetResult(libpq->connection)) == NULL) {
			libpq->is_asking = false;
			libpq->handlers->answered(libpq);
			return;
		}
		if (PQstatus(libpq->connection) == CONNECTION_BAD)
			libpq_fail(libpq);
		else
			libpq->handlers->result(libpq, result);
		PQclear(result);
	}
}

static void
libpq_on_event(evutil_socket_t fd, short what, void *arg)
{
	struct libpq	*libpq = arg;
	struct loop	*loop = libpq->loop;

	(void)fd;
	(void)what;
	if (libpq->is_ready)
		libpq_read(libpq);
	else
		libpq_poll(libpq);
	loop_run_tasks(loop);
}

/*
 * Who asks.
 */

static bool
libpq_secret_is_plain(const char *secret)
{
	return secret != NULL && strncmp(secret, "md5", 3) != 0 &&
	    strncmp(secret, "SCRAM-SHA-256$", 14) != 0;
}

static const char *
libpq_user(const struct config *config, const struct database *entry)
{
	const struct option_values	*option = &config->option;
	const char			*name;

	if (option->monitor_user[0] != '\0')
		return option->monitor_user;
	if (entry != NULL && entry->auth_user != NULL)
		return entry->auth_user;
	if (option->auth_user[0] != '\0')
		return option->auth_user;
	if (entry != NULL && entry->user != NULL)
		return entry->user;
	for (size_t i = 0; i < userlist_count(config->userlist); i++) {
		name = userlist_name(config->userlist, i);
		if (libpq_secret_is_plain(userlist_secret(
		    config->userlist, name)))
			return name;
	}
	return NULL;
}

static const char *
libpq_password(const struct config *config, const struct database *entry,
    const char *user)
{
	const char	*secret;

	if (config->option.monitor_password[0] != '\0')
		return config->option.monitor_password;
	if (entry != NULL && entry->user != NULL &&
	    strcmp(entry->user, user) == 0 && entry->password != NULL)
		return entry->password;
	secret = userlist_secret(config->userlist, user);
	return libpq_secret_is_plain(secret) ? secret : NULL;
}

bool
libpq_introduce(struct libpq_login *login, const struct database *entry)
{
	login->user = libpq_user(login->config, entry);
	if (login->user == NULL)
		return false;
	login->password = libpq_password(login->config, entry, login->user);
	return true;
}
