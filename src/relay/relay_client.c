/*
 * What the client says: one pass over the bytes, message by message.
 *
 * Messages that need nothing are passed on as runs, also when only a part of
 * them is here; the rest of such a message is relay->input.skip and is followed
 * without being collected.  A message that must be looked at is waited for
 * (RELAY_LATER) until enough of it is here.  The table at the end says for
 * each type what it is and who handles it.
 */

#include "relay/relay_answer.h"
#include "relay/relay_batch.h"
#include "relay/relay_client.h"
#include "relay/relay_deallocate.h"
#include "relay/relay_learn.h"
#include "relay/relay_listen.h"
#include "relay/relay_lost.h"
#include "relay/relay_names.h"
#include "relay/relay_parse.h"
#include "relay/relay_private.h"
#include "relay/relay_retry.h"
#include "relay/relay_sequence.h"
#include "relay/relay_settings.h"
#include "relay/relay_simple.h"
#include "relay/relay_split.h"
#include "relay/relay_timeouts.h"

void
relay_pass(struct relay *relay, struct relay_io *io,
    const struct relay_message *message)
{
	parcel_run(&io->to_server, message->at, message->here);
	relay_pass_rest(relay, message);
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
	    "transaction blocks not allowed in statement "
		    "pooling mode");
	relay_drop(relay, message);
	return true;
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

	/* What is answered here may stand in front of what is not. */
	if (relay->state == RELAY_LINKED && relay->listen.hearer != NULL)
		relay_listen_lay(relay, io);
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
		return relay->is_holding ? RELAY_LATER : RELAY_USED;
	expected_add(&relay->server->session->expected, EXPECT_EXECUTE,
	    FATE_PASS)->rolls_back = relay->flight.binds_rollback;
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
	/* What is put in front of this Sync would be skipped unanswered. */
	if (relay->batch.is_refusing)
		relay->batch.unnamed_use = UNNAMED_OLD;
	relay->batch.is_refusing = relay->batch.has_parsed = false;
	if (relay->state == RELAY_IDLE) {
		relay_answer(relay, io, EXPECT_SYNC, NULL);
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

	if (!session->is_copying && expected_has_batch(&session->expected))
		relay_answer(relay, io, EXPECT_COPY_END, NULL);
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
	if (relay->input.scan != NULL)
		relay_scan_more(relay, at, n);
	return n;
}

/*
 * What it asked before may change what it listens to or what is set, or take
 * it back to its startup settings, and has to be answered first; but for what
 * belongs to that.
 */
static bool
relay_pauses(const struct relay *relay, uint8_t type)
{
	return relay->input.is_pausing &&
	    type != MSG_COPY_DATA && type != MSG_COPY_DONE &&
	    type != MSG_COPY_FAIL && type != MSG_FLUSH;
}

static enum relay_verdict
relay_handle(struct relay *relay, struct relay_io *io,
    const struct relay_message *message)
{
	uint8_t	type = message->at[0];

	if (relay->batch.is_refusing && type != MSG_SYNC &&
	    type != MSG_TERMINATE) {
		relay_drop(relay, message);
		return RELAY_USED;
	}
	if (relay->loss.state != LOST_NOTHING && type != MSG_TERMINATE)
		return relay_on_lost(relay, io, message);
	if (relay->client->pool->set != NULL && !relay->batch.is_unsynced &&
	    !relay_may_follow(relay, message))
		return RELAY_LATER;
	return relay_handlers[type](relay, io, message);
}

static enum relay_verdict
relay_read_message(struct relay *relay, struct relay_io *io, uint8_t *at,
    size_t left, size_t *used)
{
	struct relay_message	 message = { .at = at };
	enum relay_verdict	 verdict;
	bool			 is_first = relay->times.query_us == 0 &&
				    !relay->batch.is_unsynced;

	switch (msg_peek(at, left, &message.head)) {
	case MSG_SHORT:
		return RELAY_LATER;
	case MSG_BAD:
		message.total = message.head.length;
		return relay_bad_message(relay, &message,
		    message.head.length > MSG_BODY_BYTES_MAX ?
		    "its length is impossible" :
		    "it is longer than max_packet_size");
	case MSG_OK:
		break;
	}
	message.total = MSG_HEAD_BYTES + (size_t)message.head.length;
	message.here = left < message.total ? left : message.total;
	message.left = left;
	if (relay_handlers[at[0]] == NULL)
		return relay_bad_message(relay, &message,
		    "there is no such message");
	if (relay_pauses(relay, at[0]))
		return RELAY_LATER;
	if (relay->ties.pins & PIN_DRAWN) {
		relay_end_drawn(relay, io, &message);
		if (relay->state == RELAY_CLOSED)
			return RELAY_GONE;
	}
	if (relay->touches & SQL_TOUCHES_ANY_RESETS &&
	    relay_restores(relay, &message))
		return RELAY_LATER;
	verdict = relay_handle(relay, io, &message);
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
