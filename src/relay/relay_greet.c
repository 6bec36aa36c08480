/*
 * The end of a login: what PostgreSQL would tell a new connection.
 *
 * It is told from what is known.  Only when this pool has never had a server,
 * or when the client wants settings that no server has accepted yet, is a
 * server taken for a moment; and where none can be had, a client whose pool
 * is known is let in all the same, and its settings are tried at its first
 * statement.
 */

#include <assert.h>
#include <string.h>

#include "base/text.h"
#include "config/config.h"
#include "pool/pool_set.h"
#include "relay/relay_choose.h"
#include "relay/relay_finish.h"
#include "relay/relay_greet.h"
#include "relay/relay_private.h"
#include "relay/relay_query.h"
#include "relay/relay_server.h"
#include "relay/relay_service.h"
#include "relay/relay_settings.h"
#include "wire/error_fields.h"
#include "wire/put.h"

/* Of a greeting, beside what the server has reported; usually. */
enum { GREETING_BYTES = 256 };

static void	relay_on_greet_timeout(struct loop *, struct deadline *);

struct pool_welcome *
relay_welcome_hold(const struct relay *relay)
{
	struct pool	*pool = relay->client->pool;

	return pool->set != NULL ? pool_set_welcome_hold(pool->set) :
	    pool_welcome_hold(pool);
}

/* What another host would report of its role is not told. */
static void
relay_add_welcome(const struct relay *relay, struct buf *greeting,
    const struct pool_welcome *welcome)
{
	static const char	 name[] = "in_hot_standby";
	const uint8_t		*at = welcome->bytes;
	const uint8_t		*end = at + welcome->length;
	enum route		 route = relay_route(relay);
	struct buf		 kept;
	struct msg_head		 head;
	size_t			 total;

	if (relay->client->pool->set == NULL) {
		settings_greeting(greeting, relay->settings.wanted,
		    relay->client->pool, at, welcome->length);
		return;
	}
	buf_init(&kept);
	for (; at < end && msg_peek(at, (size_t)(end - at), &head) == MSG_OK;
	    at += total) {
		total = MSG_HEAD_BYTES + (size_t)head.length;
		if (head.length >= sizeof name &&
		    memcmp(at + MSG_HEAD_BYTES, name, sizeof name) == 0)
			put_parameter_status(&kept, name,
			    route == ROUTE_REPLICA ? "on" : "off");
		else
			buf_add(&kept, at, total);
	}
	settings_greeting(greeting, relay->settings.wanted, relay->client->pool,
	    buf_bytes(&kept), buf_length(&kept));
	buf_done(&kept);
}

/* login_notify_message. */
static void
relay_put_message(struct buf *greeting)
{
	struct config		*config = config_current();
	struct error_fields	 fields = { .severity = "NOTICE",
				    .sqlstate = "00000",
				    .message =
				    config->option.login_notify_message };

	if (fields.message[0] != '\0')
		put_notice(greeting, &fields);
	config_release(config);
}

static void
relay_greet_now(struct relay *relay)
{
	struct client		*client = relay->client;
	struct pool_welcome	*welcome = relay_welcome_hold(relay);
	struct buf		 greeting;

	assert(relay->state == RELAY_GREETING && relay->server == NULL);
	buf_init(&greeting);
	buf_reserve(&greeting, welcome->length + GREETING_BYTES);
	put_auth(&greeting, MSG_AUTH_OK, NULL, 0);
	relay_add_welcome(relay, &greeting, welcome);
	client_make_key(client, &greeting);
	relay_put_message(&greeting);
	put_ready(&greeting, STATUS_IDLE);
	relay_write(relay, &greeting);
	pool_welcome_release(welcome);
	relay_set_state(relay, RELAY_IDLE);
	relay_watch_rest(relay);
	relay_go_on(relay);
}

static bool
relay_is_known(const struct relay *relay)
{
	struct pool_welcome	*welcome = relay_welcome_hold(relay);

	pool_welcome_release(welcome);
	return welcome != NULL;
}

/* The settings of the startup packet, as they came; false: refused. */
static bool
relay_take_defaults(struct relay *relay, const struct client_start *start)
{
	struct settings_draft	*draft = settings_draft_new(settings_none());

	for (size_t i = 0; start->settings != NULL &&
	    start->settings[i] != NULL; i += 2) {
		/* It is not PostgreSQL's to know. */
		if (!text_equal_nocase(start->settings[i], ROUTE_NAME))
			settings_draft_set(draft, start->settings[i],
			    start->settings[i + 1]);
		else if (!relay_take_route(relay->client,
		    start->settings[i + 1], &relay->choice.start_route)) {
			settings_draft_free(draft);
			return false;
		}
	}
	relay->choice.route = relay->choice.start_route;
	settings_release(relay->settings.defaults);
	relay->settings.defaults = settings_draft_intern(draft);
	relay_set_settings(relay, relay->settings.defaults);
	return true;
}

