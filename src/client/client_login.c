/*
 * The first packets of a client: TLS, cancel requests, the startup packet.
 *
 *	FIRST -- SSLRequest: 'S' --> HANDSHAKE --> FIRST
 *	FIRST -- TLS record -------> HANDSHAKE --> FIRST   (direct TLS)
 *	FIRST -- CancelRequest ----> CANCELLING --> closed
 *	FIRST -- startup packet ---> client_auth_begin()
 *
 * Nothing that was sent in the clear counts after TLS has begun: bytes behind
 * an SSLRequest end the connection (CVE-2021-3935).
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "client/client_login.h"
#include "net/tls.h"
#include "pool/cancel_call.h"
#include "pool/peers.h"
#include "wire/msg.h"
#include "wire/put.h"
#include "wire/startup.h"

#define REQUESTS_MAX		4
#define SETTINGS_MAX		256
#define PASSWORD_BYTES_MAX	(128 * 1024)
/* A login is short, and what held it is wiped. */
#define READ_BYTES		1024

/* Closed without a word to the client: then the log has one at least. */
static void
login_drop(struct client *client, enum reason reason, const char *detail)
{
	struct log_who	who;

	client_who(client, &who);
	if (client->login->config->option.log_pooler_errors)
		log_warning(&who, "closed during login: %s", detail);
	client_close(client, reason, detail);
}

static void
login_on_timeout(struct loop *loop, struct deadline *deadline)
{
	struct client	*client = container_of(deadline, struct client,
			    deadline);

	(void)loop;
	if (buf_length(&client->login->in) == 0 && client->user == NULL)
		login_drop(client, REASON_LOGIN_TIMEOUT,
		    "no startup packet within client_login_timeout");
	else
		client_fail(client, REASON_LOGIN_TIMEOUT,
		    "the login did not end within client_login_timeout");
}

void
client_login_start(struct client *client, bool is_crowd)
{
	struct client_login	*login = mem_new(sizeof *login);

	client->login = login;
	login->client = client;
	login->config = config_current();
	login->is_crowd = is_crowd;
	buf_init(&login->in);
	deadline_set(client->loop, &client->deadline,
	    login->config->option.client_login_timeout_us, login_on_timeout);
}

void
client_login_free(struct client *client)
{
	struct client_login	*login = client->login;

	if (login == NULL)
		return;
	if (login->is_asking)
		auth_abandon(&login->auth);
	scram_server_free(login->scram);
	mem_free_secret(login->auth.secret);
	free(login->auth.failure);
	for (size_t i = 0; i < login->setting_count; i++)
		free(login->settings[i]);
	free(login->settings);
	free(login->replication);
	buf_wipe(&login->in);
	config_release(login->config);
	free(login);
	client->login = NULL;
}

/*
 * TLS.
 */

static bool
login_offers_tls(const struct client *client)
{
	return client->login->config->front_tls != NULL &&
	    client->stream.tls == NULL && !client->is_unix;
}

static void
login_start_tls(struct client *client)
{
	struct client_login	*login = client->login;

	login->step = STEP_HANDSHAKE;
	if (!stream_start_tls(&client->stream, login->config->front_tls,
	    true, NULL))
		login_drop(client, REASON_TLS_FAILED,
		    "TLS cannot be started");
}

static void
login_on_ssl_request(struct client *client, bool has_more)
{
	bool	offers = login_offers_tls(client);

	if (has_more) {
		login_drop(client, REASON_BAD_MESSAGE,
		    "something was sent in the clear behind a request for "
		    "TLS");
		return;
	}
	stream_write(&client->stream, offers ? "S" : "N", 1);
	if (offers)
		login_start_tls(client);
}

static void
login_on_secured(struct client *client)
{
	client->login->step = STEP_FIRST;
	if (client->login->is_direct && !tls_has_alpn(&client->stream))
		login_drop(client, REASON_TLS_FAILED, "direct TLS without "
		    "ALPN \"postgresql\"");
}

/*
 * Cancel requests: whoever sent it is told nothing, and waits for the end.  A
 * peer, which is who sends one without hops, is told if it was for us.
 */

