/*
 * The end of a transaction: whether the server is given back, kept for the
 * client, or of no use to anybody.
 *
 * A server goes back to its pool when nothing is expected from it, no
 * transaction is open, nothing that outlives the transaction was said, and
 * its settings are known.  What outlives a transaction and cannot follow the
 * client to another server ties the client to this one (relay_tie.c); when it
 * leaves, the server is reset before anybody else gets it.
 */

#include <strings.h>

#include "pool/cancel.h"
#include "relay/relay_begin.h"
#include "relay/relay_custom.h"
#include "relay/relay_drain.h"
#include "relay/relay_finish.h"
#include "relay/relay_listen.h"
#include "relay/relay_names.h"
#include "relay/relay_private.h"
#include "relay/relay_query.h"
#include "relay/relay_sequence.h"
#include "relay/relay_service.h"
#include "relay/relay_shelf.h"
#include "relay/relay_split.h"
#include "relay/relay_tie.h"
#include "relay/relay_timeouts.h"
#include "session/words.h"

bool
relay_is_at_rest(const struct relay *relay)
{
	const struct server_session	*session;

	if (relay->state != RELAY_LINKED)
		return false;
	session = relay->server->session;
	return session->expected.count == 0 && session->skip == 0 &&
	    buf_length(&session->held) == 0 && relay->input.skip == 0 &&
	    !relay->batch.is_unsynced && !relay->is_holding;
}

/* One that keeps a server may not idle as long as others. */
int64_t
relay_idle_limit(const struct relay *relay)
{
	const struct pool_settings *limits = relay_limits(relay);
	int64_t			 limit_us = limits->client_idle_timeout_us;

	if ((relay->ties.pins & ~(uint32_t)(PIN_MODE | PIN_DRAWN)) != 0 &&
	    limits->pinned_idle_timeout_us > 0 &&
	    (limit_us == 0 || limits->pinned_idle_timeout_us < limit_us))
		limit_us = limits->pinned_idle_timeout_us;
	return limit_us;
}

/* Between two statements: the limits that count while nothing runs. */
void
relay_watch_rest(struct relay *relay)
{
	struct client	*client = relay->client;
	const struct pool_settings *limits = relay_limits(relay);

	if (relay->block.state == BEGIN_HELD ||
	    (relay->state == RELAY_LINKED &&
	    relay->server->transaction_status != STATUS_IDLE))
		deadline_set(client->loop, &client->deadline,
		    limits->idle_transaction_timeout_us,
		    relay_on_idle_transaction);
	else if (relay->ties.pins == PIN_DRAWN)
		deadline_set(client->loop, &client->deadline,
		    SEQUENCE_REST_US, relay_on_drawn_rest);
	else
		deadline_set(client->loop, &client->deadline,
		    relay_idle_limit(relay), relay_on_idle_timeout);
}

struct server *
relay_unlink(struct relay *relay)
{
	struct server	*server = relay->server;

	relay->server = NULL;
	relay_leave_names(relay, server);
	if (server->session->deallocate != NULL)
		session_set_deallocate(server->session, NULL);
	relay_untie(relay);
	relay->touches = 0;
	relay->prepared.misfit = NULL;
	relay->settings.have_changed = false;
	relay->is_holding = relay->batch.is_unsynced = false;
	relay->input.is_pausing = relay->split.is_reading = false;
	relay->owes_ready = relay->listen.has_baseline = false;
	relay_resume(relay);
	if (relay->cancel.done != NULL)
		relay->cancel.done(relay->client->loop, relay->cancel.arg);
	relay->cancel.done = NULL;
	relay->block.is_opening = relay->block.reopens = false;
	if (relay->block.state != BEGIN_HELD) {
		relay->block.state = BEGIN_NONE;
		deadline_clear(relay->client->loop,
		    &relay->times.deadline);
	}
	relay_set_state(relay, RELAY_IDLE);
	return server;
}

/* What pins a client to a shared server only DISCARD ALL is sure to undo. */
static const char *
relay_reset_query(const struct pool_profile *profile, bool resets)
{
	if (resets && profile->settings.mode != POOL_MODE_SESSION)
		return "DISCARD ALL";
	return resets || profile->reset_always ? profile->reset_query : "";
}

void
relay_reset_server(struct server *server, const char *query)
{
	bool	is_complete = strcasecmp(query, "DISCARD ALL") == 0 ||
		    strcasecmp(query, "DISCARD ALL;") == 0;

	if (!is_complete)
		session_blur(server);
	server_clean(&server, query, is_complete);
}

/* The server is in step and idle: to the pool, perhaps after a reset. */
static void
relay_give_server(struct server *server, bool resets)
{
	struct pool	*pool = server->pool;
	const char	*reset = relay_reset_query(pool_profile(pool), resets);

	stream_set_reading(&server->stream, true);
	if (server->stream.broken || stream_unsent(&server->stream) > 0)
		server_close(&server, REASON_SERVER_LOST, NULL);
	else if (reset[0] != '\0')
		relay_reset_server(server, reset);
	else
		pool_give(pool, &server);
}

