/*
 * Logging in to PostgreSQL: authentication, parameters, cancel key,
 * connect_query (PostgreSQL documentation 55.2.1, 55.3).
 *
 * What a server sends before it has logged us in is believed least of all:
 * every message is bounded, and what is out of order ends it.
 */

#include <string.h>

#include "base/mem.h"
#include "net/tls.h"
#include "pool/backend.h"
#include "pool/cluster.h"
#include "pool/monitor.h"
#include "pool/pool_set.h"
#include "pool/server_login.h"
#include "pool/server_login_private.h"
#include "wire/get.h"
#include "wire/msg.h"
#include "wire/password.h"
#include "wire/put.h"

/* Together and each: what a login may send. */
#define LOGIN_MESSAGE_MAX	(64 * 1024)
#define LOGIN_GREETING_MAX	(64 * 1024)

static void
login_no_secret(struct server *server, const char *what)
{
	const struct pool_secret *secret = &server->login->secret;
	const char	*why;

	if (secret->secret == NULL)
		why = "no secret is known for this user: put it into "
		    "auth_file, or give the database a password=";
	else if (password_kind(secret->secret) == PASSWORD_SCRAM)
		why = "only a SCRAM secret is known for this user, and its "
		    "key only after a client has logged in with "
		    "scram-sha-256: log in as this user first, or put the "
		    "plain password into auth_file";
	else
		why = "the secret in auth_file is of another kind: put the "
		    "plain password there";
	login_fail(server, REASON_NO_SECRET, NULL, true,
	    "it asks user \"%s\" for %s, but %s", server->pool->user, what,
	    why);
}

static void
login_send_password(struct server *server, const char *password)
{
	struct buf	message;

	buf_init(&message);
	put_password(&message, password);
	login_send(server, &message);
}

static void
login_on_cleartext(struct server *server)
{
	const char	*secret = server->login->secret.secret;

	if (secret == NULL || password_kind(secret) != PASSWORD_PLAIN)
		login_no_secret(server, "a password");
	else
		login_send_password(server, secret);
}

static void
login_on_md5(struct server *server, const uint8_t *salt, size_t n)
{
	const char	*secret = server->login->secret.secret;
	char		 answer[PASSWORD_MD5_CHARS + 1];

	if (n != PASSWORD_MD5_SALT_BYTES)
		login_fail(server, REASON_SERVER_RUBBISH, NULL, false,
		    "its md5 salt has %zu bytes", n);
	else if (secret == NULL || !password_md5_answer(secret,
	    server->pool->user, salt, answer))
		login_no_secret(server, "an md5 password");
	else {
		login_send_password(server, answer);
		mem_wipe(answer, sizeof answer);
	}
}

static bool
login_start_scram(struct server *server)
{
	struct server_login	*login = server->login;
	const char		*secret = login->secret.secret;
	struct scram_keys	 keys;
	uint8_t			 binding[64];
	size_t			 n = tls_server_end_point(&server->stream,
				    false, binding);
	bool			 has_keys = false;

	if (secret != NULL && password_kind(secret) == PASSWORD_SCRAM &&
	    login->secret.has_client_key &&
	    scram_verifier_parse(secret, &keys.verifier)) {
		memcpy(keys.client_key, login->secret.client_key,
		    sizeof keys.client_key);
		has_keys = true;
	}
	if (!has_keys && (secret == NULL ||
	    password_kind(secret) != PASSWORD_PLAIN))
		return false;
	login->scram = scram_client_new(has_keys ? NULL : secret,
	    has_keys ? &keys : NULL, SCRAM_BINDING_PREFER,
	    n > 0 ? binding : NULL, n);
	mem_wipe(&keys, sizeof keys);
	return true;
}

static void
login_on_sasl(struct server *server, uint32_t code, const uint8_t *data,
    size_t n)
{
	static const enum reason reasons[] = {
		[SCRAM_REFUSED] = REASON_SERVER_REFUSED,
		[SCRAM_STALE] = REASON_SECRET_CHANGED,
		[SCRAM_BAD] = REASON_SERVER_RUBBISH,
	};
	struct server_login	*login = server->login;
	struct buf		 answer;
	enum scram_result	 result;

	if (code == MSG_AUTH_SASL && login->scram == NULL &&
	    !login_start_scram(server)) {
		login_no_secret(server, "scram-sha-256");
		return;
	}
	if (login->scram == NULL) {
		login_fail(server, REASON_SERVER_RUBBISH, NULL, false,
		    "it goes on with a SASL exchange that nobody began");
		return;
	}
	buf_init(&answer);
	result = scram_client_step(login->scram, code, data, n, &answer);
	if (result == SCRAM_CONTINUE || result == SCRAM_DONE) {
		if (buf_length(&answer) > 0)
			login_send(server, &answer);
		buf_wipe(&answer);
		return;
	}
	buf_wipe(&answer);
	login_fail(server, reasons[result], NULL, result != SCRAM_BAD,
	    "SCRAM failed: %s", scram_client_error(login->scram));
}

