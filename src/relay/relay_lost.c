/*
 * The server is gone, in the middle of what it did for a client.
 *
 * A client whose database has several hosts goes on without it, and is told
 * what became of what it said:
 *
 *	COMMIT or a statement	ERROR 08007: nobody knows whether it was done
 *	of its own in flight
 *	in a transaction	ERROR 40001: nothing was committed; the
 *				transaction is a failed one until the client
 *				ends it, as PostgreSQL would have it
 *	ROLLBACK		it is simply done
 *	a read at a replica	ERROR 08006
 *	what may have changed	ERROR 08007: nobody knows what; to the client
 *	its session		nothing has
 *
 * A client that said nothing when it happened hears of it as the answer to
 * what it says next; a ROLLBACK is done then, too.  Only who cannot be told,
 * because a part of a message has gone to it already, and who was tied to its
 * server (its session is lost) is sent away.
 *
 * Of one host a client that is between two transactions, with nothing of its
 * session on the server, goes on as well; another one is sent away.
 */

#include <stdio.h>
#include <string.h>

#include "pool/monitor.h"
#include "relay/relay_answer.h"
#include "relay/relay_client.h"
#include "relay/relay_copy.h"
#include "relay/relay_finish.h"
#include "relay/relay_flight.h"
#include "relay/relay_greet.h"
#include "relay/relay_heal.h"
#include "relay/relay_lost.h"
#include "relay/relay_names.h"
#include "relay/relay_private.h"
#include "relay/relay_query.h"
#include "relay/relay_retry.h"
#include "relay/relay_server.h"
#include "relay/relay_service.h"
#include "relay/relay_split.h"
#include "relay/replication.h"
#include "wire/error_fields.h"
#include "wire/get.h"
#include "wire/put.h"
#include "wire/sqlwish.h"

#define LOST_TEXT							\
	"nothing of this transaction was committed: the connection to its "\
	"server was lost"

/*
 * Going on without it, or not.
 */

static bool
relay_is_in_flight(const struct relay *relay)
{
	return relay->batch.is_unsynced || relay_has_client_request(relay);
}

static bool
relay_can_survive(const struct relay *relay)
{
	const struct server_session *session = relay->server->session;

	return relay->server->pool->set != NULL && !relay_is_tied(relay) &&
	    (session->skip == 0 || !session->skip_passes) &&
	    !relay->settings.have_changed && relay->input.scan == NULL;
}

/* Everything in flight gets its error; is_open: the client's transaction. */
static void
relay_tell_lost(struct relay *relay, const char *sqlstate, const char *text,
    bool is_open)
{
	struct relay_io	io;

	relay_io_init(&io, relay);
	relay->server->transaction_status = is_open ? STATUS_FAILED :
	    STATUS_IDLE;
	relay_refuse_expected(relay, &io, sqlstate, text);
	parcel_send(&io.to_client);
}

/* Its ReadyForQuery waits for what we wanted to know. */
static void
relay_tell_unset(struct relay *relay, const char *text)
{
	char		full[800];
	struct relay_io	io;

	snprintf(full, sizeof full, "it is not known what this has changed, "
	    "for this session nothing has: %s", text);
	relay_io_init(&io, relay);
	relay_put_answer_error(relay, &io, &(struct error_fields){
	    .sqlstate = reason_sqlstate(REASON_OUTCOME_UNKNOWN),
	    .message = full });
	relay_put_ready(relay, &io);
	parcel_send(&io.to_client);
}

void
relay_note_lost(struct relay *relay)
{
	relay->loss.state = relay->server->transaction_status == STATUS_IDLE ?
	    LOST_NOTHING : LOST_TOLD;
}

static void
relay_report_lost(struct relay *relay, const char *text)
{
	bool	is_open = relay->server->transaction_status != STATUS_IDLE;
	char	full[800];

	if (relay->owes_ready) {
		relay_tell_unset(relay, text);
		return;
	}
	if (!relay_is_in_flight(relay)) {
		relay->loss.state = is_open ? LOST_UNTOLD : LOST_NOTHING;
		return;
	}
	if (relay->choice.need == NEED_READ && !is_open) {
		relay_tell_lost(relay, reason_sqlstate(REASON_SERVER_LOST),
		    text, false);
		return;
	}
	if (relay->flight.may_commit) {
		snprintf(full, sizeof full, "it is not known whether this was "
		    "committed: %s", text);
		relay_tell_lost(relay,
		    reason_sqlstate(REASON_OUTCOME_UNKNOWN), full, false);
		return;
	}
	snprintf(full, sizeof full, LOST_TEXT "; %s", text);
	relay_tell_lost(relay, reason_sqlstate(REASON_TRANSACTION_LOST), full,
	    is_open);
	relay_note_lost(relay);
}

