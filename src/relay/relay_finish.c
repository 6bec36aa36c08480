/*
 * The end of a transaction: whether the server is given back, kept for the
 * client, or of no use to anybody.
 *
 * A server goes back to its pool when nothing is expected from it, no
 * transaction is open, nothing that outlives the transaction was said, and
 * its settings are known.  What outlives a transaction and cannot follow the
 * client to another server pins the client to this one; when it leaves, the
 * server is reset before anybody else gets it.
 */

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "pool/cancel.h"
#include "relay/relay_private.h"

bool
relay_has_expected(const struct relay *relay)
{
	return relay->server != NULL &&
	    relay->server->session->expected.count > 0;
}

bool
relay_is_at_rest(const struct relay *relay)
{
	const struct server_session	*session;

	if (relay->state != RELAY_LINKED)
		return false;
	session = relay->server->session;
	return session->expected.count == 0 && session->skip == 0 &&
	    buf_length(&session->held) == 0 && relay->skip == 0 &&
	    !relay->is_unsynced && !relay->is_holding;
}

/* Between two statements: the limits that count while nothing runs. */
void
relay_watch_rest(struct relay *relay)
{
	struct client	*client = relay->client;
	const struct pool_settings *limits = relay_limits(relay);

	if (relay->state == RELAY_LINKED &&
	    relay->server->transaction_status != STATUS_IDLE)
		deadline_set(client->loop, &client->deadline,
		    limits->idle_transaction_timeout_us,
		    relay_on_idle_transaction);
	else
		deadline_set(client->loop, &client->deadline,
		    limits->client_idle_timeout_us, relay_on_idle_timeout);
}

static struct server *
relay_unlink(struct relay *relay)
{
	struct server	*server = relay->server;

	relay->server = NULL;
	relay->pins = 0;
	relay->touches = 0;
	relay->has_changed = false;
	relay->is_holding = relay->is_unsynced = false;
	if (relay->cancelled != NULL)
		relay->cancelled(relay->client->loop, relay->cancelled_arg);
	relay->cancelled = NULL;
	deadline_clear(relay->client->loop, &relay->transaction_deadline);
	relay_set_state(relay, RELAY_IDLE);
	return server;
}

static const char *
relay_reset_query(const struct pool_profile *profile)
{
	if (profile->reset_query[0] != '\0')
		return profile->reset_query;
	return profile->settings.mode == POOL_MODE_SESSION ? "" :
	    "DISCARD ALL";
}

/* The server is in step and idle: to the pool, perhaps after a reset. */
static void
relay_give_server(struct server *server, bool resets)
{
	struct pool	*pool = server->pool;
	const struct pool_profile *profile = pool_profile(pool);
	const char	*reset = relay_reset_query(profile);

	stream_set_reading(&server->stream, true);
	if (server->stream.broken || stream_unsent(&server->stream) > 0)
		server_close(&server, REASON_SERVER_LOST, NULL);
	else if ((resets || profile->reset_always) && reset[0] != '\0') {
		if (session_fits(server, settings_none()))
			server_clean(&server, reset, true);
		else
			server_close(&server, REASON_SERVER_UNCLEAN,
			    "a custom setting cannot be reset");
	} else
		pool_give(pool, &server);
}

/*
 * What was said in this transaction that outlives it ties the client to the
 * server, because nobody else may see it.
 */
uint32_t
relay_pins_of(uint32_t touches)
{
	static const struct {
		uint32_t	touch, pin;
	} table[] = {
		{ SQL_TOUCHES_TEMP, PIN_TEMP },
		{ SQL_TOUCHES_LISTEN, PIN_LISTEN },
		{ SQL_TOUCHES_HOLD, PIN_HOLD },
		{ SQL_TOUCHES_LOAD, PIN_LOAD },
		{ SQL_TOUCHES_PREPARE, PIN_PREPARE },
		{ SQL_TOUCHES_LOCK, PIN_LOCK },
		{ SQL_TOUCHES_SEQUENCE, PIN_SEQUENCE },
		{ SQL_TOUCHES_CUSTOM, PIN_CUSTOM },
	};
	uint32_t	pins = 0;

	for (size_t i = 0; i < ARRAY_LENGTH(table); i++)
		if (touches & table[i].touch)
			pins |= table[i].pin;
	return pins;
}

void
relay_pins_text(uint32_t pins, char *text, size_t size)
{
	static const char	*const names[] = {
		"session mode", "temporary table", "listen", "cursor",
		"load", "prepare", "advisory lock", "sequence",
		"long statement", "settings", "custom setting",
	};
	size_t	used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
		if (pins & 1u << i && used < size)
			used += (size_t)snprintf(text + used, size - used,
			    "%s%s", used > 0 ? ", " : "", names[i]);
}

