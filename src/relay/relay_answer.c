/*
 * Answers that PostgreSQL is not asked for: to what is known here, to what
 * is refused here, and for a server that is gone.
 *
 * They keep their turn: with something expected an answer is queued as MADE
 * and sent when it comes to the head; with nothing expected it goes out now.
 */

#include <stdarg.h>
#include <stdio.h>

#include "base/errors.h"
#include "base/mem.h"
#include "relay/relay_answer.h"
#include "relay/relay_begin.h"
#include "relay/relay_finish.h"
#include "relay/relay_listen.h"
#include "relay/relay_lost.h"
#include "relay/relay_names.h"
#include "relay/relay_private.h"
#include "relay/relay_server.h"
#include "relay/relay_service.h"
#include "wire/put.h"

uint8_t
relay_status(const struct relay *relay)
{
	if (relay->state == RELAY_LINKED)
		return (uint8_t)relay->server->transaction_status;
	if (relay->block.state == BEGIN_HELD)
		return STATUS_TRANSACTION;
	return relay->loss.state != LOST_NOTHING ? STATUS_FAILED : STATUS_IDLE;
}

void
relay_put_ready(struct relay *relay, struct relay_io *io)
{
	uint8_t	ready[] = { MSG_READY, 0, 0, 0, 5, relay_status(relay) };

	if (relay->listen.hearer != NULL && ready[5] == STATUS_IDLE)
		relay_listen_put_kept(relay, io);
	parcel_piece(&io->to_client, ready, sizeof ready);
}

/* Behind what ends a batch or a query, PostgreSQL is ready again. */
static void
relay_send_answer(struct relay *relay, struct relay_io *io,
    enum expect_kind kind, const void *bytes, size_t n)
{
	if (n > 0)
		parcel_piece(&io->to_client, bytes, n);
	if (kind >= EXPECT_SYNC)
		relay_put_ready(relay, io);
}

/* This is what the client will get of it. */
static void
relay_make(struct expectation *entry, struct buf *answer)
{
	entry->made_bytes = (uint32_t)buf_length(answer);
	if (entry->made_bytes > 0)
		entry->made = mem_copy(buf_bytes(answer), entry->made_bytes);
	buf_done(answer);
}

struct expectation *
relay_answer(struct relay *relay, struct relay_io *io, enum expect_kind kind,
    struct buf *answer)
{
	struct expectation	*entry;
	struct buf		 nothing;

	if (answer == NULL)
		buf_init(answer = &nothing);
	if (!relay_has_expected(relay)) {
		relay_send_answer(relay, io, kind, buf_bytes(answer),
		    buf_length(answer));
		buf_done(answer);
		return NULL;
	}
	entry = expected_add(&relay->server->session->expected, kind,
	    FATE_MADE);
	relay_make(entry, answer);
	return entry;
}

void
relay_answer_made(struct relay *relay, struct relay_io *io)
{
	struct expected		*expected = &relay->server->session->expected;
	struct expectation	*head;

	while ((head = expected_head(expected)) != NULL &&
	    head->fate == FATE_MADE) {
		relay_send_answer(relay, io, head->kind, head->made,
		    head->made_bytes);
		expected_strike(expected);
	}
}

void
relay_note_error(const struct relay *relay, const char *sqlstate)
{
	struct log_who	who = { .database = relay->client->database,
			    .user = relay->client->user };

	errors_note(sqlstate, NULL, &who, NULL);
}

void
relay_put_refusal(const struct relay *relay, struct buf *buf,
    const struct error_fields *error)
{
	struct error_fields	fields = *error;

	fields.severity = "ERROR";
	if (fields.hint != NULL && fields.hint[0] == '\0')
		fields.hint = NULL;
	errors_note(fields.sqlstate, "statement_refused", relay_who(relay),
	    fields.message);
	put_error(buf, &fields);
}

void
relay_put_answer_error(struct relay *relay, struct relay_io *io,
    const struct error_fields *fields)
{
	struct buf	answer;

	buf_init(&answer);
	relay_put_refusal(relay, &answer, fields);
	parcel_buf(&io->to_client, &answer);
}

/*
 * Let PostgreSQL fail in the place of what is refused here, so that it rolls
 * back as it would have; its words are replaced by ours.  No statement has
 * the number 0.
 */
static void
relay_fail_at_server(struct relay *relay, struct relay_io *io,
    struct buf *answer)
{
	static const uint8_t	 bind[] = {
		MSG_BIND, 0, 0, 0, 20, '\0', 'p', 'g', 'w', 'e', 'i', 'r',
		'_', '0', '\0', 0, 0, 0, 0, 0, 0,
	};