/* done() of a cancel request; arg is the client's id. */
static void
client_login_cancelled(struct loop *loop, void *arg, bool was_here)
{
	uint64_t	 id = (uint64_t)(uintptr_t)arg;
	uint8_t		 word = CANCEL_DONE_BYTE;
	struct client	*client;

	TAILQ_FOREACH(client, client_list_of(loop), all)
		if (client->id == id) {
			if (was_here && client->login->is_passed)
				stream_write(&client->stream, &word, 1);
			client_close(client, REASON_CLIENT_LEFT,
			    "a cancel request was carried out");
			return;
		}
}

static void
login_on_cancel(struct client *client, const struct startup *startup)
{
	uint32_t	secret;

	client->login->step = STEP_CANCELLING;
	if (startup->key_length != 4) {
		login_drop(client, REASON_BAD_MESSAGE,
		    "a cancel key of impossible length");
		return;
	}
	secret = (uint32_t)startup->key[0] << 24 |
	    (uint32_t)startup->key[1] << 16 |
	    (uint32_t)startup->key[2] << 8 | startup->key[3];
	client->login->is_passed = (secret & CANCEL_KEY_HOPS) == 0;
	client_cancel_by_key(client->loop, startup->pid, secret,
	    client_login_cancelled, (void *)(uintptr_t)client->id);
}

/*
 * The startup packet.
 */

static void
login_add_setting(struct client_login *login, const char *name,
    const char *value)
{
	if (text_list_has(login->config->option.ignore_startup_parameters,
	    name))
		return;
	login->settings = mem_resize(login->settings,
	    (login->setting_count + 3) * sizeof login->settings[0]);
	login->settings[login->setting_count++] = mem_string(name);
	login->settings[login->setting_count++] = mem_string(value);
	login->settings[login->setting_count] = NULL;
}

static void
login_refuse_many(struct client *client)
{
	client_fail(client, REASON_BAD_PARAMETER, "more than %d startup "
	    "parameters", SETTINGS_MAX);
}

/* In PostgreSQL's words. */
static void
login_refuse_option(struct client *client, enum startup_option result,
    const char *name)
{
	struct error_fields	fields = { .sqlstate = "42601" };
	char			text[400];

	if (result == STARTUP_OPTION_BAD) {
		snprintf(text, sizeof text, "invalid command-line argument "
		    "for server process: %s", name);
		fields.hint = "Try \"postgres --help\" for more information.";
	} else
		snprintf(text, sizeof text, "%s%s requires a value",
		    result == STARTUP_OPTION_EMPTY ? "-c " : "--", name);
	fields.message = text;
	client_fail_with(client, REASON_BAD_PARAMETER, &fields);
}

static bool
login_take_options(struct client *client, const char *value)
{
	char			*copy = mem_string(value), *at = copy;
	const char		*name, *setting;
	enum startup_option	 result;

	if (text_list_has(client->login->config->option
	    .ignore_startup_parameters, "options")) {
		free(copy);
		return true;
	}
	while ((result = startup_next_option(&at, &name, &setting)) ==
	    STARTUP_OPTION_OK &&
	    client->login->setting_count < 2 * SETTINGS_MAX)
		login_add_setting(client->login, name, setting);
	if (result == STARTUP_OPTION_OK)
		login_refuse_many(client);
	else if (result != STARTUP_OPTION_END)
		login_refuse_option(client, result, name);
	free(copy);
	return result == STARTUP_OPTION_END;
}

/* What is neither true nor false is PostgreSQL's to refuse. */
static bool
login_is_false(const char *value)
{
	bool	on;

	return text_to_bool(value, &on) && !on;
}

bool
client_login_is_physical(const struct client_login *login)
{
	return login->replication != NULL &&
	    strcmp(login->replication, "database") != 0;
}