static void
relay_leave_lost(struct relay *relay, enum reason reason, const char *what)
{
	relay_drop_server(relay, reason, what);
	relay->times.query_us = 0;
	relay_watch_rest(relay);
	if (relay->ending.reason != REASON_NONE)
		relay_resume_later(relay);
	relay_go_on(relay);
}

/* False: it cannot go on without this server. */
static bool
relay_survive(struct relay *relay, enum reason reason, const char *what,
    const char *text)
{
	if (!relay_can_survive(relay))
		return false;
	relay_report_lost(relay, text);
	/* What comes of a message that was on its way goes nowhere. */
	relay->input.skip_passes = false;
	relay_forget_flight(relay);
	relay_leave_lost(relay, reason, what);
	return true;
}

/* What it said before it went: a FATAL, and not how a query of ours failed. */
static bool
relay_last_words(const struct relay *relay, struct error_fields *fields)
{
	const struct server_session *session = relay->server->session;

	if (buf_length(&session->error) == 0)
		return false;
	session_error(session, fields);
	return strcmp(fields->severity, "ERROR") != 0;
}

/* type: of the message that makes no sense, or 0. */
static void
relay_put_lost(const struct relay *relay, const char *what, uint8_t type,
    char *text, size_t size)
{
	struct error_fields	fields;

	if (relay_last_words(relay, &fields))
		snprintf(text, size, "the connection to %s was lost: %s",
		    relay->server->pool->backend->name, fields.message);
	else if (type != 0)
		snprintf(text, size, "%s (type 0x%02x)", what, type);
	else
		snprintf(text, size, "the connection to %s was lost: %s",
		    relay->server->pool->backend->name, what);
}

/* Only queries of ours were sent: another server will do. */
static bool
relay_has_sent_nothing(const struct relay *relay)
{
	return relay->is_holding && relay->server->session->draft == NULL &&
	    !relay->owes_ready && !relay->batch.is_unsynced &&
	    relay->server->transaction_status == STATUS_IDLE &&
	    !relay_has_client_request(relay);
}

/*
 * What the client has said PostgreSQL does not understand, a query in the
 * middle of COPY data perhaps: it hears the same.
 */
static bool
relay_has_broken_protocol(struct relay *relay, enum reason reason,
    const char *what)
{
	struct error_fields	 fields;
	char			 text[500];

	if (relay->state != RELAY_LINKED || !relay_last_words(relay,
	    &fields) || strcmp(fields.sqlstate, "08P01") != 0 ||
	    strcmp(fields.severity, "FATAL") != 0)
		return false;
	snprintf(text, sizeof text, "%s", fields.message);
	relay_drop_server(relay, reason, what);
	client_fail_as(relay->client, REASON_BAD_MESSAGE, "08P01", text,
	    NULL);
	return true;
}

/* The client stays where nothing of its session was the server's. */
static void
relay_end_session(struct relay *relay, enum reason reason, const char *what,
    const char *text, bool was_copying)
{
	struct server_session	*session = relay->server->session;
	const char		*sqlstate = reason_sqlstate(reason);

	if (was_copying || relay_is_tied(relay) || relay->input.skip > 0 ||
	    session->skip > 0 ||
	    relay->settings.have_changed || relay->owes_ready ||
	    relay->server->transaction_status != STATUS_IDLE) {
		relay_drop_server(relay, reason, what);
		client_fail_as(relay->client, reason, sqlstate, text,
		    "The transaction, if one was open, is rolled back; "
		    "connect again.");
		return;
	}
	relay_tell_lost(relay, sqlstate, text, false);
	relay_leave_lost(relay, reason, what);
}

