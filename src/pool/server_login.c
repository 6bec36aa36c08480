/*
 * Opening a server; see pool/server_login.h.
 *
 *	RESOLVING -> CONNECTING -> [ASKING_TLS -> HANDSHAKE] -> STARTED
 *	STARTED: authentication, parameters, ReadyForQuery
 *	-> [QUERYING: connect_query] -> given to the pool
 *
 * What a server sends before it has logged in is believed least of all: every
 * message is bounded, and what is out of order ends it.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "config/config.h"
#include "net/listener.h"
#include "net/tls.h"
#include "pool/backend.h"
#include "pool/pool.h"
#include "pool/server_login.h"
#include "pool/server_login_private.h"
#include "wire/error_fields.h"
#include "wire/put.h"
#include "wire/scram.h"

#define ATTEMPTS_MAX		BACKEND_ADDRESSES_MAX

static void	login_connect(struct server *);
static void	login_on_event(struct server *, enum stream_event);

/*
 * Failing.
 */

void
login_fail(struct server *server, enum reason reason, const char *hint,
    bool is_lasting, const char *format, ...)
{
	struct pool_error	error = { .reason = reason };
	char			text[300];
	va_list			args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	snprintf(error.text, sizeof error.text, "%s: %s",
	    server->pool->backend->name, text);
	snprintf(error.sqlstate, sizeof error.sqlstate, "%s",
	    reason_sqlstate(reason));
	if (hint != NULL)
		snprintf(error.hint, sizeof error.hint, "%s", hint);
	server_fail(&server, &error, is_lasting);
}

/* Errors that come again as long as nobody changes something. */
static bool
login_is_lasting(const char *sqlstate)
{
	return strncmp(sqlstate, "28", 2) == 0 ||
	    strncmp(sqlstate, "3D", 2) == 0 ||
	    strncmp(sqlstate, "42", 2) == 0 ||
	    strncmp(sqlstate, "0A", 2) == 0;
}

/* prefer and allow: the other way, once. */
static bool
login_falls_back(struct server *server)
{
	struct server_login	*login = server->login;
	enum tls_mode		 mode = (enum tls_mode)
				    login->config->option.server_tls_sslmode;

	if (login->has_fallen_back || addr_is_unix(&login->addr) ||
	    login->config->back_tls == NULL ||
	    (mode == TLS_PREFER && server->stream.tls == NULL) ||
	    (mode != TLS_PREFER && mode != TLS_ALLOW))
		return false;
	login->has_fallen_back = true;
	login->wants_tls = !login->wants_tls;
	stream_close(&server->stream);
	scram_client_free(login->scram);
	login->scram = NULL;
	login->is_authenticated = false;
	buf_done(&login->greeting);
	buf_clear(&login->in);
	login_connect(server);
	return true;
}

void
login_on_server_error(struct server *server, const uint8_t *body, size_t n)
{
	struct pool_error	error = { .reason = REASON_SERVER_REFUSED };
	struct error_fields	fields;

	error_fields_parse(body, n, &fields);
	/* Its pg_hba.conf may have a line for the other kind. */
	if (strcmp(fields.sqlstate, "28000") == 0 && login_falls_back(server))
		return;
	snprintf(error.sqlstate, sizeof error.sqlstate, "%s",
	    fields.sqlstate);
	snprintf(error.text, sizeof error.text, "%s", fields.message);
	snprintf(error.hint, sizeof error.hint, "From %s, %s database "
	    "\"%s\" as user \"%s\".", server->pool->backend->name,
	    server->login->stage == LOGIN_QUERYING ? "about connect_query in" :
	    "asked for",
	    pool_profile(server->pool)->dbname, server->pool->user);
	server_fail(&server, &error, login_is_lasting(fields.sqlstate));
}

static void
login_on_timeout(struct loop *loop, struct deadline *deadline)
{
	struct server	*server = container_of(deadline, struct server,
			    deadline);
	static const char	*const doing[] = {
		[LOGIN_RESOLVING] = "its name was not resolved",
		[LOGIN_CONNECTING] = "it did not accept the connection",
		[LOGIN_ASKING_TLS] = "it did not answer about TLS",
		[LOGIN_HANDSHAKE] = "the TLS handshake did not end",
		[LOGIN_STARTED] = "the login did not end",
		[LOGIN_ASKING_ROLE] = "it did not tell its role",
		[LOGIN_QUERYING] = "connect_query did not end",
	};
	char		 limit[32];

	(void)loop;
	text_seconds(pool_profile(server->pool)->settings
	    .server_connect_timeout_us, limit, sizeof limit);
	backend_blame(server->pool->backend, &server->login->addr);
	login_fail(server, REASON_CONNECT_TIMEOUT, NULL, false,
	    "%s within server_connect_timeout (%s)",
	    doing[server->login->stage], limit);
}