static bool
login_take_parameter(struct client *client, const char *name,
    const char *value)
{
	struct client_login	*login = client->login;

	if (strcmp(name, "user") == 0) {
		free(client->user);
		client->user = mem_string(value);
	} else if (strcmp(name, "database") == 0) {
		free(client->database);
		client->database = mem_string(value);
	} else if (strcmp(name, "replication") == 0) {
		free(login->replication);
		login->replication = login_is_false(value) ? NULL :
		    mem_string(value);
	} else if (strcmp(name, "options") != 0 &&
	    !startup_is_protocol_option(name)) {
		if (login->setting_count >= 2 * SETTINGS_MAX) {
			login_refuse_many(client);
			return false;
		}
		login_add_setting(login, name, value);
	}
	return true;
}

/* What is in "options" is there first, so that a parameter goes over it. */
static bool
login_take_parameters(struct client *client, const struct get *parameters)
{
	const char	*name, *value, *options = NULL;
	struct get	 get = *parameters;

	while (startup_next(&get, &name, &value))
		if (strcmp(name, "options") == 0)
			options = value;
	if (options != NULL && !login_take_options(client, options))
		return false;
	get = *parameters;
	while (startup_next(&get, &name, &value))
		if (!login_take_parameter(client, name, value))
			return false;
	return true;
}

/* 3.1 and above, or options of the protocol: say what we have. */
static void
login_negotiate(struct client *client, const struct startup *startup)
{
	const char	*names[64], *name, *value;
	struct get	 parameters = startup->parameters;
	size_t		 n = 0;
	struct buf	 message;

	while (startup_next(&parameters, &name, &value))
		if (startup_is_protocol_option(name) &&
		    n < ARRAY_LENGTH(names))
			names[n++] = name;
	if (n == 0 && startup->minor == 0)
		return;
	buf_init(&message);
	put_negotiate_version(&message, 0, names, n);
	stream_write(&client->stream, buf_bytes(&message),
	    buf_length(&message));
	buf_done(&message);
}

static bool
login_must_use_tls(const struct client *client)
{
	return client->login->config->option.client_tls_sslmode >=
	    TLS_REQUIRE && client->stream.tls == NULL && !client->is_unix;
}

static void
login_on_startup(struct client *client, const struct startup *startup)
{
	if (startup->major != 3) {
		client_fail(client, REASON_UNSUPPORTED, "protocol %u.%u is "
		    "not supported: this is 3.0", startup->major,
		    startup->minor);
		return;
	}
	if (!login_take_parameters(client, &startup->parameters))
		return;
	if (client->user == NULL || client->user[0] == '\0') {
		client_fail(client, REASON_HBA_REFUSED,
		    "no user name in the startup packet");
		return;
	}
	if (client->database == NULL || client->database[0] == '\0') {
		free(client->database);
		client->database = mem_string(client->user);
	}
	if (login_must_use_tls(client)) {
		client_fail(client, REASON_TLS_REQUIRED, "TLS is required: "
		    "connect with sslmode=require or better");
		return;
	}
	login_negotiate(client, startup);
	client_auth_begin(client);
}

/* False: nothing more can be done with what is here. */
static bool
login_read_packet(struct client *client)
{
	struct client_login	*login = client->login;
	struct startup		 startup;
	enum startup_kind	 kind;
	size_t			 here = buf_length(&login->in);

	kind = startup_parse(buf_bytes(&login->in), here, &startup);
	login->used = startup.length;
	switch (kind) {
	case STARTUP_MORE:
		return false;
	case STARTUP_BAD:
		client_fail(client, REASON_BAD_MESSAGE, "the startup packet "
		    "is malformed: %s", startup.error);
		return false;
	case STARTUP_SSL:
	case STARTUP_GSSENC:
		if (++login->requests > REQUESTS_MAX) {
			client_fail(client, REASON_BAD_MESSAGE,
			    "too many requests for encryption");
			return false;
		}
		if (kind == STARTUP_SSL)
			login_on_ssl_request(client, here > startup.length);
		else
			stream_write(&client->stream, "N", 1);
		break;
	case STARTUP_CANCEL:
		login_on_cancel(client, &startup);
		break;
	case STARTUP_PROTOCOL:
		login_on_startup(client, &startup);
		break;
	}
	if (client->login == NULL)
		return false;
	buf_consume(&login->in, login->used);
	login->used = 0;
	return true;
}