static void
login_on_auth(struct server *server, const uint8_t *body, size_t n)
{
	struct server_login	*login = server->login;
	struct get		 get;
	uint32_t		 code;

	get_init(&get, body, n);
	code = get_u32(&get);
	if (get.bad || login->is_authenticated) {
		login_fail(server, REASON_SERVER_RUBBISH, NULL, false,
		    "it sent an authentication request out of order");
		return;
	}
	switch (code) {
	case MSG_AUTH_OK:
		if (login->scram != NULL &&
		    !scram_client_is_done(login->scram))
			login_fail(server, REASON_SERVER_RUBBISH, NULL,
			    false, "it did not prove that it knows the "
			    "secret");
		else
			login->is_authenticated = true;
		break;
	case MSG_AUTH_CLEARTEXT:
		login_on_cleartext(server);
		break;
	case MSG_AUTH_MD5:
		login_on_md5(server, get.at, get_left(&get));
		break;
	case MSG_AUTH_SASL:
	case MSG_AUTH_SASL_CONTINUE:
	case MSG_AUTH_SASL_FINAL:
		login_on_sasl(server, code, get.at, get_left(&get));
		break;
	default:
		login_fail(server, REASON_UNSUPPORTED, "Use scram-sha-256, "
		    "md5, password or trust in its pg_hba.conf.", true,
		    "it asks for authentication of type %u, which is not "
		    "supported", code);
		break;
	}
}

/*
 * After authentication.
 */

static void
login_on_key(struct server *server, const uint8_t *body, size_t n)
{
	struct get	get;

	get_init(&get, body, n);
	server->backend_pid = get_u32(&get);
	if (get.bad || get_left(&get) < 4 ||
	    get_left(&get) > SERVER_KEY_BYTES_MAX || server->key != NULL) {
		login_fail(server, REASON_SERVER_RUBBISH, NULL, false,
		    "its cancel key has %zu bytes", n);
		return;
	}
	server->key_length = (uint16_t)get_left(&get);
	server->key = mem_copy(get.at, server->key_length);
}

/* What it says of itself; nothing before PostgreSQL 14. */
static enum role
login_stated_role(const struct buf *greeting)
{
	static const char	 name[] = "in_hot_standby";
	const uint8_t		*at = buf_bytes(greeting);
	const uint8_t		*end = at + buf_length(greeting);
	struct msg_head		 head;

	for (; at < end && msg_peek(at, (size_t)(end - at), &head) == MSG_OK;
	    at += MSG_HEAD_BYTES + head.length)
		if (head.length > sizeof name + 1 && memcmp(
		    at + MSG_HEAD_BYTES, name, sizeof name) == 0)
			return at[MSG_HEAD_BYTES + sizeof name + 1] == 'n' ?
			    ROLE_REPLICA : ROLE_PRIMARY;
	return ROLE_UNKNOWN;
}

/* Before anybody uses it: is it what its host is taken for? */
static void
login_compare_role(struct server *server)
{
	struct backend	*backend = server->pool->backend;
	struct cluster	*cluster = server->pool->set->cluster;

	if (server->stated == ROLE_REPLICA &&
	    cluster_writer(cluster) == backend) {
		cluster_doubt(cluster, backend);
		monitor_doubt(backend);
	} else if (server->stated != ROLE_UNKNOWN &&
	    (int)server->stated != atomic_load(&backend->says))
		monitor_look(backend);
}

/* Its session is nobody else's: no query of ours, and nothing is learnt. */
static bool
login_is_private(const struct server *server)
{
	return server->keeper != NULL && server->keeper->startup != NULL;
}

static void
login_tell_greeting(struct server *server)
{
	struct buf	*greeting = &server->login->greeting;

	if (login_is_private(server)) {
		server->keeper->greeting = *greeting;
		buf_init(greeting);
	} else
		pool_greeted(server->pool, buf_bytes(greeting),
		    buf_length(greeting));
}

static void
login_done(struct server *server)
{
	struct server_login	*login = server->login;
	struct pool		*pool = server->pool;
	struct loop		*loop = server->loop;
	struct log_who		 who;

	server_who(server, &who);
	log_debug(&who, "opened");
	if (server->stated == ROLE_UNKNOWN)
		server->stated = login_stated_role(&login->greeting);
	login_tell_greeting(server);
	if (pool->set != NULL)
		login_compare_role(server);
	server_login_free(server);
	server->opened_us = loop_now_us(server->loop);
	deadline_clear(server->loop, &server->deadline);
	server_set_state(server, SERVER_LINKED);
	if (server->keeper != NULL) {
		server->used_us = server->opened_us;
		server->keeper->opened(server->keeper, server);
		return;
	}
	pool_give(pool, &server);
	/* After a failure this was the only one that was tried. */
	pool_fill(pool, loop);
}