	parcel_piece(&io->to_server, bind, sizeof bind);
	relay_make(expected_add(&relay->server->session->expected,
	    EXPECT_BIND, FATE_SWALLOW), answer);
}

/* The same for a Query, which nobody could parse. */
static void
relay_fail_query_at_server(struct relay *relay, struct relay_io *io,
    struct buf *answer)
{
	struct server_session	*session = relay->server->session;
	struct buf		 query;

	buf_init(&query);
	put_query(&query, "pgweir refuses a statement");
	parcel_buf(&io->to_server, &query);
	relay_make(expected_add(&session->expected, EXPECT_QUERY, FATE_PASS),
	    answer);
	session_set_unnamed(session, NULL);
	relay_set_unnamed(relay, NULL);
}

/* Something was done that an error here has to undo. */
static bool
relay_has_begun(const struct relay *relay)
{
	return relay->state == RELAY_LINKED && (relay->batch.is_unsynced ||
	    relay_has_expected(relay) ||
	    relay->server->transaction_status != STATUS_IDLE);
}

void
relay_answer_fields(struct relay *relay, struct relay_io *io, bool is_query,
    const struct error_fields *fields)
{
	struct buf	answer;

	buf_init(&answer);
	relay_put_refusal(relay, &answer, fields);
	if (!relay_has_begun(relay)) {
		relay_begin_fail(relay);
		relay_answer(relay, io, is_query ? EXPECT_QUERY :
		    EXPECT_BIND, &answer);
	} else if (is_query)
		relay_fail_query_at_server(relay, io, &answer);
	else
		relay_fail_at_server(relay, io, &answer);
	relay->batch.is_refusing = !is_query;
}

void
relay_answer_error(struct relay *relay, struct relay_io *io, bool is_query,
    const char *sqlstate, const char *hint, const char *format, ...)
{
	char	text[600];
	va_list	args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	relay_answer_fields(relay, io, is_query, &(struct error_fields){
	    .sqlstate = sqlstate, .message = text, .hint = hint });
}

/*
 * One error for each query or batch in what was held back; the rest of it is
 * dropped, as PostgreSQL drops what follows an error up to Sync.
 */
static void
relay_refuse_message(struct relay *relay, struct relay_io *io, uint8_t type,
    const struct error_fields *fields)
{
	switch (type) {
	case MSG_SYNC:
		relay->batch.is_refusing = false;
		relay_put_ready(relay, io);
		break;
	case MSG_QUERY:
	case MSG_FUNCTION_CALL:
		if (!relay->batch.is_refusing)
			relay_answer_fields(relay, io, true, fields);
		break;
	case MSG_PARSE:
	case MSG_BIND:
	case MSG_DESCRIBE:
	case MSG_EXECUTE:
	case MSG_CLOSE:
		if (!relay->batch.is_refusing)
			relay_answer_fields(relay, io, false, fields);
		break;
	default:
		break;
	}
}

void
relay_refuse_held(struct relay *relay, const char *sqlstate,
    const char *text, const char *hint)
{
	relay_refuse_held_with(relay, &(struct error_fields){
	    .sqlstate = sqlstate, .message = text, .hint = hint });
}

void
relay_refuse_held_with(struct relay *relay, const struct error_fields *fields)
{
	struct relay_io	 io;
	struct msg_head	 head;
	uint8_t		*at;
	size_t		 total, here;

	relay_io_init(&io, relay);
	relay->times.query_us = 0;
	while (msg_peek(at = buf_bytes(&relay->input.held),
	    here = buf_length(&relay->input.held), &head) == MSG_OK &&
	    at[0] != MSG_TERMINATE) {
		total = MSG_HEAD_BYTES + (size_t)head.length;
		if (here > total)
			here = total;
		relay_refuse_message(relay, &io, at[0], fields);
		relay->input.skip = (uint32_t)(total - here);
		relay->input.skip_passes = false;
		buf_consume(&relay->input.held, here);
		/* It goes on in a transaction that has failed. */
		if (relay->loss.state != LOST_NOTHING &&
		    !relay->batch.is_refusing)
			break;
	}
	log_warning(relay_who(relay), "a statement was refused: %s (%s)",
	    fields->message, fields->sqlstate);
	relay_io_send(&io, relay);
	if (relay->state == RELAY_IDLE && relay->ending.reason != REASON_NONE) {
		client_fail(relay->client, relay->ending.reason, "%s",
		    relay->ending.text);
		return;
	}
	relay_watch_rest(relay);
	relay_go_on(relay);
}
