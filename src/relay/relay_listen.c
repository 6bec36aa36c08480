/*
 * LISTEN with servers that are shared.
 *
 * What a client listens to is not guessed from what it says: after a
 * transaction that may have changed it, its server is asked what it listens
 * to and told UNLISTEN * in one query.  So that this is the whole truth after
 * UNLISTEN, ROLLBACK and savepoints too, a server that a listening client gets
 * is told first to LISTEN to all its channels (the baseline), in front of the
 * client's bytes and in the same send.  It costs the clients that listen two
 * small queries a transaction, and nobody else anything.
 *
 * The baseline also makes PostgreSQL itself tell the client of its own
 * notifications, before ReadyForQuery; only their process number is put right.
 * Those of others come from the hub (relay/hub.h), once.
 *
 *	ReadyForQuery after a LISTEN	withheld: is owed
 *	PURPOSE_LISTENS			what it listens to now, and UNLISTEN *
 *	hub_order			the hub listens as well
 *	relay_listen_say_ready()	now the client is told
 *
 * While that goes on nothing more is asked for the client (is_pausing), so
 * that no answer comes behind the one that is withheld.  Where the hub cannot
 * listen, or the client has changed its encoding since it listens, or has very
 * many channels, it keeps its server (PIN_LISTEN), which then listens itself.
 *
 * It goes there without missing anything: its server listens, the hub has said
 * all that came before that, and then its server all that came before that.
 * Of what both say, one is struck out.
 */

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "pool/pool_set.h"
#include "relay/hearer.h"
#include "relay/relay_answer.h"
#include "relay/relay_begin.h"
#include "relay/relay_finish.h"
#include "relay/relay_greet.h"
#include "relay/relay_listen.h"
#include "relay/relay_names.h"
#include "relay/relay_private.h"
#include "relay/relay_query.h"
#include "relay/relay_service.h"
#include "wire/error_fields.h"
#include "wire/get.h"
#include "wire/put.h"

/* Its own server listens for it, for good. */
static bool
relay_listens_itself(const struct relay *relay)
{
	return (relay->ties.pins & (PIN_MODE | PIN_LISTEN)) != 0;
}

bool
relay_listen_may_change(const struct relay *relay)
{
	uint32_t	changing = SQL_TOUCHES_LISTEN;

	if (relay->listen.hearer != NULL)
		changing |= SQL_TOUCHES_UNLISTEN | SQL_TOUCHES_DISCARD_ALL;
	return (relay->touches & changing) != 0 &&
	    !relay_listens_itself(relay);
}

/*
 * The baseline.
 */

void
relay_listen_lay(struct relay *relay, struct relay_io *io)
{
	struct buf	query;

	if (relay->listen.has_baseline || relay->listen.hearer->count == 0 ||
	    relay->listen.hearer->order != NULL ||
	    relay_listens_itself(relay) || relay->batch.is_unsynced ||
	    relay_has_client_request(relay) ||
	    relay->server->transaction_status != STATUS_IDLE)
		return;
	/* A replica can neither listen nor notify. */
	if (pool_has_choice(relay->client->pool) &&
	    !pool_serves(relay->server->pool, NEED_WRITE))
		return;
	buf_init(&query);
	hearer_put_channels(relay->listen.hearer, &query);
	relay_send_own_buf(relay, io, &query, PURPOSE_BASELINE);
	relay->listen.has_baseline = true;
}

/* The client's statement is on its way already. */
void
relay_listen_laid(struct relay *relay)
{
	struct server_session	*session = relay->server->session;
	struct error_fields	 fields;
	char			 text[500];

	/* What was said again need not have been done. */
	if (!session->has_failed ||
	    relay->listen.hearer->move == MOVE_LISTENS_AGAIN)
		return;
	session_error(session, &fields);
	snprintf(text, sizeof text, "this session cannot listen on a server "
	    "any more: %s", fields.message);
	client_fail_as(relay->client, REASON_SERVER_LOST, fields.sqlstate,
	    text, "The statement is cancelled; connect again.");
}

/*
 * What it listens to.
 */

bool
relay_listen_must_ask(const struct relay *relay)
{
	return (relay->listen.has_baseline ||
	    relay->touches & SQL_TOUCHES_LISTEN) &&
	    !relay_listens_itself(relay);
}

void
relay_listen_ask(struct relay *relay, struct relay_io *io)
{
	if (relay->listen.hearer == NULL)
		relay->listen.hearer = hearer_new(relay);
	hearer_clear_found(relay->listen.hearer);
	relay->listen.has_baseline = false;
	relay_send_own(relay, io, "SELECT pg_catalog.pg_listening_channels();"
	    "UNLISTEN *", PURPOSE_LISTENS);
	relay->is_holding = true;
}