/* PostgreSQL 13 and older do not tell; only where there is a choice. */
static bool
login_asks_role(struct server *server)
{
	struct buf	message;

	if (server->pool->set == NULL || login_is_private(server) ||
	    server->login->stage >= LOGIN_ASKING_ROLE ||
	    login_stated_role(&server->login->greeting) != ROLE_UNKNOWN)
		return false;
	server->login->stage = LOGIN_ASKING_ROLE;
	buf_init(&message);
	put_query(&message, "SELECT pg_catalog.pg_is_in_recovery()");
	login_send(server, &message);
	return true;
}

/* One column, one byte: t or f. */
static void
login_on_row(struct server *server, const uint8_t *body, size_t n)
{
	static const uint8_t	head[] = { 0, 1, 0, 0, 0, 1 };

	if (server->login->stage == LOGIN_ASKING_ROLE &&
	    n == sizeof head + 1 && memcmp(body, head, sizeof head) == 0)
		server->stated = body[n - 1] == 't' ? ROLE_REPLICA :
		    ROLE_PRIMARY;
}

static void
login_on_ready(struct server *server, const uint8_t *body, size_t n)
{
	struct server_login	*login = server->login;
	const char		*query =
				    pool_profile(server->pool)->connect_query;
	struct buf		 message;

	if (!login->is_authenticated) {
		login_fail(server, REASON_SERVER_RUBBISH, NULL, false,
		    "it is ready before it has authenticated us");
		return;
	}
	if (n != 1 || body[0] != STATUS_IDLE) {
		login_fail(server, REASON_SERVER_RUBBISH, NULL, false,
		    "it is ready, but not idle, after %s",
		    login->stage == LOGIN_QUERYING ? "connect_query" :
		    "login");
		return;
	}
	server->transaction_status = (char)body[0];
	if (login_asks_role(server))
		return;
	if (query == NULL || query[0] == '\0' || login_is_private(server) ||
	    login->stage == LOGIN_QUERYING) {
		login->is_ready = true;
		return;
	}
	login->stage = LOGIN_QUERYING;
	buf_init(&message);
	put_query(&message, query);
	login_send(server, &message);
}

static void
login_on_message(struct server *server, uint8_t type, const uint8_t *message,
    size_t total)
{
	struct server_login	*login = server->login;
	const uint8_t		*body = message + MSG_HEAD_BYTES;
	size_t			 n = total - MSG_HEAD_BYTES;

	switch (type) {
	case MSG_AUTH:
		login_on_auth(server, body, n);
		break;
	case MSG_ERROR:
		login_on_server_error(server, body, n);
		break;
	case MSG_PARAMETER_STATUS:
		if (n < 2 || body[n - 1] != '\0' ||
		    buf_length(&login->greeting) + total > LOGIN_GREETING_MAX)
			login_fail(server, REASON_SERVER_RUBBISH, NULL,
			    false, "its parameters are malformed or too "
			    "long");
		else
			buf_add(&login->greeting, message, total);
		break;
	case MSG_BACKEND_KEY:
		login_on_key(server, body, n);
		break;
	case MSG_READY:
		login_on_ready(server, body, n);
		break;
	case MSG_NOTICE:
	case MSG_NOTIFICATION:
	case MSG_NEGOTIATE_VERSION:
		break;
	case MSG_DATA_ROW:
		login_on_row(server, body, n);
		/* FALLTHROUGH */
	default:
		if (login->stage < LOGIN_ASKING_ROLE)
			login_fail(server, REASON_SERVER_RUBBISH, NULL,
			    false, "it sent a message of type 0x%02x during "
			    "login", type);
		break;
	}
}

void
login_read_messages(struct server *server)
{
	struct buf	*in = &server->login->in;
	struct msg_head	 head;
	size_t		 total;

	while (server->login != NULL && server->login->stage >= LOGIN_STARTED)
		switch (msg_peek(buf_bytes(in), buf_length(in), &head)) {
		case MSG_OK:
			total = MSG_HEAD_BYTES + (size_t)head.length;
			if (total <= LOGIN_MESSAGE_MAX) {
				if (buf_length(in) < total)
					return;
				login_on_message(server, buf_bytes(in)[0],
				    buf_bytes(in), total);
				if (server->state == SERVER_CLOSING)
					return;
				if (buf_length(in) >= total)
					buf_consume(in, total);
				break;
			}
			/* FALLTHROUGH */
		case MSG_BAD:
			login_fail(server, REASON_SERVER_RUBBISH, NULL,
			    false, "it sent a message of impossible length");
			return;
		default:
			if (server->login->is_ready &&
			    buf_length(in) == 0)
				login_done(server);
			return;
		}
}
