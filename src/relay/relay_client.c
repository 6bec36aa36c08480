/*
 * What the client says: one pass over the bytes, message by message.
 *
 * Messages that need nothing are passed on as runs, also when only a part of
 * them is here; the rest of such a message is relay->input.skip and is followed
 * without being collected.  A message that must be looked at is waited for
 * (RELAY_LATER) until enough of it is here.  The table at the end says for
 * each type what it is and who handles it.
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "relay/relay_private.h"
#include "session/verdict.h"
#include "session/words.h"
#include "wire/put.h"

typedef enum relay_verdict relay_handler(struct relay *, struct relay_io *,
    const struct relay_message *);

void
relay_pass(struct relay *relay, struct relay_io *io,
    const struct relay_message *message)
{
	parcel_run(&io->to_server, message->at, message->here);
	relay->input.skip = (uint32_t)(message->total - message->here);
	relay->input.skip_passes = true;
	relay->input.skip_type = message->head.type;
}

void
relay_drop(struct relay *relay, const struct relay_message *message)
{
	relay->input.skip = (uint32_t)(message->total - message->here);
	relay->input.skip_passes = false;
}

enum relay_verdict
relay_bad_message(struct relay *relay, const struct relay_message *message,
    const char *what)
{
	client_fail(relay->client, REASON_BAD_MESSAGE, "message of type "
	    "0x%02x and length %zu from the client is malformed: %s",
	    message->at[0], message->total - 1, what);
	return RELAY_GONE;
}

void
relay_begin_query(struct relay *relay)
{
	struct client	*client = relay->client;

	if (relay->times.query_us != 0)
		return;
	relay->times.query_us = loop_now_us(client->loop);
	client->requested_us = relay->times.query_us;
	/* One that keeps its server was linked long ago. */
	if (relay->ties.pins != 0 &&
	    relay->server->transaction_status == STATUS_IDLE)
		deadline_set(client->loop, &relay->times.deadline,
		    relay_limits(relay)->transaction_timeout_us,
		    relay_on_transaction_timeout);
	deadline_set(client->loop, &client->deadline,
	    relay_limits(relay)->query_timeout_us, relay_on_query_timeout);
}

bool
relay_refuse_block(struct relay *relay, struct relay_io *io,
    const struct relay_message *message, uint32_t touches, bool is_query)
{
	if (!(touches & SQL_TOUCHES_BLOCK) ||
	    relay_limits(relay)->mode != POOL_MODE_STATEMENT)
		return false;
	relay_answer_error(relay, io, is_query,
	    reason_sqlstate(REASON_TRANSACTION_REFUSED),
	    "Use pool_mode = transaction for this database.",
	    "transaction blocks are not allowed in pool_mode statement");
	relay_drop(relay, message);
	return true;
}

/* The server's statements go with DISCARD ALL and DEALLOCATE ALL. */
static void
relay_forget_shelf(struct relay *relay, uint32_t touches)
{
	if (touches & (SQL_TOUCHES_DISCARD_ALL | SQL_TOUCHES_DEALLOCATE_ALL))
		shelf_clear(&relay->server->session->shelf);
}

/* What is behind it depends on what becomes of it. */
static bool
relay_must_pause(const struct relay *relay)
{
	return relay_listen_may_change(relay) ||
	    (relay->touches & SQL_TOUCHES_RESETS &&
	    relay->settings.defaults != settings_none());
}

static void
relay_expect_query(struct relay *relay, enum expect_kind kind)
{
	struct server_session	*session = relay->server->session;
	struct expectation	*entry;

	entry = expected_add(&session->expected, kind, FATE_PASS);
	if (kind == EXPECT_QUERY)
		relay_end_unnamed(relay, entry);
	if (session->deallocate != NULL)
		session_set_deallocate(session, NULL);
	relay_begin_query(relay);
	if (relay->touches != 0)
		relay->input.is_pausing = relay_must_pause(relay);
}

void
relay_end_scan(struct relay *relay)
{
	if (relay->input.scan != NULL)
		free(relay->input.scan->names);
	free(relay->input.scan);
	relay->input.scan = NULL;
}

/* A Query that does not fit into the buffer is scanned as it passes. */
static enum relay_verdict
relay_stream_query(struct relay *relay, struct relay_io *io,
    const struct relay_message *message)
{
	if (!relay_need_server(relay, io))
		return RELAY_LATER;
	relay_end_scan(relay);
	relay->input.scan = mem_new(sizeof *relay->input.scan);
	sqlscan_init(relay->input.scan, true);
	relay->input.scan->names = mem_new(sizeof *relay->input.scan->names);
	sqlscan_feed(relay->input.scan, message->at + MSG_HEAD_BYTES,
	    message->here - MSG_HEAD_BYTES);
	relay->loss.may_commit = true;
	relay_expect_query(relay, EXPECT_QUERY);
	relay_pass(relay, io, message);
	return RELAY_USED;
}