bool
relay_listen_take_row(struct relay *relay, const uint8_t *body, size_t n)
{
	struct get	 get;
	uint16_t	 columns;
	int32_t		 length;
	const uint8_t	*name;

	get_init(&get, body, n);
	columns = get_u16(&get);
	length = get_i32(&get);
	name = length < 0 ? NULL : get_bytes(&get, (size_t)length);
	if (columns != 1 || name == NULL || !get_is_done(&get))
		return false;
	if (relay->listen.hearer->found_count <= HEARER_FOUND_MAX)
		hearer_add_found(relay->listen.hearer, (const char *)name,
		    (size_t)length);
	return true;
}

/* "utf-8" is "UTF8". */
static bool
encoding_is(const char *a, const char *b)
{
	for (;; a++, b++) {
		while (*a != '\0' && !isalnum((unsigned char)*a))
			a++;
		while (*b != '\0' && !isalnum((unsigned char)*b))
			b++;
		if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
			return false;
		if (*a == '\0')
			return true;
	}
}

/* What a server of this pool begins with can be passed on as it is. */
static bool
relay_has_usual_encoding(const struct relay *relay, const char *wanted)
{
	const char		*name, *value;
	struct pool_welcome	*welcome;
	struct msg_head		 head;
	const uint8_t		*at, *end;
	struct get		 get;
	bool			 fits = false;

	if ((welcome = relay_welcome_hold(relay)) == NULL)
		return false;
	end = welcome->bytes + welcome->length;
	for (at = welcome->bytes; msg_peek(at, (size_t)(end - at), &head) ==
	    MSG_OK; at += MSG_HEAD_BYTES + head.length) {
		get_init(&get, at + MSG_HEAD_BYTES, head.length);
		name = get_string(&get);
		value = get_string(&get);
		if (value == NULL)
			break;
		fits |= strcmp(name, "client_encoding") == 0 &&
		    encoding_is(value, wanted);
		fits |= strcmp(name, "server_encoding") == 0 &&
		    encoding_is(value, "SQL_ASCII");
	}
	pool_welcome_release(welcome);
	return fits;
}

/* False: it has another encoding than when it began to listen. */
static bool
relay_listen_choose_hub(struct relay *relay)
{
	const char	*wanted = settings_get(relay->settings.wanted,
			    "client_encoding");

	if (wanted != NULL && relay_has_usual_encoding(relay, wanted))
		wanted = NULL;
	return hearer_choose_hub(relay->listen.hearer, wanted);
}

void
relay_listen_asked(struct relay *relay)
{
	if (!relay->server->session->has_failed) {
		relay->listen.hearer->is_asked = true;
		return;
	}
	/* It still listens, and goes on. */
	relay->listen.hearer->move = MOVE_LISTENS;
	relay->ties.pins |= PIN_LISTEN;
}

/* Its settings are known as well: which hub, if any?  False: it is closed. */
static bool
relay_listen_settle(struct relay *relay)
{
	struct hearer	*hearer = relay->listen.hearer;
	bool		 moves;

	hearer->is_asked = false;
	if (hearer->found_count > HEARER_FOUND_MAX) {
		client_fail(relay->client, REASON_LISTEN_QUEUE, "a client "
		    "may listen to %d channels at most unless pool_mode is "
		    "session", HEARER_FOUND_MAX);
		return false;
	}
	moves = hearer->found_count > HEARER_CHANNELS_MAX ||
	    (hearer->found_count > 0 && !relay_listen_choose_hub(relay));
	hearer_settle(hearer, !moves);
	if (moves)
		hearer->move = MOVE_BEGINS;
	return true;
}

void
relay_listen_found(struct relay *relay, uint32_t inventory)
{
	if (inventory & SQL_TOUCHES_LISTEN)
		/* Where it does not stay: ask for more. */
		relay->touches |= SQL_TOUCHES_LISTEN;
	else if (inventory & SQL_TOUCHES_UNTIES)
		relay->ties.pins &= ~(uint32_t)PIN_LISTEN;
}

void
relay_listen_answered(struct relay *relay, bool is_good)
{
	if (!is_good && relay->state != RELAY_LINKED) {
		client_fail(relay->client, REASON_SERVER_LOST, "the "
		    "connection that listens for this client cannot be "
		    "opened");
		return;
	}
	if (!is_good && relay->listen.hearer->move == MOVE_NONE)
		relay->listen.hearer->move = MOVE_BEGINS;
	if (relay->state == RELAY_LINKED && relay->is_holding &&
	    !relay_has_expected(relay))
		relay_hold_over(relay);
}

