/*
 * BEGIN, held back until it is known where its transaction goes.
 *
 * Under route = split a BEGIN that is understood to the last word is answered
 * here (relay_own.c), and the client has no server.  Its first statement says
 * which host the transaction needs: BEGIN is sent in front of it, in one
 * send.  A BEGIN with nothing behind it costs no server at all.
 *
 *	NONE -> HELD		relay_begin_hold(): the client's BEGIN
 *	HELD -> NONE		relay_begin_end(): its COMMIT or ROLLBACK
 *	HELD -> FIRST		relay_begin_send(): with the first statement
 *	NONE -> FIRST		relay_begin_linked(): BEGIN and its first
 *				statement come in one batch
 *	FIRST -> HELD		relay_begin_again(): a replica has refused that;
 *				or NONE, where BEGIN is said again with it
 *	FIRST -> NONE, READS, MOVES	relay_begin_answered()
 *	MOVES -> HELD		the client says something that may write
 *	READS, MOVES -> ENDS	it says COMMIT or ROLLBACK
 *	any but HELD -> NONE	the server is given back, or lost
 *
 * Where it goes: declared READ ONLY to a replica, if its first statement is
 * proven to read (what is in a replica but not read only to the primary, as
 * in a temporary table, is not); and on to the primary before the first
 * volatile function or the like, as long as it has left nothing there.  With
 * split_transactions one that is not declared does so too.  As long as all it
 * says is proven to read it has left nothing there: no lock, no setting, no
 * cursor.  With READ COMMITTED, where each statement has a snapshot of its
 * own, what follows can then run in a transaction begun anew on the primary;
 * only now() can tell.  Everything else goes to the primary.
 *
 * BEGIN is sent by the extended protocol without a Sync.  If it should fail,
 * PostgreSQL skips what follows, also a Query, so that no statement can run
 * outside of its transaction; the connection is closed then.
 */

#include <stdio.h>
#include <string.h>

#include "relay/relay_answer.h"
#include "relay/relay_begin.h"
#include "relay/relay_finish.h"
#include "relay/relay_flight.h"
#include "relay/relay_lost.h"
#include "relay/relay_private.h"
#include "relay/relay_service.h"
#include "relay/relay_split.h"
#include "relay/relay_timeouts.h"
#include "session/own.h"
#include "wire/error_fields.h"
#include "wire/get.h"
#include "wire/sqlscan.h"

void
relay_begin_hold(struct relay *relay, const struct sqlbegin *begin)
{
	struct client	*client = relay->client;
	int64_t		 limit_us = relay_limits(relay)
			    ->transaction_timeout_us;

	relay->block.begin = *begin;
	relay->block.state = BEGIN_HELD;
	relay->batch.begins_inside = false;
	client->requested_us = loop_now_us(client->loop);
	if (limit_us > 0)
		deadline_set(client->loop, &relay->times.deadline,
		    limit_us, relay_on_transaction_timeout);
}

void
relay_begin_end(struct relay *relay)
{
	relay->block.state = BEGIN_NONE;
	relay->choice.primary_why = 0;
	deadline_clear(relay->client->loop, &relay->times.deadline);
}

void
relay_begin_fail(struct relay *relay)
{
	if (relay->block.state != BEGIN_HELD)
		return;
	relay_begin_end(relay);
	relay->loss.state = LOST_TOLD;
}

/*
 * Where it goes.
 */

static bool
relay_reads_committed(const struct relay *relay)
{
	const struct sqlbegin *begin = &relay->block.begin;
	const char	*level = settings_get(relay->settings.wanted,
			    "default_transaction_isolation");

	return begin->isolation == SQLBEGIN_READ_COMMITTED ||
	    begin->isolation == SQLBEGIN_READ_UNCOMMITTED ||
	    (begin->isolation == SQLBEGIN_DEFAULT && (level == NULL ||
	    strcmp(level, "read committed") == 0));
}

enum route_why
relay_begin_why(const struct relay *relay, enum route_why proof)
{
	const struct sqlbegin	*begin = &relay->block.begin;

	if (begin->isolation == SQLBEGIN_SERIALIZABLE ||
	    (begin->isolation == SQLBEGIN_DEFAULT &&
	    settings_are_serializable(relay->settings.wanted)))
		return WHY_SERIALIZABLE;
	if (begin->access == SQLBEGIN_READ_ONLY)
		return proof == WHY_READ ? WHY_READ_ONLY : proof;
	if (begin->access != SQLBEGIN_UNDECLARED ||
	    !relay_limits(relay)->split_transactions ||
	    !relay_reads_committed(relay))
		return WHY_BLOCK;
	if (proof == WHY_READ && relay->choice.is_batch && relay->batch.fetches)
		return WHY_BATCH;
	return proof == WHY_READ ? WHY_SPLIT_BLOCK : proof;
}