/* The names are gone, but for those that were given in messages behind. */
void
relay_forget_names(struct relay *relay)
{
	struct expected		*expected = &relay->server->session->expected;
	struct expectation	*entry;
	struct statement	*statement;
	struct names		 later = { NULL };

	for (uint32_t i = 1; i < expected->count; i++) {
		entry = expected_at(expected, i);
		if (entry->kind == EXPECT_PARSE && entry->is_named &&
		    (statement = names_find(&relay->prepared.names,
		    entry->name)) != NULL)
			names_set(&later, entry->name, statement);
	}
	names_clear(&relay->prepared.names);
	relay->prepared.names = later;
}

/* The session is as after login, but for the unnamed statement. */
void
relay_forget_session(struct relay *relay)
{
	relay_forget_names(relay);
	relay->choice.route = relay->choice.start_route;
	relay->ties.pins &= PIN_MODE | PIN_CUSTOM | PIN_LOAD;
}

/* What DISCARD ALL does not undo. */
#define PINS_LASTING	(PIN_CUSTOM | PIN_SETTINGS | PIN_LOAD)

static void
relay_ask_settled(struct relay *relay, bool listens, bool reads_back,
    bool asks)
{
	struct relay_io	io;

	relay_io_init(&io, relay);
	if (listens)
		relay_listen_ask(relay, &io);
	if (reads_back) {
		relay_close_private(relay, &io);
		relay_start_read_back(relay, &io, PURPOSE_READ_BACK, asks);
	}
	relay_io_send(&io, relay);
}

/*
 * True: a query of ours has to be answered before it can go on; or, before
 * that, a cancel has to be over, which would hit it.  A client that has been
 * told that its transaction is over may say more on its server meanwhile.
 */
static bool
relay_settle_touches(struct relay *relay)
{
	struct shelf	*shelf = &relay->server->session->shelf;
	uint32_t	 touches = relay->touches;
	bool		 listens = relay_listen_must_ask(relay);
	bool		 asks, reads_back;

	relay->touches = 0;
	if (touches & SQL_TOUCHES_DEFINES)
		words_expire(relay->client->pool);
	if (touches == 0 && !listens)
		return false;
	if (relay->ties.pins & PIN_MODE) {
		relay_leave_names(relay, relay->server);
		relay->ties.pins |= relay_pins_of(touches) & PINS_LASTING;
		if (!(touches & SQL_TOUCHES_RESETS) ||
		    relay->settings.defaults == settings_none())
			return false;
		touches = SQL_TOUCHES_SETTINGS | SQL_TOUCHES_RESETS;
	}
	if (touches & SQL_TOUCHES_MEANING)
		session_set_unnamed(relay->server->session, NULL);
	asks = relay_asks_for_ties(relay, touches);
	relay->ties.pins |= relay_statement_pins(relay, touches);
	relay->ties.pins |= relay_drawn_pin(relay, touches);
	reads_back = touches & (RELAY_TOUCHES_CHANGING | SQL_TOUCHES_RESETS |
	    SQL_TOUCHES_NAMES) || asks || shelf->has_private;
	if (!reads_back)
		relay->settings.have_changed = false;
	if (!reads_back && !listens)
		return false;
	if (relay->server->cancels > 0) {
		relay->touches = touches | SQL_TOUCHES_SETTINGS |
		    (asks ? SQL_TOUCHES_UNKNOWN : 0);
		/* What it says next is answered behind what is owed. */
		relay->input.is_pausing = relay->owes_ready;
		relay_watch_rest(relay);
		return true;
	}
	relay->input.is_pausing = false;
	relay->settings.has_reset = (touches & SQL_TOUCHES_RESETS) != 0;
	relay_ask_settled(relay, listens, reads_back, asks);
	return true;
}

static void
relay_give_back(struct relay *relay)
{
	uint32_t	 pins = relay->ties.pins & ~(uint32_t)PIN_DRAWN;
	struct server	*server = relay_unlink(relay);

	if (pins & PINS_LASTING)
		server_close(&server, REASON_SERVER_UNCLEAN,
		    "something of its client cannot be reset");
	else
		relay_give_server(server, pins != 0);
}

/* Everything is answered, and its transaction goes on. */
static void
relay_rest_open(struct relay *relay)
{
	relay_watch_rest(relay);
	if (relay->block.state == BEGIN_MOVES)
		relay_resume(relay);
}

