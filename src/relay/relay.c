/*
 * The relay's states, sending, and linking a client to a server.
 *
 *	relay_greet()		GREETING, perhaps with a ticket or a server
 *	relay_greet_done()	GREETING -> IDLE
 *	relay_need_server()	IDLE -> LINKED, or IDLE -> WAITING
 *	relay_on_granted()	WAITING -> LINKED
 *	relay_on_refused()	WAITING -> IDLE, with an error for the client
 *	relay_finish()		LINKED -> IDLE at the end of a transaction
 *	relay_drop_server()	LINKED -> IDLE, the server is closed
 *	relay_on_stop()		any -> CLOSED
 *
 * What each state guarantees is asserted in relay_is_sane().  A relay that
 * is closed while a server is on its way to it stays as an empty shell until
 * the server arrives, and gives it back.
 */

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "client/auth_cache.h"
#include "config/config.h"
#include "pool/pool_set.h"
#include "relay/relay_answer.h"
#include "relay/relay_begin.h"
#include "relay/relay_choose.h"
#include "relay/relay_custom.h"
#include "relay/relay_greet.h"
#include "relay/relay_listen.h"
#include "relay/relay_private.h"
#include "relay/relay_query.h"
#include "relay/relay_reader.h"
#include "relay/relay_service.h"
#include "relay/relay_timeouts.h"

static const struct {
	enum relay_state	from;
	uint8_t			to;	/* bits */
} relay_successors[] = {
	{ RELAY_GREETING, 1 << RELAY_IDLE | 1 << RELAY_CLOSED },
	{ RELAY_IDLE, 1 << RELAY_WAITING | 1 << RELAY_LINKED |
	    1 << RELAY_CLOSED },
	{ RELAY_WAITING, 1 << RELAY_LINKED | 1 << RELAY_IDLE |
	    1 << RELAY_CLOSED },
	{ RELAY_LINKED, 1 << RELAY_IDLE | 1 << RELAY_CLOSED },
	{ RELAY_CLOSED, 0 },
};

size_t	relay_prepared_max = 200;
size_t	relay_names_max = 10000;
bool	relay_no_queries;

static bool
relay_is_sane(const struct relay *relay)
{
	switch (relay->state) {
	case RELAY_GREETING:
		return relay->client != NULL;
	case RELAY_IDLE:
		return relay->server == NULL &&
		    relay->ticket.state == TICKET_NONE &&
		    relay->ties.pins == 0 && !relay->is_holding;
	case RELAY_WAITING:
		return relay->server == NULL && !relay->is_holding;
	case RELAY_LINKED:
		return relay->server != NULL &&
		    relay->server->user == relay;
	case RELAY_CLOSED:
		return relay->client == NULL && relay->server == NULL;
	}
	return false;
}

void
relay_set_state(struct relay *relay, enum relay_state state)
{
	assert(relay_successors[relay->state].from == relay->state);
	assert(relay_successors[relay->state].to & 1 << state);
	relay->state = state;
	if (state == RELAY_IDLE && relay->settings.adopted != NULL)
		relay_drop_adopted(relay);
	assert(relay_is_sane(relay));
}

void
relay_set_settings(struct relay *relay, const struct settings *settings)
{
	settings_hold(settings);
	settings_release(relay->settings.wanted);
	relay->settings.wanted = settings;
}

void
relay_set_unnamed(struct relay *relay, struct statement *statement)
{
	if (relay->prepared.unnamed == statement)
		return;
	if (statement != NULL)
		statement_hold(statement);
	if (relay->prepared.unnamed != NULL)
		statement_release(relay->prepared.unnamed);
	relay->prepared.unnamed = statement;
}

/*
 * Sending.
 */

void
relay_io_init(struct relay_io *io, struct relay *relay)
{
	uint8_t	*room = relay->client->loop->scratch;
	size_t	 half = LOOP_BUFFER_BYTES / 2;

	parcel_init(&io->to_server, relay->server == NULL ? NULL :
	    &relay->server->stream, room, half);
	parcel_init(&io->to_client, &relay->client->stream, room + half,
	    half);
}

void
relay_write(struct relay *relay, struct buf *buf)
{
	COUNT(relay_lane(relay)->counters.sent, buf_length(buf));
	stream_write(&relay->client->stream, buf_bytes(buf), buf_length(buf));
	buf_done(buf);
}