/*
 * Address and connection.
 */

static void
login_on_resolved(struct loop *loop, struct letter *letter)
{
	struct login_wait	*wait = container_of(letter,
				    struct login_wait, letter);
	struct server		*server = wait->server;
	char			 error[128];

	free(wait);
	if (server == NULL)
		return;
	server->login->wait = NULL;
	if (!backend_address(server->pool->backend, &server->login->addr,
	    loop, NULL)) {
		backend_error(server->pool->backend, error, sizeof error);
		login_fail(server, REASON_NAME_UNKNOWN, NULL, false,
		    "the name cannot be resolved: %s", error);
		return;
	}
	login_connect(server);
}

static bool
login_is_own_lack(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM ||
	    error == ENOBUFS || error == EADDRNOTAVAIL;
}

static void
login_cannot_connect(struct server *server, int error)
{
	struct server_login	*login = server->login;
	struct addr		 next;

	if (login_is_own_lack(error)) {
		login_fail(server, REASON_NO_DESCRIPTORS, "Raise the limit "
		    "of file descriptors, or lower max_client_conn.", false,
		    "cannot make a connection: %s", strerror(error));
		return;
	}
	backend_blame(server->pool->backend, &login->addr);
	if (++login->attempts < ATTEMPTS_MAX && backend_address(
	    server->pool->backend, &next, server->loop, NULL) &&
	    !addr_equal(&next, &login->addr) &&
	    !addr_equal(&next, &login->first)) {
		login->addr = next;
		login_connect(server);
		return;
	}
	login_fail(server, REASON_CONNECT_FAILED, "Is PostgreSQL running "
	    "there?", false, "cannot connect: %s", strerror(error));
}

static void
login_connect(struct server *server)
{
	struct server_login	*login = server->login;

	login->stage = LOGIN_CONNECTING;
	if (server->state == SERVER_LOGIN)
		server_set_state(server, SERVER_CONNECTING);
	server->on_event = login_on_event;
	if (!stream_connect(&server->stream, server->loop, &login->addr,
	    server_on_stream))
		login_cannot_connect(server, errno);
	else
		server->stream.yields = true;
}

void
server_login_start(struct server *server)
{
	struct server_login	*login = mem_new(sizeof *login);
	struct backend		*backend = server->pool->backend;
	struct login_wait	*wait;

	server->login = login;
	login->config = config_current();
	login->wants_tls = login->config->back_tls != NULL &&
	    login->config->option.server_tls_sslmode >= TLS_PREFER;
	buf_init(&login->in);
	buf_init(&login->greeting);
	pool_secret_copy(server->pool, &login->secret);
	deadline_set(server->loop, &server->deadline,
	    pool_profile(server->pool)->settings.server_connect_timeout_us,
	    login_on_timeout);
	wait = mem_new(sizeof *wait);
	wait->server = server;
	wait->letter.read = login_on_resolved;
	if (backend_address(backend, &login->addr, server->loop,
	    &wait->letter)) {
		free(wait);
		login->first = login->addr;
		login_connect(server);
	} else
		login->wait = wait;
}

void
server_login_free(struct server *server)
{
	struct server_login	*login = server->login;

	if (login == NULL)
		return;
	if (login->wait != NULL)
		login->wait->server = NULL;
	scram_client_free(login->scram);
	pool_secret_wipe(&login->secret);
	buf_wipe(&login->in);
	buf_done(&login->greeting);
	config_release(login->config);
	free(login);
	server->login = NULL;
}

void
login_send(struct server *server, struct buf *message)
{
	stream_write(&server->stream, buf_bytes(message),
	    buf_length(message));
	buf_wipe(message);
}

/*
 * Startup.
 */

