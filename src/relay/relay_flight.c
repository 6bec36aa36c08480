/*
 * What is in flight, and what becomes of it if its server is gone.
 *
 * Runs on the client's thread.
 */

#include "base/buf.h"
#include "relay/relay_answer.h"
#include "relay/relay_flight.h"
#include "relay/relay_private.h"
#include "relay/relay_undo.h"
#include "wire/put.h"
#include "wire/sqlwish.h"

/*
 * What may be committed: in a transaction only its end is, else everything
 * but its beginning.
 */
void
relay_note_commit(struct relay *relay, uint8_t first, bool is_several)
{
	struct relay_flight	*flight = &relay->flight;

	if (is_several)
		flight->may_commit = true;
	else if (relay->server->transaction_status == STATUS_IDLE ||
	    flight->may_be_over)
		flight->may_commit |= first != SQL_BEGIN &&
		    first != SQL_START;
	else if (first == SQL_ROLLBACK)
		flight->may_be_over = true;
	else
		flight->may_commit |= first == SQL_COMMIT ||
		    first == SQL_PREPARE_TRANSACTION;
}

bool
relay_rolls_back(uint8_t first, const char *text, size_t n)
{
	return first == SQL_ROLLBACK &&
	    sqlwish_end(text, n) == SQLWISH_ROLLBACK;
}

void
relay_note_end(struct relay *relay, const struct expectation *request)
{
	relay->flight.has_rolled_back |= request->rolls_back;
}

void
relay_forget_flight(struct relay *relay)
{
	relay->flight.may_commit = relay->flight.may_be_over = false;
	relay->flight.has_rolled_back = false;
}

/*
 * A ROLLBACK at the end.
 */

/* One that is granted need not have been heard by PostgreSQL. */
static bool
relay_may_grant(const struct expectation *entry)
{
	if (entry->fate == FATE_MADE)
		return entry->made_bytes > 0 && entry->made[0] != MSG_ERROR;
	if (entry->fate == FATE_SWALLOW || entry->kind == EXPECT_PARSE ||
	    entry->kind == EXPECT_BIND || entry->kind == EXPECT_CLOSE)
		return true;
	if (entry->kind == EXPECT_EXECUTE)
		return entry->rolls_back;
	/* A portal, which has no rows. */
	return entry->kind == EXPECT_DESCRIBE && entry->statement == NULL &&
	    entry->number == 0;
}

/* The entries of a batch, up to its Sync, that does nothing else; or 0. */
static uint32_t
relay_rollback_batch(const struct relay *relay)
{
	const struct expected	*expected = &relay->server->session->expected;
	const struct expectation *entry;
	uint32_t		 n, executes = 0, binds = 0;

	for (n = 1; n < expected->count; n++) {
		entry = expected_at(expected, expected->count - 1 - n);
		if (entry->kind >= EXPECT_SYNC)
			break;
		if (!relay_may_grant(entry))
			return 0;
		executes += entry->kind == EXPECT_EXECUTE;
		binds += entry->kind == EXPECT_BIND;
	}
	/* Only its ReadyForQuery may be missing. */
	if (executes == 0 && relay->flight.has_rolled_back)
		return n == expected->count ? n : 0;
	return binds <= 1 && executes == 1 ? n : 0;
}

/* How many entries at the end are a ROLLBACK, of a transaction that is gone. */
static uint32_t
relay_rollback_at_end(const struct relay *relay)
{
	const struct server_session	*session = relay->server->session;
	const struct expectation	*last;
	uint32_t			 n = 0;

	if (relay->server->transaction_status != STATUS_FAILED ||
	    relay->batch.is_unsynced || session->expected.count == 0)
		return 0;
	last = expected_last(&session->expected);
	if (last->kind == EXPECT_QUERY)
		n = last->rolls_back ? 1 : 0;
	else if (last->kind == EXPECT_SYNC)
		n = relay_rollback_batch(relay);
	/* It has failed already. */
	return session->has_said_error && n == session->expected.count ?
	    0 : n;
}

static void
relay_put_granted(struct buf *answer, const struct expectation *entry,
    bool has_rolled_back)
{
	static const uint8_t	types[] = {
		[EXPECT_PARSE] = MSG_PARSE_COMPLETE,
		[EXPECT_BIND] = MSG_BIND_COMPLETE,
		[EXPECT_DESCRIBE] = MSG_NO_DATA,
		[EXPECT_CLOSE] = MSG_CLOSE_COMPLETE,
	};

	if (entry->fate == FATE_SWALLOW)
		return;
	if (entry->fate == FATE_MADE)
		buf_add(answer, entry->made, entry->made_bytes);
	else if (entry->kind != EXPECT_EXECUTE && entry->kind < EXPECT_SYNC)
		put_empty(answer, types[entry->kind]);
	else if (entry->kind != EXPECT_SYNC && !has_rolled_back)
		put_command_complete(answer, "ROLLBACK");
}

/* has_rolled_back: the one that is granted. */
static void
relay_grant_expected(struct relay *relay, struct relay_io *io,
    bool has_rolled_back)
{
	struct expected		*expected = &relay->server->session->expected;
	struct expectation	*head;
	struct buf		 answer;

	if (expected->count == 0)
		return;
	buf_init(&answer);
	while ((head = expected_head(expected)) != NULL) {
		relay_put_granted(&answer, head, has_rolled_back);
		expected_strike(expected);
	}
	parcel_buf(&io->to_client, &answer);
	relay->server->transaction_status = STATUS_IDLE;
	relay_put_ready(relay, io);
}

/*
 * Everything else.
 */

/* So does a Sync of which only its own answer is missing. */
static void
relay_refuse_heads(struct relay *relay, struct relay_io *io,
    const struct buf *error, uint32_t left)
{
	struct expected		*expected = &relay->server->session->expected;
	struct expectation	*head;
	bool			 told = relay->server->session->has_said_error;

	while (expected->count > left) {
		head = expected_head(expected);
		if (head->fate != FATE_SWALLOW || head->made != NULL) {
			if (!told)
				parcel_piece(&io->to_client,
				    buf_bytes(error), buf_length(error));
			told = head->kind < EXPECT_SYNC;
			if (head->kind >= EXPECT_SYNC)
				relay_put_ready(relay, io);
		}
		expected_strike(expected);
	}
	if (relay->batch.is_unsynced) {
		if (!told)
			parcel_piece(&io->to_client, buf_bytes(error),
			    buf_length(error));
		relay->batch.is_refusing = true;
		relay->batch.is_unsynced = false;
	}
}

void
relay_refuse_expected(struct relay *relay, struct relay_io *io,
    const char *sqlstate, const char *text)
{
	struct expected	*expected = &relay->server->session->expected;
	struct buf	 error;
	uint32_t	 granted = relay_rollback_at_end(relay);
	uint32_t	 refused = expected->count - granted;

	buf_init(&error);
	if (refused > 0 || relay->batch.is_unsynced)
		relay_put_refusal(relay, &error, &(struct error_fields){
		    .sqlstate = sqlstate, .message = text });
	for (uint32_t i = refused; i-- > 0;)
		relay_undo(relay, expected_at(expected, i), true, refused);
	relay_refuse_heads(relay, io, &error, granted);
	relay_grant_expected(relay, io, refused == 0 &&
	    relay->flight.has_rolled_back);
	buf_done(&error);
}