/* Back-pressure, in one place: who may be read now. */
void
relay_pace(struct relay *relay)
{
	struct client	*client = relay->client;
	bool		 read_client = stream_unsent(&client->stream) <=
			    RELAY_UNREAD_BYTES;
	bool		 read_server = true;

	if (relay->state == RELAY_LINKED) {
		read_client = read_client &&
		    stream_unsent(&relay->server->stream) <=
		    RELAY_HIGH_BYTES &&
		    relay->server->session->expected.count < EXPECTED_MANY;
		read_server = stream_unsent(&client->stream) <=
		    RELAY_HIGH_BYTES;
		stream_set_reading(&relay->server->stream, read_server);
	}
	/* An idle client's own message may have to be here whole. */
	if (relay->state == RELAY_WAITING ||
	    relay->state == RELAY_GREETING || relay->is_holding ||
	    relay->split.waits_for_end || relay->input.is_pausing)
		read_client = read_client &&
		    buf_length(&relay->input.held) < RELAY_HELD_BYTES;
	stream_set_reading(&client->stream, read_client);
}

void
relay_io_flush(struct relay_io *io, struct relay *relay)
{
	parcel_send(&io->to_server);
	parcel_send(&io->to_client);
	if (io->to_client.sent > 0)
		COUNT(relay_lane(relay)->counters.sent, io->to_client.sent);
}

void
relay_io_send(struct relay_io *io, struct relay *relay)
{
	relay_io_flush(io, relay);
	relay_pace(relay);
}

/*
 * Linking.
 */

/* A reload may have given this database another host or user. */
static bool
relay_refresh_pool(struct relay *relay)
{
	struct client	*client = relay->client;
	struct config	*config;
	struct pool	*pool;

	if (!atomic_load_explicit(&client->pool->is_retired,
	    memory_order_relaxed))
		return true;
	config = config_current();
	pool = pool_find(config, client->database, client->user);
	config_release(config);
	if (pool == NULL) {
		client_fail(client, REASON_NO_DATABASE, "database \"%s\" is "
		    "not in the configuration any more", client->database);
		return false;
	}
	atomic_fetch_sub(&relay_lane(relay)->clients, 1);
	client->pool = pool;
	atomic_fetch_add(&relay_lane(relay)->clients, 1);
	return true;
}

void
relay_attach(struct relay *relay, struct server *server)
{
	server->user = relay;
	server->on_event = relay_on_server_event;
	relay->server = server;
}

/* Of several hosts one was chosen; true: it is a replica. */
static bool
relay_link_host(struct relay *relay, struct server *server)
{
	/* The primary may have stood in. */
	bool	is_replica = relay->choice.need != NEED_WRITE &&
		    cluster_use(server->pool->set->cluster,
		    server->pool->backend) == USE_READ;

	if (relay->choice.need == NEED_READ && is_replica)
		relay_set_reader(relay, server->pool);
	relay_note_route(relay, is_replica);
	/* There it may write whatever it began with. */
	if (relay->choice.why == WHY_SPLIT_BLOCK && !is_replica)
		relay->choice.need = NEED_WRITE;
	return is_replica;
}

static void
relay_link(struct relay *relay, struct server *server)
{
	const struct pool_settings *limits = relay_limits(relay);
	struct client	*client = relay->client;
	bool		 is_replica = false, in_block;

	relay_attach(relay, server);
	relay_set_state(relay, RELAY_LINKED);
	if (relay->settings.adopted != NULL)
		relay_settle_adopted(relay);
	in_block = relay->block.state == BEGIN_HELD ||
	    relay->batch.begins_inside;
	relay->split.is_reading = relay->choice.wants_read && !in_block;
	relay->split.has_told = false;
	relay->choice.primary_why = 0;
	if (pool_has_choice(relay->client->pool))
		is_replica = relay_link_host(relay, server);
	relay->block.is_at_replica = is_replica;
	if (relay->batch.begins_inside && relay->block.state == BEGIN_NONE &&
	    relay->choice.is_batch)
		relay_begin_linked(relay, is_replica);
	relay->times.linked_us = loop_now_us(client->loop);
	if (limits->mode == POOL_MODE_SESSION)
		relay->ties.pins |= PIN_MODE;
	/* It counts from the client's BEGIN. */
	if (limits->transaction_timeout_us > 0 &&
	    relay->block.state != BEGIN_HELD)
		deadline_set(client->loop, &relay->times.deadline,
		    limits->transaction_timeout_us,
		    relay_on_transaction_timeout);
	COUNT(relay_lane(relay)->counters.server_assignment_count, 1);
}

/*
 * A custom setting of somebody else would stay on it; and the rest of what it
 * began to say while idle would be taken for an answer.
 */
const char *
relay_misfit(const struct relay *relay, struct server *server)
{
	if (!session_fits(server, relay_wish(relay)))
		return "a custom setting of another client is left on it";
	if (buf_length(&server->partial) > 0)
		return "it is in the middle of a message";
	return NULL;
}