static enum relay_verdict
relay_on_query(struct relay *relay, struct relay_io *io,
    const struct relay_message *message)
{
	const char	*text = (const char *)message->at + MSG_HEAD_BYTES;
	size_t		 n = message->head.length;
	struct verdict	 verdict;
	uint32_t	 touches, by_words;
	int		 own;

	if (message->here < message->total)
		return message->total > LOOP_BUFFER_BYTES ?
		    relay_stream_query(relay, io, message) : RELAY_LATER;
	if (n == 0 || text[n - 1] != '\0')
		return relay_bad_message(relay, message,
		    "the query does not end with a zero byte");
	by_words = words_touches(relay->client->pool, text, n - 1);
	verdict = verdict_of(text, n - 1);
	touches = verdict.touches | by_words;
	if (relay_refuse_block(relay, io, message, touches, true))
		return RELAY_USED;
	own = relay_may_own(text);
	if ((own != OWN_MAYBE_NOT || touches & SQL_TOUCHES_SETTINGS) &&
	    (own != OWN_MAYBE_BLOCK || relay->state == RELAY_IDLE) &&
	    relay_own_query(relay, io, text, n - 1)) {
		relay_set_unnamed(relay, NULL);
		return RELAY_USED;
	}
	if (relay->state == RELAY_IDLE) {
		relay_choose(relay, text, n - 1);
		if (touches & SQL_TOUCHES_NAMES)
			relay_adopt_names(relay, text, n - 1);
	}
	if (touches & (SQL_TOUCHES_DEALLOCATE | SQL_TOUCHES_DEALLOCATE_ALL)) {
		if (relay_has_expected(relay)) {
			relay_await_answers(relay, io);
			return RELAY_LATER;
		}
		if (relay_query_deallocate(relay, io, text, n - 1))
			return RELAY_USED;
	}
	if (!relay_need_server(relay, io))
		return RELAY_LATER;
	if (touches & SQL_TOUCHES_NAMES)
		touches = relay_note_text_names(relay, text, n - 1, touches,
		    by_words);
	if (touches != 0) {
		if (!relay_may_tie(relay, io, relay_pins_of(touches), true)) {
			relay_drop(relay, message);
			return RELAY_USED;
		}
		if (touches & SQL_TOUCHES_SEQUENCE)
			relay_forget_sequences(relay, io);
		relay->touches |= touches;
		relay_forget_shelf(relay, touches);
	}
	if (relay->server->pool->set != NULL) {
		relay_note_commit(relay, verdict.first, verdict.is_several);
		relay->split.alters |= verdict.alters;
	}
	relay_expect_query(relay, EXPECT_QUERY);
	relay_pass(relay, io, message);
	return RELAY_USED;
}

/*
 * What makes PostgreSQL do something is sent when it is here: half of it could
 * neither be taken back nor be ended if the client goes away.
 */
static bool
relay_is_half(const struct relay_message *message)
{
	return message->here < message->total &&
	    message->total <= LOOP_BUFFER_BYTES;
}

static enum relay_verdict
relay_on_function(struct relay *relay, struct relay_io *io,
    const struct relay_message *message)
{
	if (relay_is_half(message) || !relay_need_server(relay, io))
		return RELAY_LATER;
	relay->touches |= SQL_TOUCHES_UNKNOWN;
	relay->loss.may_commit |=
	    relay->server->transaction_status == STATUS_IDLE;
	relay_expect_query(relay, EXPECT_FUNCTION);
	relay_pass(relay, io, message);
	return RELAY_USED;
}

static enum relay_verdict
relay_on_batch(struct relay *relay, struct relay_io *io,
    const struct relay_message *message)
{
	static relay_handler *const handlers[128] = {
		[MSG_PARSE] = relay_on_parse,
		[MSG_BIND] = relay_on_bind,
		[MSG_DESCRIBE] = relay_on_describe,
		[MSG_CLOSE] = relay_on_close,
	};
	enum relay_verdict	verdict;

	verdict = handlers[message->at[0]](relay, io, message);
	if (verdict == RELAY_USED && relay->server != NULL) {
		relay->batch.is_unsynced = true;
		relay_begin_query(relay);
	}
	return verdict;
}