/* Its own server is told to listen. */
static void
relay_listen_here(struct relay *relay, enum hearer_move move)
{
	struct hearer	*hearer = relay->listen.hearer;
	struct relay_io	 io;
	struct buf	 query;

	buf_init(&query);
	if (move == MOVE_LISTENS)
		hearer_put_found(hearer, &query);
	else
		hearer_put_channels(hearer, &query);
	relay_io_init(&io, relay);
	relay_send_own_buf(relay, &io, &query, PURPOSE_LISTEN_HERE);
	relay_io_send(&io, relay);
	hearer->move = move;
	relay->ties.pins |= PIN_LISTEN;
}

/* One step further; false: it has moved. */
static bool
relay_listen_moves(struct relay *relay)
{
	struct hearer	*hearer = relay->listen.hearer;

	if (hearer->move == MOVE_BEGINS)
		relay_listen_here(relay, MOVE_LISTENS);
	else if (hearer->move == MOVE_LISTENS && hearer->count > 0) {
		hearer->move = MOVE_ASKS_HUB;
		hearer_ask_hub(hearer);
	} else if (hearer->move == MOVE_ASKS_HUB)
		relay_listen_here(relay, MOVE_LISTENS_AGAIN);
	else {
		hearer->move = MOVE_NONE;
		hearer_leave_hub(hearer);
		return false;
	}
	return true;
}

bool
relay_listen_goes_on(struct relay *relay)
{
	struct hearer	*hearer = relay->listen.hearer;

	if (hearer == NULL)
		return false;
	if (hearer->is_asked && !relay_listen_settle(relay))
		return true;
	if (hearer->order != NULL)
		return true;
	if (hearer->move != MOVE_NONE && relay_listen_moves(relay))
		return true;
	hearer_clear_found(hearer);
	return false;
}

/*
 * Telling the client.
 */

void
relay_listen_say_ready(struct relay *relay)
{
	struct buf	message;

	relay->owes_ready = false;
	buf_init(&message);
	while (relay->listen.hearer != NULL &&
	    hearer_next_kept(relay->listen.hearer, &message))
		;
	put_ready(&message, STATUS_IDLE);
	relay_write(relay, &message);
	if (relay->listen.hearer != NULL && relay->listen.hearer->count == 0 &&
	    relay->listen.hearer->order == NULL) {
		hearer_free(relay->listen.hearer);
		relay->listen.hearer = NULL;
	}
}

/* In front of the ReadyForQuery that follows. */
void
relay_listen_put_kept(struct relay *relay, struct relay_io *io)
{
	struct buf	message;

	if (STAILQ_EMPTY(&relay->listen.hearer->kept))
		return;
	buf_init(&message);
	while (hearer_next_kept(relay->listen.hearer, &message))
		;
	parcel_buf(&io->to_client, &message);
}

void
relay_listen_flush(struct relay *relay)
{
	struct buf	message;
	bool		rests = relay_status(relay) == STATUS_IDLE &&
			    (relay->state != RELAY_LINKED ||
			    (relay_is_at_rest(relay) &&
			    !relay->listen.has_baseline));

	if (!rests || STAILQ_EMPTY(&relay->listen.hearer->kept) ||
	    stream_unsent(&relay->client->stream) > 0 ||
	    !relay_may_speak(relay->client))
		return;
	buf_init(&message);
	while (hearer_next_kept(relay->listen.hearer, &message))
		;
	relay_write(relay, &message);
}

/*
 * What the client's own server says, which listens with the baseline, or
 * since the LISTEN that was said on it.  True: it is passed on as it is.
 */
bool
relay_listen_on_notification(struct relay *relay, struct relay_io *io,
    const uint8_t *body, size_t n)
{
	struct hearer	*hearer = relay->listen.hearer;
	bool		 itself = relay_listens_itself(relay);
	bool		 moves = hearer != NULL && hearer->move != MOVE_NONE;
	bool		 is_hubs;
	struct get	 get;
	struct buf	 message;
	const char	*channel, *payload;
	uint32_t	 pid;

	if (!itself && hearer == NULL &&
	    !relay->listen.has_baseline && (relay->touches &
	    (SQL_TOUCHES_LISTEN | SQL_TOUCHES_UNKNOWN)) == 0) {
		/* A LISTEN that somebody has left here is not its business. */
		relay->server->is_stale = true;
		return false;
	}
	get_init(&get, body, n);
	pid = get_u32(&get);
	channel = get_string(&get);
	payload = get_string(&get);
	if (payload == NULL)
		return itself;
	is_hubs = hearer != NULL && (moves || !itself) &&
	    hearer_has(hearer, channel);
	if (is_hubs && !moves && pid != relay->server->backend_pid)
		return false;
	if (is_hubs)
		hearer_own(hearer, pid, channel, hearer_hash(
		    body - MSG_HEAD_BYTES, n + MSG_HEAD_BYTES));
	if (pid != relay->server->backend_pid)
		return true;
	buf_init(&message);
	put_notification(&message, relay->client->key_pid, channel, payload);
	parcel_buf(&io->to_client, &message);
	return false;
}