/* PasswordMessage, or a SASL answer in the same frame. */
static bool
login_read_password(struct client *client)
{
	struct client_login	*login = client->login;
	struct msg_head		 head;
	struct buf		 body;
	size_t			 total;

	switch (msg_peek(buf_bytes(&login->in), buf_length(&login->in),
	    &head)) {
	case MSG_SHORT:
		return false;
	case MSG_BAD:
		client_fail(client, REASON_BAD_MESSAGE,
		    "a password message of impossible length");
		return false;
	case MSG_OK:
		break;
	}
	if (buf_bytes(&login->in)[0] != MSG_PASSWORD ||
	    head.length > PASSWORD_BYTES_MAX) {
		client_fail(client, REASON_BAD_MESSAGE, "a password was "
		    "expected, not a message of type 0x%02x and length %u",
		    buf_bytes(&login->in)[0], head.length);
		return false;
	}
	total = MSG_HEAD_BYTES + (size_t)head.length;
	if (buf_length(&login->in) < total)
		return false;
	buf_init(&body);
	buf_add(&body, buf_bytes(&login->in) + MSG_HEAD_BYTES, head.length);
	mem_wipe(buf_bytes(&login->in), total);
	buf_consume(&login->in, total);
	client_auth_on_password(client, buf_bytes(&body),
	    buf_length(&body));
	buf_wipe(&body);
	return client->login != NULL;
}

static bool
login_read_next(struct client *client)
{
	if (client->state == CLIENT_CLOSING || client->login == NULL)
		return false;
	switch (client->login->step) {
	case STEP_FIRST:
		return login_read_packet(client);
	case STEP_PASSWORD:
	case STEP_SCRAM:
		return login_read_password(client);
	default:
		return false;
	}
}

void
client_login_read(struct client *client)
{
	if (client->login->is_reading)
		return;
	client->login->is_reading = true;
	while (login_read_next(client))
		continue;
	if (client->login != NULL)
		client->login->is_reading = false;
}

/* The first bytes of all may be a TLS handshake: OpenSSL gets them back. */
static bool
login_is_direct_tls(struct client *client)
{
	struct client_login	*login = client->login;

	if (login->step != STEP_FIRST || client->stream.tls != NULL ||
	    login->requests > 0 || !startup_is_direct_tls(
	    buf_bytes(&login->in), buf_length(&login->in)))
		return false;
	login->is_direct = true;
	stream_unread(&client->stream, buf_bytes(&login->in),
	    buf_length(&login->in));
	buf_clear(&login->in);
	if (login_offers_tls(client))
		login_start_tls(client);
	else
		login_drop(client, REASON_TLS_FAILED,
		    "direct TLS, but client_tls_sslmode is disable");
	return true;
}

static void
login_on_readable(struct client *client)
{
	struct client_login	*login = client->login;
	ssize_t			 n;

	n = stream_read(&client->stream,
	    buf_reserve(&login->in, READ_BYTES), READ_BYTES);
	if (n == STREAM_AGAIN)
		return;
	if (n <= 0) {
		client_close(client, REASON_CLIENT_LOST,
		    "it left during login");
		return;
	}
	buf_commit(&login->in, (size_t)n);
	if (login_is_direct_tls(client))
		return;
	if (buf_length(&login->in) > 2 * PASSWORD_BYTES_MAX) {
		client_fail(client, REASON_BAD_MESSAGE,
		    "too much was sent during login");
		return;
	}
	client_login_read(client);
}

void
client_login_on_event(struct client *client, enum stream_event event)
{
	switch (event) {
	case STREAM_READABLE:
		login_on_readable(client);
		break;
	case STREAM_SECURED:
		login_on_secured(client);
		break;
	case STREAM_FAILED:
		if (client->login->step == STEP_HANDSHAKE)
			login_drop(client, REASON_TLS_FAILED,
			    stream_error(&client->stream));
		else
			client_close(client, REASON_CLIENT_LOST,
			    stream_error(&client->stream));
		break;
	default:
		break;
	}
}