static enum relay_verdict
relay_on_execute(struct relay *relay, struct relay_io *io,
    const struct relay_message *message)
{
	if (relay_is_half(message) || !relay_need_server(relay, io))
		return RELAY_LATER;
	relay->batch.is_unsynced = true;
	if (relay->server->session->deallocate != NULL &&
	    relay_execute_deallocate(relay, io, message))
		return RELAY_USED;
	expected_add(&relay->server->session->expected, EXPECT_EXECUTE,
	    FATE_PASS);
	relay_begin_query(relay);
	relay_pass(relay, io, message);
	return RELAY_USED;
}

static enum relay_verdict
relay_on_flush(struct relay *relay, struct relay_io *io,
    const struct relay_message *message)
{
	if (relay->state == RELAY_LINKED && !relay->is_holding)
		relay_pass(relay, io, message);
	else
		relay_drop(relay, message);
	return RELAY_USED;
}

static enum relay_verdict
relay_on_sync(struct relay *relay, struct relay_io *io,
    const struct relay_message *message)
{
	struct buf	nothing;

	/* What is put in front of this Sync would be skipped unanswered. */
	if (relay->batch.is_refusing)
		relay->batch.unnamed_use = UNNAMED_OLD;
	relay->batch.is_refusing = relay->batch.has_parsed = false;
	if (relay->state == RELAY_IDLE) {
		buf_init(&nothing);
		relay_answer(relay, io, EXPECT_SYNC, &nothing);
		relay_drop(relay, message);
		return RELAY_USED;
	}
	if (!relay_need_server(relay, io))
		return RELAY_LATER;
	if (relay->server->session->is_copying) {
		relay->server->session->copy_syncs++;
		relay_pass(relay, io, message);
		return RELAY_USED;
	}
	/* Portals end with their transaction. */
	if (relay->server->session->deallocate != NULL &&
	    relay->server->transaction_status == STATUS_IDLE &&
	    !expected_has_sync(&relay->server->session->expected))
		session_set_deallocate(relay->server->session, NULL);
	if (relay->batch.unnamed_use != UNNAMED_OLD)
		relay_ask_unnamed(relay, io);
	expected_add(&relay->server->session->expected, EXPECT_SYNC,
	    FATE_PASS);
	relay->batch.is_unsynced = false;
	if (relay->touches != 0)
		relay->input.is_pausing = relay_must_pause(relay);
	relay_begin_query(relay);
	relay_pass(relay, io, message);
	return RELAY_USED;
}

/*
 * CopyDone or CopyFail.  If PostgreSQL has not begun the copy of an Execute
 * yet, which may stand behind a query of ours, the place is marked: a Sync
 * behind it counts again.
 */
static void
relay_end_copy(struct relay *relay, struct relay_io *io)
{
	struct server_session	*session = relay->server->session;
	struct buf		 nothing;

	if (!session->is_copying && expected_has_batch(&session->expected)) {
		buf_init(&nothing);
		relay_answer(relay, io, EXPECT_COPY_END, &nothing);
	}
	session->is_copying = false;
}

/* COPY data after the COPY has failed is ignored, as PostgreSQL does. */
static enum relay_verdict
relay_on_copy(struct relay *relay, struct relay_io *io,
    const struct relay_message *message)
{
	if (relay->state == RELAY_LINKED && !relay->is_holding) {
		if (message->at[0] != MSG_COPY_DATA)
			relay_end_copy(relay, io);
		relay_pass(relay, io, message);
	} else
		relay_drop(relay, message);
	return RELAY_USED;
}

static enum relay_verdict
relay_on_terminate(struct relay *relay, struct relay_io *io,
    const struct relay_message *message)
{
	relay_drop(relay, message);
	if (relay_has_expected(relay) && !relay->batch.is_unsynced) {
		relay->ending.is_leaving = true;
		return RELAY_USED;
	}
	relay_io_send(io, relay);
	client_close(relay->client, REASON_CLIENT_LEFT, NULL);
	return RELAY_GONE;
}

static enum relay_verdict
relay_on_password(struct relay *relay, struct relay_io *io,
    const struct relay_message *message)
{
	(void)io;
	return relay_bad_message(relay, message,
	    "a password is not expected after login");
}

static relay_handler *const	relay_handlers[256] = {
	[MSG_QUERY] = relay_on_query,
	[MSG_PARSE] = relay_on_batch,
	[MSG_BIND] = relay_on_batch,
	[MSG_DESCRIBE] = relay_on_batch,
	[MSG_CLOSE] = relay_on_batch,
	[MSG_EXECUTE] = relay_on_execute,
	[MSG_FLUSH] = relay_on_flush,
	[MSG_SYNC] = relay_on_sync,
	[MSG_FUNCTION_CALL] = relay_on_function,
	[MSG_COPY_DATA] = relay_on_copy,
	[MSG_COPY_DONE] = relay_on_copy,
	[MSG_COPY_FAIL] = relay_on_copy,
	[MSG_TERMINATE] = relay_on_terminate,
	[MSG_PASSWORD] = relay_on_password,
};