void
relay_greet_take(struct relay *relay)
{
	struct server	*server;

	relay->ticket.is_impatient = true;
	relay->ticket.wish = relay->settings.wanted;
	relay_choose(relay, NULL, 0);
	relay->choice.has_need = false;
	server = relay_ask(relay);
	if (server == NULL)
		return;
	relay_attach(relay, server);
	relay_greet_linked(relay);
}

void
relay_greet(struct relay *relay, const struct client_start *start)
{
	struct client	*client = relay->client;

	if (!relay_take_defaults(relay, start))
		return;
	if (pool_has_choice(client->pool))
		pool_set_fill(client->pool->set, client->loop);
	else
		pool_fill(client->pool, client->loop);
	if (relay_is_known(relay) &&
	    settings_are_reported(relay->settings.wanted, client->pool)) {
		relay_greet_now(relay);
		return;
	}
	deadline_set(client->loop, &client->deadline,
	    relay_is_known(relay) ?
	    relay_limits(relay)->server_connect_timeout_us :
	    relay_limits(relay)->query_wait_timeout_us,
	    relay_on_greet_timeout);
	relay_greet_take(relay);
}

void
relay_greet_linked(struct relay *relay)
{
	struct relay_io	 io;
	const char	*misfit = relay_misfit(relay, relay->server);

	if (misfit != NULL) {
		relay_drop_server(relay, REASON_SERVER_UNCLEAN, misfit);
		relay_greet_take(relay);
		return;
	}
	if (relay->settings.wanted == settings_none() &&
	    relay->server->session->settings == relay->settings.wanted) {
		relay_greet_done(relay, false);
		return;
	}
	relay_io_init(&io, relay);
	/* From nothing, so that all it reports belongs to this client. */
	if (settings_have_others(relay->server->session->settings))
		relay_send_switch(relay, &io,
		    relay->server->session->settings, settings_none(),
		    PURPOSE_CLEAR);
	relay_send_switch(relay, &io, settings_none(), relay->settings.wanted,
	    PURPOSE_GREETING);
	relay_io_send(&io, relay);
}

/* The server is free again; the client is in, or out. */
void
relay_greet_done(struct relay *relay, bool failed)
{
	struct server		*server = relay->server;
	struct server_session	*session = server->session;
	struct client		*client = relay->client;
	struct error_fields	 fields;
	struct buf		 error;

	if (failed && relay_try_settings_again(relay))
		return;
	if (server->is_stale || (failed && relay_try_another(relay))) {
		if (relay->server != NULL)
			relay_drop_server(relay, REASON_SERVER_UNCLEAN,
			    "a setting of another client cannot be reset");
		relay_greet_take(relay);
		return;
	}
	relay_settings_fit(relay);
	deadline_clear(client->loop, &client->deadline);
	relay->ticket.is_impatient = false;
	relay->server = NULL;
	if (!failed) {
		pool_give(server->pool, &server);
		relay_greet_now(relay);
		return;
	}
	error = session->error;
	buf_init(&session->error);
	session->has_failed = false;
	pool_give(server->pool, &server);
	error_fields_parse(buf_bytes(&error), buf_length(&error), &fields);
	client_fail_with(client, REASON_BAD_PARAMETER, &fields);
	buf_done(&error);
}

void
relay_greet_refused(struct relay *relay, const struct pool_error *error)
{
	struct client	*client = relay->client;

	deadline_clear(client->loop, &client->deadline);
	relay->ticket.is_impatient = false;
	if (relay_is_known(relay))
		relay_greet_now(relay);
	else
		client_fail_as(client, error->reason, error->sqlstate,
		    error->text, error->hint);
}

void
relay_greet_lost(struct relay *relay, const char *sqlstate, const char *text)
{
	deadline_clear(relay->client->loop, &relay->client->deadline);
	if (relay_is_known(relay))
		relay_greet_now(relay);
	else
		client_fail_as(relay->client, REASON_SERVER_LOST, sqlstate,
		    text, NULL);
}

static void
relay_on_greet_timeout(struct loop *loop, struct deadline *deadline)
{
	struct relay	*relay = relay_of_deadline(deadline);
	struct client	*client = relay->client;
	char		 text[600], limit[32];

	(void)loop;
	if (relay->server != NULL)
		relay_drop_server(relay, REASON_SERVER_LOST,
		    "it did not answer a login in time");
	else if (!pool_withdraw(relay->ticket.pool, &relay->ticket))
		return;
	if (relay_is_known(relay)) {
		relay_greet_now(relay);
		return;
	}
	text_seconds(relay_limits(relay)->query_wait_timeout_us, limit,
	    sizeof limit);
	pool_explain_wait(client->pool, limit, text, sizeof text);
	client_fail_as(client, REASON_WAIT_TIMEOUT,
	    reason_sqlstate(REASON_WAIT_TIMEOUT), text, NULL);
}
