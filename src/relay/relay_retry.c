/*
 * Running a batch once more: a statement that clients share may have been
 * prepared before a table of it was changed, or be lost on the server; its
 * client, with a connection of its own, would not have met that error.
 *
 * The messages of a batch that begins outside of a transaction, with nothing
 * else expected, are kept with the server until it is answered.  When Bind or
 * Describe of a shared statement fails, nothing but ParseComplete was told
 * and the batch is there up to its Sync, the error is swallowed; at the
 * ReadyForQuery the messages that are not answered are read again, and the
 * statement is prepared anew.  Rows of another shape than the client knows
 * would be worse than the error, so that one is passed on if the client has
 * ever described something, and does not in this batch.
 */

#include <string.h>

#include "relay/relay_client.h"
#include "relay/relay_learn.h"
#include "relay/relay_private.h"
#include "relay/relay_retry.h"
#include "relay/relay_server.h"
#include "relay/relay_service.h"
#include "relay/relay_undo.h"

size_t	relay_retry_bytes = 16 * 1024;

/*
 * A batch that begins with an unnamed Parse prepares what it runs itself: on
 * the only host there is nothing in it that could have grown old.
 */
static bool
relay_may_grow_old(const struct relay *relay,
    const struct relay_message *message)
{
	if (relay->split.is_reading || relay->block.is_opening)
		return true;
	return message->at[0] != MSG_QUERY && (message->at[0] != MSG_PARSE ||
	    message->here == MSG_HEAD_BYTES ||
	    message->at[MSG_HEAD_BYTES] != '\0');
}

void
relay_keep_first(struct relay *relay, struct relay_io *io,
    const struct relay_message *message)
{
	struct server_session	*session = relay->server->session;

	if (session->batch_state == BATCH_AGAIN)
		return;
	buf_clear(&session->batch);
	io->unkept = message->at;
	session->batch_state = relay_may_grow_old(relay, message) &&
	    (relay->server->transaction_status == STATUS_IDLE ||
	    relay->block.is_opening) ? BATCH_GROWS : BATCH_NONE;
}

void
relay_keep(struct relay *relay, struct relay_io *io, const uint8_t *end,
    enum batch_state state)
{
	struct server_session	*session = relay->server->session;
	size_t			 n = (size_t)(end - io->unkept);

	session->batch_state = state;
	if (buf_length(&session->batch) + n > relay_retry_bytes)
		session->batch_state = BATCH_NONE;
	else
		buf_add(&session->batch, io->unkept, n);
}

/* How many answers the client still gets; 0: something stands behind. */
static uint32_t
relay_count_answers(const struct expected *expected)
{
	const struct expectation *entry;
	uint32_t		 answers = 0;

	for (uint32_t i = 0; i < expected->count; i++) {
		entry = expected_at(expected, i);
		if (entry->kind == EXPECT_SYNC)
			return i + 1 == expected->count ? answers + 1 : 0;
		if (entry->kind > EXPECT_SYNC ||
		    entry->kind == EXPECT_COPY_END)
			return 0;
		answers += entry->fate != FATE_SWALLOW ||
		    entry->made != NULL;
	}
	return 0;
}

/*
 * Where the messages begin that have not been answered; false: the client has
 * heard more than that a statement is prepared.
 */
static bool
relay_find_unanswered(const struct buf *batch, uint32_t answers,
    bool needs_describe, size_t *from)
{
	const uint8_t	*bytes = buf_bytes(batch);
	size_t		 n = buf_length(batch), at;
	struct msg_head	 head;
	uint32_t	 messages = 0;
	bool		 has_describe = false;

	for (at = 0; at < n; at += MSG_HEAD_BYTES + head.length) {
		if (msg_peek(bytes + at, n - at, &head) != MSG_OK)
			return false;
		messages += bytes[at] != MSG_FLUSH;
		has_describe |= bytes[at] == MSG_DESCRIBE;
	}
	if (messages < answers || (needs_describe && !has_describe))
		return false;
	messages -= answers;
	for (at = 0; messages > 0; at += MSG_HEAD_BYTES + head.length) {
		(void)msg_peek(bytes + at, n - at, &head);
		if (bytes[at] == MSG_PARSE)
			messages--;
		else if (bytes[at] != MSG_FLUSH)
			return false;
	}
	*from = at;
	return true;
}

static bool
relay_may_retry(struct relay *relay, bool needs_describe)
{
	struct server_session	*session = relay->server->session;
	uint32_t		 answers;
	size_t			 from;

	if (session->batch_state != BATCH_WHOLE || relay->is_holding ||
	    relay->input.skip > 0 || relay->ending.is_leaving ||
	    relay->server->transaction_status != STATUS_IDLE)
		return false;
	answers = relay_count_answers(&session->expected);
	if (answers == 0 || !relay_find_unanswered(&session->batch, answers,
	    needs_describe, &from))
		return false;
	buf_consume(&session->batch, from);
	session->batch_state = BATCH_AGAIN;
	relay->is_holding = true;
	return true;
}

static void
relay_expect_retry(struct relay *relay)
{
	struct expectation	*sync =
				    expected_head(&relay->server->session
				    ->expected);

	sync->fate = FATE_SWALLOW;
	sync->purpose = PURPOSE_RETRY;
}

/*
 * The server has lost a statement, which is prepared anew at its next use; or
 * a table of it has changed, and whoever knew it before must not see it under
 * that name.  True: it is prepared and run again, and the client does not
 * hear of it.
 */
bool
relay_meets_again(struct relay *relay, const struct expectation *head,
    const char *sqlstate)
{
	struct server_session	*session = relay->server->session;
	bool			 has_changed = strcmp(sqlstate, "0A000") == 0;

	if ((head->kind != EXPECT_BIND && head->kind != EXPECT_DESCRIBE) ||
	    head->number == 0 ||
	    (!has_changed && strcmp(sqlstate, "26000") != 0))
		return false;
	if (has_changed)
		statements_expire();
	else
		shelf_forget_number(&session->shelf, head->number);
	if (!relay_may_retry(relay,
	    has_changed && relay->prepared.knows_shapes))
		return false;
	if (has_changed)
		relay_unlearn(relay, &session->batch);
	relay_skip_batch(relay);
	relay_expect_retry(relay);
	return true;
}

void
relay_forget_retry(struct relay *relay)
{
	struct server_session	*session = relay->server->session;
	struct expectation	*head = expected_head(&session->expected);

	if (session->batch_state != BATCH_AGAIN || head == NULL)
		return;
	head->fate = FATE_PASS;
	head->purpose = PURPOSE_NONE;
	session->batch_state = BATCH_NONE;
	relay->is_holding = false;
}

void
relay_retry(struct relay *relay)
{
	struct server_session	*session = relay->server->session;
	struct buf		 batch = session->batch;
	struct relay_io		 io;
	size_t			 used;

	buf_init(&session->batch);
	relay_io_init(&io, relay);
	used = relay_read_client(relay, &io, buf_bytes(&batch),
	    buf_length(&batch));
	if (relay->state == RELAY_CLOSED) {
		buf_done(&batch);
		return;
	}
	relay_io_send(&io, relay);
	session->batch_state = BATCH_NONE;
	/* What has to wait once more is in front of what came since. */
	buf_consume(&batch, used);
	relay_hold_ahead(relay, &batch);
}