/* More of a message whose head was handled before. */
static size_t
relay_read_skipped(struct relay *relay, struct relay_io *io, uint8_t *at,
    size_t n)
{
	if (n > relay->input.skip)
		n = relay->input.skip;
	relay->input.skip -= (uint32_t)n;
	if (!relay->input.skip_passes || relay->state != RELAY_LINKED)
		return n;
	parcel_run(&io->to_server, at, n);
	if (relay->input.scan == NULL)
		return n;
	/* The zero byte at the end is none of the text. */
	sqlscan_feed(relay->input.scan, at, n - (relay->input.skip == 0));
	if (relay->input.skip == 0) {
		sqlscan_end(relay->input.scan);
		relay->touches |= relay_note_names(relay,
		    relay->input.scan->names, relay->input.scan->touches,
		    false, NULL, 0);
		relay->split.alters |= relay->input.scan->alters;
		relay_forget_shelf(relay, relay->input.scan->touches);
		relay->input.is_pausing = relay_has_expected(relay) &&
		    relay_must_pause(relay);
		relay_end_scan(relay);
	}
	return n;
}

/*
 * What it asked before may change what it listens to, or take it back to its
 * startup settings, and has to be answered first; but for what belongs to that.
 */
static bool
relay_pauses(const struct relay *relay, uint8_t type)
{
	return relay->input.is_pausing && !relay->batch.is_unsynced &&
	    type != MSG_COPY_DATA && type != MSG_COPY_DONE &&
	    type != MSG_COPY_FAIL && type != MSG_FLUSH;
}

static enum relay_verdict
relay_read_message(struct relay *relay, struct relay_io *io, uint8_t *at,
    size_t left, size_t *used)
{
	struct relay_message	 message = { .at = at };
	enum relay_verdict	 verdict;
	relay_handler		*handler = relay_handlers[at[0]];
	bool			 is_first = relay->times.query_us == 0 &&
				    !relay->batch.is_unsynced;

	switch (msg_peek(at, left, &message.head)) {
	case MSG_SHORT:
		return RELAY_LATER;
	case MSG_BAD:
		message.total = message.head.length;
		return relay_bad_message(relay, &message,
		    "its length is impossible");
	case MSG_OK:
		break;
	}
	message.total = MSG_HEAD_BYTES + (size_t)message.head.length;
	message.here = left < message.total ? left : message.total;
	message.left = left;
	if (handler == NULL)
		return relay_bad_message(relay, &message,
		    "there is no such message");
	if (relay_pauses(relay, at[0]))
		return RELAY_LATER;
	if (relay->touches & SQL_TOUCHES_RESETS &&
	    relay_restores(relay, &message))
		return RELAY_LATER;
	if (relay->batch.is_refusing && at[0] != MSG_SYNC &&
	    at[0] != MSG_TERMINATE) {
		relay_drop(relay, &message);
		verdict = RELAY_USED;
	} else if (relay->loss.state != LOST_NOTHING && at[0] != MSG_TERMINATE)
		verdict = relay_on_lost(relay, io, &message);
	else if (relay->client->pool->set != NULL &&
	    !relay->batch.is_unsynced && !relay_may_follow(relay, &message))
		verdict = RELAY_LATER;
	else
		verdict = handler(relay, io, &message);
	if (verdict == RELAY_OWN) {
		*used = message.here;
		verdict = RELAY_USED;
	} else if (verdict == RELAY_USED) {
		*used = message.here;
		relay_note_message(relay, io, &message, is_first);
	}
	return verdict;
}

size_t
relay_read_client(struct relay *relay, struct relay_io *io, uint8_t *data,
    size_t n)
{
	enum relay_verdict	verdict;
	size_t			at = 0, used = 0;

	io->unkept = data;
	while (at < n && !relay->ending.is_leaving) {
		if (relay->input.skip > 0) {
			at += relay_read_skipped(relay, io, data + at,
			    n - at);
			continue;
		}
		if (relay->is_holding || relay->split.waits_for_end ||
		    relay->state == RELAY_WAITING)
			break;
		verdict = relay_read_message(relay, io, data + at, n - at,
		    &used);
		if (verdict == RELAY_GONE)
			return n;
		if (verdict == RELAY_LATER || relay->state == RELAY_CLOSED)
			break;
		at += used;
	}
	if (relay_keeps_batch(relay))
		relay_keep(relay, io, data + at, BATCH_GROWS);
	return relay->ending.is_leaving ? n : at;
}