void
relay_lose_server(struct relay *relay, enum reason reason, const char *what,
    uint8_t type)
{
	struct server_session	*session = relay->server->session;
	char			 text[500];
	bool			 was_copying;

	relay_forget_retry(relay);
	relay_put_lost(relay, what, type, text, sizeof text);
	log_warning(relay_who(relay), "%s", text);
	if (relay->server->pool->set != NULL)
		monitor_look(relay->server->pool->backend);
	if (relay->state == RELAY_GREETING) {
		relay_drop_server(relay, reason, what);
		relay_greet_lost(relay, reason_sqlstate(reason), text);
		return;
	}
	if (relay_has_sent_nothing(relay)) {
		relay_drop_server(relay, reason, what);
		relay_go_on(relay);
		return;
	}
	if (relay_has_broken_protocol(relay, reason, what) ||
	    relay_heal_lost(relay))
		return;
	/* Perhaps it was done: who looks for it must not look too early. */
	if (relay->server->pool->set != NULL)
		relay_note_done(relay);
	was_copying = relay_copy_is_asked(expected_head(&session->expected));
	if (was_copying || !relay_survive(relay, reason, what, text))
		relay_end_session(relay, reason, what, text, was_copying);
}

void
relay_condemn(struct server *server, const char *why)
{
	if (server->on_event == relay_on_server_event)
		relay_lose_server(server->user, REASON_SERVER_LOST, why, 0);
	else
		replication_condemn(server, why);
}

void
relay_recall(struct server *server, const char *why)
{
	struct relay	*relay = server->user;

	/* A login has it for a moment only, and gives it back. */
	if (server->on_event == relay_on_server_event &&
	    relay->state == RELAY_LINKED)
		client_dismiss(relay->client, REASON_SERVER_OLD, why, false);
}

/*
 * What it says afterwards.
 */

static void
relay_answer_lost(struct relay *relay, struct relay_io *io, bool is_query)
{
	bool	told = relay->loss.state == LOST_TOLD;

	relay->loss.state = LOST_TOLD;
	if (told)
		relay_answer_error(relay, io, is_query, "25P02", NULL,
		    "current transaction is aborted, commands ignored until "
		    "end of transaction block");
	else
		relay_answer_error(relay, io, is_query,
		    reason_sqlstate(REASON_TRANSACTION_LOST), NULL,
		    LOST_TEXT);
}

/* A COMMIT that has not heard of it may not believe that it succeeded. */
static void
relay_finish_lost(struct relay *relay, struct relay_io *io, bool commits,
    bool is_query)
{
	bool		fails = commits && relay->loss.state == LOST_UNTOLD;
	struct buf	answer;

	relay->loss.state = LOST_NOTHING;
	relay->loss.ends = relay->loss.commits = false;
	if (fails) {
		relay_answer_error(relay, io, is_query,
		    reason_sqlstate(REASON_TRANSACTION_LOST), NULL,
		    LOST_TEXT);
		return;
	}
	buf_init(&answer);
	put_command_complete(&answer, "ROLLBACK");
	relay_answer(relay, io, is_query ? EXPECT_QUERY : EXPECT_EXECUTE,
	    &answer);
}

static void
relay_lost_query(struct relay *relay, struct relay_io *io, const char *text,
    size_t n)
{
	enum sqlwish_end	end = sqlwish_end(text, n);

	if (end == SQLWISH_COMMIT || end == SQLWISH_ROLLBACK)
		relay_finish_lost(relay, io, end == SQLWISH_COMMIT, true);
	else
		relay_answer_lost(relay, io, true);
}

/*
 * Parse, or Bind of what was parsed before: only an end of it is taken, and a
 * Parse (body) only where there is room for it.
 */
static void
relay_lost_statement(struct relay *relay, struct relay_io *io,
    const char *text, const char *body, size_t n)
{
	enum sqlwish_end	end = text == NULL ? SQLWISH_NO_END :
				    sqlwish_end(text, strlen(text));
	struct buf		answer;

	if ((end != SQLWISH_COMMIT && end != SQLWISH_ROLLBACK) ||
	    (body != NULL && !relay_name_parsed(relay, (const uint8_t *)body,
	    n))) {
		relay_answer_lost(relay, io, false);
		return;
	}
	relay->loss.ends = true;
	relay->loss.commits = end == SQLWISH_COMMIT;
	buf_init(&answer);
	put_empty(&answer, body != NULL ? MSG_PARSE_COMPLETE :
	    MSG_BIND_COMPLETE);
	relay_answer(relay, io, EXPECT_BIND, &answer);
}