static bool
relay_take(struct relay *relay)
{
	struct server	*server;
	const char	*misfit;

	if (!relay->choice.has_need)
		relay_choose(relay, NULL, 0);
	relay->choice.has_need = false;
	relay->ticket.wish = relay_wish(relay);
	relay->ticket.keeps_since = relay->choice.keeps_place;
	relay->choice.keeps_place = false;
	relay->reads.is_awaiting = relay->reads.is_tired = false;
	while ((server = relay_ask(relay)) != NULL) {
		if ((misfit = relay_misfit(relay, server)) == NULL) {
			relay->times.waited_us = 0;
			relay_link(relay, server);
			return true;
		}
		server_close(&server, REASON_SERVER_UNCLEAN, misfit);
	}
	relay_set_state(relay, RELAY_WAITING);
	relay_watch_wait(relay);
	return false;
}

bool
relay_get_server(struct relay *relay, struct relay_io *io)
{
	if (relay->state == RELAY_LINKED) {
		if (relay->listen.hearer != NULL && !relay->is_holding)
			relay_listen_lay(relay, io);
		if (relay->block.state == BEGIN_HELD && !relay->is_holding)
			relay_begin_send(relay, io);
		return !relay->is_holding;
	}
	if (relay->state != RELAY_IDLE || !relay_refresh_pool(relay) ||
	    !relay_take(relay))
		return false;
	io->to_server.stream = &relay->server->stream;
	if (!relay_prepare_server(relay, io))
		return false;
	if (relay->block.state == BEGIN_HELD)
		relay_begin_send(relay, io);
	return true;
}

static struct relay *
relay_of_ticket(struct ticket *ticket)
{
	return container_of(ticket, struct relay, ticket);
}

void
relay_free(struct relay *relay)
{
	assert(relay->state == RELAY_CLOSED && relay->server == NULL);
	free(relay);
}

static void
relay_count_wait(struct relay *relay)
{
	struct pool_lane	*lane = relay_lane(relay);
	int64_t			 waited_us = loop_now_us(relay->client->loop) -
				    relay->ticket.since_us;

	relay->times.waited_us = waited_us;
	COUNT(lane->counters.wait_time, waited_us);
	histogram_record(&lane->times->wait, waited_us);
}

void
relay_on_granted(struct ticket *ticket, struct server *server)
{
	struct relay	*relay = relay_of_ticket(ticket);
	struct pool	*pool = server->pool;
	struct relay_io	 io;
	const char	*misfit;

	if (relay->state == RELAY_CLOSED) {
		pool_give(pool, &server);
		relay_free(relay);
		return;
	}
	if (relay->state == RELAY_GREETING) {
		relay_attach(relay, server);
		relay_greet_linked(relay);
		return;
	}
	deadline_clear(relay->client->loop, &relay->client->deadline);
	if (!pool_serves(pool, ticket->need)) {
		/* The roles have changed while it was on its way. */
		pool_give(pool, &server);
		relay->ticket.keeps_since = true;
		relay_on_moved(ticket);
		return;
	}
	if ((misfit = relay_misfit(relay, server)) != NULL) {
		relay_set_state(relay, RELAY_IDLE);
		relay->choice.keeps_place = true;
		server_close(&server, REASON_SERVER_UNCLEAN, misfit);
		relay_go_on(relay);
		return;
	}
	relay_count_wait(relay);
	relay_link(relay, server);
	relay_io_init(&io, relay);
	if (relay_prepare_server(relay, &io))
		relay_go_on_with(relay, &io);
	else
		relay_io_send(&io, relay);
}

void
relay_on_refused(struct ticket *ticket, const struct pool_error *error)
{
	struct relay	*relay = relay_of_ticket(ticket);
	struct client	*client = relay->client;

	if (relay->state == RELAY_CLOSED) {
		relay_free(relay);
		return;
	}
	/* Only who logs in anew can tell us the new one. */
	if (error->reason == REASON_SECRET_CHANGED)
		auth_cache_forget(client->database, client->user);
	if (relay->state == RELAY_GREETING) {
		relay_greet_refused(relay, error);
		return;
	}
	deadline_clear(client->loop, &client->deadline);
	relay_set_state(relay, RELAY_IDLE);
	if (error->reason == REASON_SECRET_CHANGED)
		client_fail_as(client, error->reason, error->sqlstate,
		    error->text, error->hint);
	else
		relay_refuse_held(relay, error->sqlstate, error->text,
		    error->hint);
}

const struct log_who *
relay_who(const struct relay *relay)
{
	static _Thread_local struct log_who	who;

	client_who(relay->client, &who);
	return &who;
}