/*
 * Sending it.
 */

void
relay_begin_linked(struct relay *relay, bool is_replica)
{
	relay->block.state = BEGIN_FIRST;
	relay->block.is_opening = is_replica && relay->choice.wants_read;
	relay->block.stays = relay->choice.why == WHY_READ_ONLY &&
	    (!relay_reads_committed(relay) ||
	    (relay->choice.is_batch && relay->batch.fetches));
}

static void
relay_expect_begin(struct relay *relay)
{
	static const uint8_t	 kinds[] = {
		EXPECT_PARSE, EXPECT_BIND, EXPECT_EXECUTE,
	};
	struct expected		*expected = &relay->server->session->expected;

	for (size_t i = 0; i < sizeof kinds; i++)
		expected_add(expected, (enum expect_kind)kinds[i],
		    FATE_SWALLOW)->purpose = PURPOSE_BEGIN;
}

void
relay_begin_send(struct relay *relay, struct relay_io *io)
{
	static const uint8_t	 rest[] = {
		0, 0,				/* of Parse */
		MSG_BIND, 0, 0, 0, 12, '\0', '\0', 0, 0, 0, 0, 0, 0,
		MSG_EXECUTE, 0, 0, 0, 9, '\0', 0, 0, 0, 0,
	};
	uint8_t	 message[SQLBEGIN_TEXT_BYTES + 32] = { MSG_PARSE };
	char	*text = (char *)message + 6;
	size_t	 n;

	sqlbegin_print(&relay->block.begin, text);
	n = strlen(text) + 1;
	message[4] = (uint8_t)(4 + 1 + n + 2);
	memcpy(text + n, rest, sizeof rest);
	parcel_piece(&io->to_server, message, 6 + n + sizeof rest);
	relay_expect_begin(relay);
	session_set_unnamed(relay->server->session, NULL);
	relay->server->transaction_status = STATUS_TRANSACTION;
	relay_begin_linked(relay, relay->block.is_at_replica);
}

/*
 * A transaction that could not begin is one that has failed, as the client
 * was told that it had begun.
 */
void
relay_begin_refused(struct relay *relay, struct relay_io *io)
{
	struct server_session	*session = relay->server->session;
	struct error_fields	 fields;
	char			 text[500], sqlstate[6];

	session_error(session, &fields);
	snprintf(text, sizeof text, "%s", fields.message);
	snprintf(sqlstate, sizeof sqlstate, "%s", fields.sqlstate);
	relay->server->transaction_status = STATUS_FAILED;
	relay_refuse_expected(relay, io, sqlstate, text);
	relay_note_lost(relay);
	relay->input.skip_passes = false;
	relay_io_flush(io, relay);
	relay_drop_server(relay, REASON_SERVER_UNCLEAN,
	    "it has refused to begin a transaction");
	relay->times.query_us = 0;
	relay_watch_rest(relay);
	relay_go_on(relay);
}

/*
 * What came of it.
 */

void
relay_begin_answered(struct relay *relay)
{
	relay->block.is_opening = false;
	if (!relay->block.is_at_replica || relay->server->transaction_status ==
	    STATUS_IDLE)
		relay->block.state = relay->block.reopens ? BEGIN_FIRST :
		    BEGIN_NONE;
	else if (!relay->block.reopens)
		relay->block.state = relay->block.stays ? BEGIN_READS :
		    BEGIN_MOVES;
}

/* The server's transaction, which has done nothing, ends unseen. */
static void
relay_begin_leave(struct relay *relay, bool is_held)
{
	struct server	*server;

	relay->block.state = is_held ? BEGIN_HELD : BEGIN_NONE;
	server = relay_unlink(relay);
	session_set_unnamed(server->session, NULL);
	stream_set_reading(&server->stream, true);
	if (server->stream.broken || stream_unsent(&server->stream) > 0)
		server_close(&server, REASON_SERVER_LOST, NULL);
	else
		server_clean(&server, "ROLLBACK", false);
}