void
relay_finish(struct relay *relay)
{
	struct client	*client = relay->client;
	enum relay_tie	 tie;

	if (!relay_is_at_rest(relay))
		return;
	if (relay->server->transaction_status != STATUS_IDLE) {
		if (relay->block.reopens)
			relay_begin_again(relay);
		else
			relay_rest_open(relay);
		return;
	}
	if ((relay->touches != 0 || relay->listen.has_baseline) &&
	    relay_settle_touches(relay))
		return;
	tie = RELAY_FREE;
	if ((relay->ties.pins | relay->ties.counted) != 0 ||
	    relay->ties.place != NULL)
		tie = relay_settle_ties(relay);
	if (tie == RELAY_ENDED)
		return;
	if (relay->owes_ready)
		relay_listen_say_ready(relay);
	if (tie == RELAY_TIED) {
		relay_begin_end(relay);
		relay_resume(relay);
	} else
		relay_give_back(relay);
	if (relay->ending.reason != REASON_NONE)
		client_fail(client, relay->ending.reason, "%s",
		    relay->ending.text);
	else if (relay->ending.is_leaving)
		client_close(client, REASON_CLIENT_LEFT, NULL);
	else {
		relay_watch_rest(relay);
		relay_pace(relay);
		if (relay->listen.hearer != NULL)
			relay_listen_flush(relay);
	}
}

void
relay_drop_server(struct relay *relay, enum reason reason,
    const char *detail)
{
	struct server	*server;

	if (!relay_may_speak(relay->client))
		relay->ending.is_cut_off = true;
	if (relay->state == RELAY_LINKED)
		server = relay_unlink(relay);
	else {
		server = relay->server;
		relay->server = NULL;
		relay->is_holding = false;
	}
	server_close(&server, reason, detail);
}

/*
 * What an open transaction may have left although it is rolled back now.  A
 * transaction that ended since the touches were looked at last (a pipeline,
 * COMMIT in the middle of a text, AND CHAIN) has left all it touched.
 */
#define TOUCHES_FLEETING	(SQL_TOUCHES_LOCAL | SQL_TOUCHES_UNLISTEN | \
	SQL_TOUCHES_TRANSACTION |					\
	SQL_TOUCHES_DEALLOCATE | SQL_TOUCHES_DEALLOCATE_ALL |		\
	SQL_TOUCHES_BLOCK | SQL_TOUCHES_COPY | SQL_TOUCHES_CLOSE_ALL |	\
	SQL_TOUCHES_UNTIES | SQL_TOUCHES_DEFINES | SQL_TOUCHES_DRAWS |	\
	SQL_TOUCHES_NAMES | SQL_TOUCHES_LOCAL_LOCK)

/*
 * Something that is known or guessed of it outlives DISCARD ALL.  A tied
 * client, too, may have said more than was looked at.
 */
static bool
relay_leaves_lasting(uint32_t pins, uint32_t touches)
{
	return pins & PINS_LASTING || touches & (SQL_TOUCHES_CUSTOM |
	    SQL_TOUCHES_UNKNOWN | SQL_TOUCHES_EXECUTE | SQL_TOUCHES_LOAD);
}

/* The client goes away: what becomes of its server. */
void
relay_abandon_server(struct relay *relay)
{
	bool		 rests = relay_is_at_rest(relay);
	bool		 listens = relay->listen.has_baseline;
	bool		 runs = relay_has_expected(relay);
	bool		 is_cut = relay->input.skip > 0 &&
			    relay->input.skip_passes;
	bool		 is_in_batch = relay->batch.is_unsynced;
	size_t		 missing = relay->input.skip;
	uint32_t	 pins = relay->ties.pins & ~(uint32_t)PIN_DRAWN;
	uint32_t	 touches = relay->touches;
	struct server	*server = relay->server;

	if (relay->state != RELAY_LINKED) {
		relay_drop_server(relay, REASON_CLIENT_LEFT, NULL);
		return;
	}
	server = relay_unlink(relay);
	if (is_cut)
		is_cut = !relay_fill(server, relay->input.skip_type, missing);
	if (is_cut && runs)
		cancel_server(server, NULL, NULL);
	if (is_cut || server->stream.broken)
		server_close(&server, REASON_CLIENT_LEFT,
		    "its client left in the middle of a message");
	else if (relay_leaves_lasting(pins, touches)) {
		if (runs)
			cancel_server(server, NULL, NULL);
		server_close(&server, REASON_SERVER_UNCLEAN,
		    "what its client has done cannot be reset");
	} else if (!rests || (touches & ~TOUCHES_FLEETING) != 0 ||
	    server->session->shelf.has_private)
		relay_drain(server, runs, is_in_batch);
	else if (server->transaction_status == STATUS_IDLE && !listens)
		relay_give_server(server, pins != 0);
	else if (pins == 0) {
		session_set_unnamed(server->session, NULL);
		stream_set_reading(&server->stream, true);
		server_clean(&server, listens ? "ROLLBACK;UNLISTEN *" :
		    "ROLLBACK", false);
	} else
		relay_drain(server, false, is_in_batch);
}