static enum relay_verdict
relay_lost_parse(struct relay *relay, struct relay_io *io,
    const struct relay_message *message, const char *body)
{
	struct get	get;

	get_init(&get, body, message->head.length);
	if (get_string(&get) == NULL ||
	    !statement_body_is_valid(get.at, get_left(&get)))
		return relay_bad_message(relay, message,
		    "its text or its parameter types do not fit");
	relay_lost_statement(relay, io, (const char *)get.at, body,
	    message->head.length);
	return RELAY_USED;
}

static enum relay_verdict
relay_lost_bind(struct relay *relay, struct relay_io *io,
    const struct relay_message *message, const char *body)
{
	const struct statement	*statement;
	const char		*name;
	struct get		 get;

	get_init(&get, body, message->head.length);
	(void)get_string(&get);
	if ((name = get_string(&get)) == NULL)
		return relay_bad_message(relay, message,
		    "a name in it does not end");
	statement = relay_named(relay, name);
	relay_lost_statement(relay, io, statement == NULL ? NULL :
	    statement->text, NULL, 0);
	return RELAY_USED;
}

/* Describe and Close. */
static void
relay_lost_other(struct relay *relay, struct relay_io *io,
    const struct relay_message *message, const char *body)
{
	struct buf	answer;
	bool		is_statement = message->head.length > 0 &&
			    body[0] == 'S';

	if (message->at[0] == MSG_DESCRIBE && !relay->loss.ends) {
		relay_answer_lost(relay, io, false);
		return;
	}
	buf_init(&answer);
	if (message->at[0] == MSG_CLOSE)
		put_empty(&answer, MSG_CLOSE_COMPLETE);
	else {
		if (is_statement)
			put_parameter_description(&answer, NULL, 0);
		put_empty(&answer, MSG_NO_DATA);
	}
	if (message->at[0] == MSG_CLOSE && is_statement &&
	    memchr(body, '\0', message->head.length) != NULL)
		names_remove(&relay->prepared.names, body + 1);
	relay_answer(relay, io, EXPECT_DESCRIBE, &answer);
}

/* A message that is whole, or none of whose contents matter. */
static enum relay_verdict
relay_lost_message(struct relay *relay, struct relay_io *io,
    const struct relay_message *message)
{
	const char	*body = (const char *)message->at + MSG_HEAD_BYTES;
	size_t		 n = message->head.length;

	switch (message->at[0]) {
	case MSG_QUERY:
		if (n == 0 || body[n - 1] != '\0')
			return relay_bad_message(relay, message,
			    "the query does not end with a zero byte");
		relay_lost_query(relay, io, body, n - 1);
		return RELAY_USED;
	case MSG_PARSE:
		return relay_lost_parse(relay, io, message, body);
	case MSG_BIND:
		return relay_lost_bind(relay, io, message, body);
	case MSG_DESCRIBE:
	case MSG_CLOSE:
		relay_lost_other(relay, io, message, body);
		return RELAY_USED;
	case MSG_EXECUTE:
		if (relay->loss.ends)
			relay_finish_lost(relay, io, relay->loss.commits,
			    false);
		else
			relay_answer_lost(relay, io, false);
		return RELAY_USED;
	case MSG_FUNCTION_CALL:
		relay_answer_lost(relay, io, true);
		return RELAY_USED;
	default:
		return RELAY_USED;
	}
}

enum relay_verdict
relay_on_lost(struct relay *relay, struct relay_io *io,
    const struct relay_message *message)
{
	uint8_t	type = message->at[0];

	if (type == MSG_SYNC) {
		relay->batch.is_refusing = false;
		relay_answer(relay, io, EXPECT_SYNC, NULL);
		relay_drop(relay, message);
		return RELAY_USED;
	}
	if (type == MSG_PASSWORD)
		return relay_bad_message(relay, message,
		    "a password is not expected after login");
	if (message->here == message->total)
		return relay_lost_message(relay, io, message);
	if (message->total <= LOOP_BUFFER_BYTES)
		return RELAY_LATER;
	/* So long a message ends no transaction. */
	if (type == MSG_QUERY || type == MSG_FUNCTION_CALL)
		relay_answer_lost(relay, io, true);
	else if (type != MSG_COPY_DATA)
		relay_answer_lost(relay, io, false);
	relay_drop(relay, message);
	return RELAY_USED;
}