static void
login_send_startup(struct server *server)
{
	const struct pool_profile *profile = pool_profile(server->pool);
	const char		*const *more = server->keeper == NULL ? NULL :
				    server->keeper->startup;
	const char		**pairs;
	size_t			 n = 0;
	struct buf		 message;
	const struct {
		const char	*name, *value;
	} parameters[] = {
		{ "user", server->pool->user },
		{ "database", profile->dbname },
		{ "client_encoding", profile->client_encoding },
		{ "DateStyle", profile->datestyle },
		{ "TimeZone", profile->timezone },
		{ "application_name", profile->application_name },
	};

	pairs = mem_new(2 * ARRAY_LENGTH(parameters) * sizeof pairs[0]);
	for (size_t i = 0; i < ARRAY_LENGTH(parameters); i++)
		if (parameters[i].value != NULL) {
			pairs[n++] = parameters[i].name;
			pairs[n++] = parameters[i].value;
		}
	/* Of two with the same name PostgreSQL takes the later one. */
	for (; more != NULL && *more != NULL; more++) {
		pairs = mem_resize(pairs, (n + 1) * sizeof pairs[0]);
		pairs[n++] = *more;
	}
	server->login->stage = LOGIN_STARTED;
	server_set_state(server, SERVER_LOGIN);
	buf_init(&message);
	put_startup(&message, 3, 0, pairs, n / 2);
	free(pairs);
	login_send(server, &message);
}

static void
login_on_connected(struct server *server)
{
	struct server_login	*login = server->login;
	struct socket_settings	 settings;
	struct buf		 message;

	if (!addr_is_unix(&login->addr)) {
		config_socket_settings(login->config, &settings);
		socket_apply(server->stream.fd, &settings);
	}
	if (!login->wants_tls || addr_is_unix(&login->addr)) {
		login_send_startup(server);
		return;
	}
	login->stage = LOGIN_ASKING_TLS;
	buf_init(&message);
	put_ssl_request(&message);
	login_send(server, &message);
}

/*
 * One byte is read, and no more: what a meddler has put behind it goes to
 * OpenSSL, which will not take it for TLS.
 */
static void
login_on_tls_answer(struct server *server)
{
	struct server_login	*login = server->login;
	uint8_t			 answer = 0;
	ssize_t			 n;

	if ((n = stream_read(&server->stream, &answer, 1)) == STREAM_AGAIN)
		return;
	if (n == 1 && answer == 'S') {
		login->stage = LOGIN_HANDSHAKE;
		if (!stream_start_tls(&server->stream,
		    login->config->back_tls, false,
		    server->pool->backend->host))
			login_fail(server, REASON_TLS_FAILED, NULL, false,
			    "TLS cannot be started");
	} else if (n == 1 && answer == 'N' &&
	    login->config->option.server_tls_sslmode < TLS_REQUIRE)
		login_send_startup(server);
	else if (n == 1 && answer == 'N')
		login_fail(server, REASON_TLS_REQUIRED, "Turn ssl on there, "
		    "or set server_tls_sslmode = prefer.", true,
		    "it does not speak TLS, which server_tls_sslmode = %s "
		    "demands", tls_mode_names[
		    login->config->option.server_tls_sslmode]);
	else
		login_fail(server, REASON_SERVER_RUBBISH, NULL, false,
		    "it answered a request for TLS with neither S nor N");
}

static void
login_on_readable(struct server *server)
{
	struct buf	*in = &server->login->in;
	ssize_t		 n;

	if (server->login->stage == LOGIN_ASKING_TLS) {
		login_on_tls_answer(server);
		return;
	}
	n = stream_read(&server->stream, buf_reserve(in, 8192), 8192);
	if (n == STREAM_AGAIN)
		return;
	if (n <= 0) {
		login_fail(server, REASON_SERVER_LOST, NULL, false,
		    "it closed the connection during login%s%s",
		    n == STREAM_ERROR ? ": " : "",
		    n == STREAM_ERROR ? stream_error(&server->stream) : "");
		return;
	}
	buf_commit(in, (size_t)n);
	login_read_messages(server);
}

static void
login_on_failed(struct server *server)
{
	struct server_login	*login = server->login;

	if (login->stage == LOGIN_CONNECTING) {
		int	error = server->stream.error;

		stream_close(&server->stream);
		login_cannot_connect(server, error);
	} else if (login->stage != LOGIN_HANDSHAKE ||
	    !login_falls_back(server))
		login_fail(server, login->stage == LOGIN_HANDSHAKE ?
		    REASON_TLS_FAILED : REASON_SERVER_LOST, NULL, false,
		    "%s: %s", login->stage == LOGIN_HANDSHAKE ?
		    "TLS failed" : "the connection was lost",
		    stream_error(&server->stream));
}

static void
login_on_event(struct server *server, enum stream_event event)
{
	switch (event) {
	case STREAM_CONNECTED:
		login_on_connected(server);
		break;
	case STREAM_SECURED:
		login_send_startup(server);
		break;
	case STREAM_READABLE:
		login_on_readable(server);
		break;
	case STREAM_FAILED:
		login_on_failed(server);
		break;
	case STREAM_DRAINED:
		break;
	}
}