/* DISCARD ALL has ended: the session is as after login. */
static void
relay_forget_session(struct relay *relay)
{
	names_clear(&relay->names);
	relay_set_unnamed(relay, NULL);
	session_set_unnamed(relay->server->session, NULL);
	shelf_clear(&relay->server->session->shelf);
	relay->pins &= PIN_MODE | PIN_CUSTOM;
}

/*
 * True: a query of ours has to be answered before it can go on; or, before
 * that, a cancel has to be over, which would hit it.  The client may say more
 * on its server meanwhile.
 */
static bool
relay_settle_touches(struct relay *relay)
{
	uint32_t	 touches = relay->touches;
	struct relay_io	 io;

	relay->touches = 0;
	if (touches == 0 || relay->pins & PIN_MODE)
		return false;
	if (touches & SQL_TOUCHES_DISCARD_ALL && !relay->had_error)
		relay_forget_session(relay);
	relay->pins |= relay_pins_of(touches);
	relay->had_error = false;
	if ((touches & RELAY_TOUCHES_CHANGING) == 0) {
		relay->has_changed = false;
		return false;
	}
	if (relay->server->cancels > 0) {
		relay->touches = SQL_TOUCHES_SETTINGS;
		relay_watch_rest(relay);
		return true;
	}
	relay->has_changed = false;
	relay_io_init(&io, relay);
	relay_start_read_back(relay, &io);
	relay_io_send(&io, relay);
	return true;
}

void
relay_finish(struct relay *relay)
{
	struct client	*client = relay->client;
	struct server	*server;

	if (!relay_is_at_rest(relay))
		return;
	if (relay->server->transaction_status != STATUS_IDLE) {
		relay_watch_rest(relay);
		return;
	}
	if (relay->touches != 0 && relay_settle_touches(relay))
		return;
	relay->had_error = false;
	if (relay->pins == 0) {
		server = relay_unlink(relay);
		relay_give_server(server, false);
	} else
		deadline_clear(client->loop, &relay->transaction_deadline);
	if (relay->dismissal != REASON_NONE)
		client_fail(client, relay->dismissal, "%s",
		    relay->dismissal_text);
	else if (relay->is_leaving)
		client_close(client, REASON_CLIENT_LEFT, NULL);
	else {
		relay_watch_rest(relay);
		relay_pace(relay);
	}
}

void
relay_drop_server(struct relay *relay, enum reason reason,
    const char *detail)
{
	struct server	*server;

	if (!relay_may_speak(relay->client))
		relay->is_cut_off = true;
	if (relay->state == RELAY_LINKED)
		server = relay_unlink(relay);
	else {
		server = relay->server;
		relay->server = NULL;
		relay->is_holding = false;
	}
	server_close(&server, reason, detail);
}

/* Survives ROLLBACK, so that a rolled-back transaction may have left it. */
#define TOUCHES_LASTING	(SQL_TOUCHES_LOCK | SQL_TOUCHES_PREPARE |	\
	SQL_TOUCHES_LOAD | SQL_TOUCHES_UNKNOWN | SQL_TOUCHES_EXECUTE |	\
	SQL_TOUCHES_HOLD | SQL_TOUCHES_DISCARD_ALL |			\
	SQL_TOUCHES_SEQUENCE | SQL_TOUCHES_CUSTOM)

/* The client goes away: what becomes of its server. */
void
relay_abandon_server(struct relay *relay)
{
	bool		 rests = relay_is_at_rest(relay);
	uint32_t	 pins = relay->pins, touches = relay->touches;
	struct server	*server = relay->server;

	if (relay->state != RELAY_LINKED) {
		relay_drop_server(relay, REASON_CLIENT_LEFT, NULL);
		return;
	}
	if (!rests) {
		if (relay_has_expected(relay))
			cancel_server(server, NULL, NULL);
		relay_drop_server(relay, REASON_CLIENT_LEFT,
		    "its client left in the middle of a statement");
		return;
	}
	server = relay_unlink(relay);
	if (pins & (PIN_CUSTOM | PIN_SETTINGS))
		server_close(&server, REASON_SERVER_UNCLEAN,
		    "a setting of its client cannot be reset");
	else if (server->transaction_status == STATUS_IDLE)
		relay_give_server(server, pins != 0 || touches != 0);
	else if (pins == 0 && (touches & TOUCHES_LASTING) == 0) {
		stream_set_reading(&server->stream, true);
		server_clean(&server, "ROLLBACK", false);
	} else
		server_close(&server, REASON_CLIENT_LEFT,
		    "its client left in the middle of a transaction");
}