void
relay_begin_again(struct relay *relay)
{
	relay->block.reopens = false;
	relay_begin_leave(relay, !relay->batch.begins_inside);
}

/*
 * What may follow at a replica.
 */

/* The text that the message runs, as far as it is one; or NULL. */
static const char *
relay_block_text(const struct relay *relay,
    const struct relay_message *message)
{
	const uint8_t		*body = message->at + MSG_HEAD_BYTES;
	size_t			 n = message->here - MSG_HEAD_BYTES;
	const struct statement	*statement;
	struct get		 get;

	if (message->here < message->total || n == 0)
		return NULL;
	switch (message->at[0]) {
	case MSG_QUERY:
		return body[n - 1] == '\0' ? (const char *)body : NULL;
	case MSG_PARSE:
		get_init(&get, body, n);
		(void)get_string(&get);
		return get_string(&get);
	case MSG_BIND:
		statement = relay_body_statement(relay, body, n);
		return statement == NULL ? NULL : statement->text;
	default:
		return NULL;
	}
}

static bool
relay_ends_block(const struct relay *relay,
    const struct relay_message *message)
{
	const char	*text = relay_block_text(relay, message);
	struct sqlbegin	 begin;

	if (text == NULL || relay_may_own(text) != OWN_MAYBE_BLOCK)
		return false;
	sqlbegin_parse(&begin, text, strlen(text));
	return begin.kind == SQLBEGIN_COMMIT ||
	    begin.kind == SQLBEGIN_ROLLBACK;
}

/* What a failed transaction is told does not matter where it is. */
static bool
relay_may_move(const struct relay *relay)
{
	return (relay->block.state == BEGIN_MOVES ||
	    relay->block.is_opening) && !relay->block.stays &&
	    relay->server->transaction_status != STATUS_FAILED;
}

#define TOUCHES_ELSEWHERE	(SQL_TOUCHES_UNKNOWN | SQL_TOUCHES_TEMP | \
	SQL_TOUCHES_LISTEN | SQL_TOUCHES_UNLISTEN | SQL_TOUCHES_HOLD |	\
	SQL_TOUCHES_LOAD | SQL_TOUCHES_PREPARE | SQL_TOUCHES_SEQUENCE |	\
	SQL_TOUCHES_LOCK)

/* It may do what counts elsewhere, or ties the client to its server. */
static bool
relay_acts_elsewhere(const struct relay *relay,
    const struct relay_message *message, enum route_why why)
{
	const char	*text = relay_block_text(relay, message);
	struct sqlscan	 scan;

	if (why == WHY_FUNCTION || why == WHY_SESSION || text == NULL)
		return true;
	sqlscan_text(&scan, text, strlen(text));
	return scan.touches & TOUCHES_ELSEWHERE || scan.first == SQL_NOTIFY ||
	    scan.statements > 1;
}

/*
 * A block that is declared READ ONLY goes on where it began, whatever it says,
 * but for what would not be the same there, as an advisory lock.
 */
static bool
relay_must_move(struct relay *relay, const struct relay_message *message)
{
	enum route_why	why = relay_message_why(relay, message);

	if (why == WHY_READ && !relay->batch.fetches)
		return false;
	if (relay->choice.why != WHY_READ_ONLY || (why != WHY_READ &&
	    relay_acts_elsewhere(relay, message, why)))
		return true;
	relay->block.stays = true;
	return false;
}

/* Something comes that is not proven; in a pipeline it waits. */
static bool
relay_begin_moves(struct relay *relay)
{
	if (!relay_is_at_rest(relay))
		return false;
	relay->choice.primary_why = WHY_MOVED;
	relay_begin_leave(relay, true);
	return true;
}

bool
relay_begin_follows(struct relay *relay, const struct relay_message *message)
{
	uint8_t	type = message->at[0];
	bool	follows = true;

	if (type == MSG_SYNC || type == MSG_FLUSH || type == MSG_TERMINATE)
		return true;
	if (relay->block.state == BEGIN_ENDS)
		follows = false;
	else if (relay_ends_block(relay, message)) {
		relay->block.state = BEGIN_ENDS;
		relay->block.is_opening = false;
	} else if (relay_may_move(relay) &&
	    relay_must_move(relay, message))
		follows = relay_begin_moves(relay);
	relay->split.waits_for_end |= !follows;
	return follows;
}
