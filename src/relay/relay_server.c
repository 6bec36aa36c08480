/*
 * What the server says, message by message: every answer belongs to the entry
 * at the head of what is expected, which says who gets it.
 *
 * What says something about the state of affairs has a handler in the table
 * at the end, by which relay_read.c goes.
 */

#include <string.h>

#include "pool/monitor.h"
#include "relay/relay_answer.h"
#include "relay/relay_begin.h"
#include "relay/relay_copy.h"
#include "relay/relay_finish.h"
#include "relay/relay_flight.h"
#include "relay/relay_heal.h"
#include "relay/relay_learn.h"
#include "relay/relay_listen.h"
#include "relay/relay_names.h"
#include "relay/relay_private.h"
#include "relay/relay_query.h"
#include "relay/relay_retry.h"
#include "relay/relay_server.h"
#include "relay/relay_settings.h"
#include "relay/relay_split.h"
#include "relay/relay_tie.h"
#include "relay/relay_timeouts.h"
#include "relay/relay_undo.h"
#include "session/words.h"
#include "wire/error_fields.h"

/* Parameters that take more are passed on at once. */
enum { DESCRIBED_BYTES = 4096 };

static enum answer_fate
answer_fate_of(const struct expectation *head)
{
	if (head == NULL)
		return ANSWER_WRONG;
	return head->fate == FATE_PASS ? ANSWER_PASS : ANSWER_DROP;
}

/* '1', '2', '3': just this kind of entry. */
static enum answer_fate
relay_on_complete(struct relay *relay, struct relay_io *io,
    const struct answer *answer)
{
	static const uint8_t	kinds[] = {
		[MSG_PARSE_COMPLETE - '1'] = EXPECT_PARSE,
		[MSG_BIND_COMPLETE - '1'] = EXPECT_BIND,
		[MSG_CLOSE_COMPLETE - '1'] = EXPECT_CLOSE,
	};
	enum answer_fate	fate = answer_fate_of(answer->head);

	(void)io;
	if (fate == ANSWER_WRONG ||
	    answer->head->kind != kinds[answer->type - '1'])
		return ANSWER_WRONG;
	expected_strike(&relay->server->session->expected);
	return fate;
}

/* A Describe of ours, of a statement with a name. */
static bool
relay_asked_shape(const struct expectation *head)
{
	return head != NULL && head->kind == EXPECT_DESCRIBE &&
	    head->statement != NULL && head->number != 0;
}

static void
relay_pass_described(struct relay *relay, struct relay_io *io)
{
	struct buf	*described = &relay->server->session->described;

	if (buf_length(described) == 0)
		return;
	parcel_piece(&io->to_client, buf_bytes(described),
	    buf_length(described));
	buf_clear(described);
}

/* 'T', 'n': the end of a description, or the shape of a query's rows. */
static enum answer_fate
relay_on_description(struct relay *relay, struct relay_io *io,
    const struct answer *answer)
{
	enum answer_fate	fate = answer_fate_of(answer->head);

	if (relay_asked_shape(answer->head))
		relay_learn(relay, io, answer->head,
		    answer->type == MSG_NO_DATA ? SHAPE_NO_ROWS :
		    statement_shape(answer->body, answer->length));
	relay_pass_described(relay, io);
	if (fate != ANSWER_WRONG && answer->head->kind == EXPECT_DESCRIBE)
		expected_strike(&relay->server->session->expected);
	return fate;
}

/*
 * 't': the parameters of a statement.  Its rows come next, and if they have
 * changed, the client shall not have heard anything.
 */
static enum answer_fate
relay_on_parameters(struct relay *relay, struct relay_io *io,
    const struct answer *answer)
{
	enum answer_fate	fate = answer_fate_of(answer->head);
	struct buf		*described =
				    &relay->server->session->described;

	(void)io;
	if (fate == ANSWER_WRONG)
		return fate;
	if (answer->head->kind == EXPECT_DESCRIBE &&
	    answer->head->statement != NULL) {
		if (!statement_types_are_whole(answer->body, answer->length))
			return fate;
		if (relay_asked_shape(answer->head))
			buf_add(described, answer->body, answer->length);
		else
			relay_learn_unnamed(relay, answer->head,
			    answer->body, answer->length);
		return fate;
	}
	if (fate != ANSWER_PASS || answer->head->number == 0 ||
	    answer->length > DESCRIBED_BYTES)
		return fate;
	buf_add(described,
	    answer->body - MSG_HEAD_BYTES, answer->length + MSG_HEAD_BYTES);
	return ANSWER_DROP;
}

static bool
relay_is_change(const struct answer *answer)
{
	static const char *const	changes[] = {
		['A' - 'A'] = "ALTER ", ['C' - 'A'] = "CREATE ",
		['D' - 'A'] = "DROP ",
	};
	const char	*change = answer->body[0] < 'A' ||
			    answer->body[0] > 'D' ? NULL :
			    changes[answer->body[0] - 'A'];

	return change != NULL && answer->length > strlen(change) &&
	    memcmp(answer->body, change, strlen(change)) == 0;
}

/* What the session has lost is known only when PostgreSQL says so. */
static void
relay_follow_tag(struct relay *relay, const struct answer *answer)
{
	static const char	discard[] = "DISCARD ALL",
				sequences[] = "DISCARD SEQUENCES",
				deallocate[] = "DEALLOCATE ALL";

	if (relay_is_change(answer))
		relay->server->session->has_altered = true;
	if (answer->length == sizeof discard &&
	    memcmp(answer->body, discard, sizeof discard) == 0)
		relay_forget_session(relay);
	else if (answer->length == sizeof sequences &&
	    memcmp(answer->body, sequences, sizeof sequences) == 0)
		relay->ties.pins &= ~(uint32_t)(PIN_SEQUENCE | PIN_DRAWN);
	else if (answer->length == sizeof deallocate &&
	    memcmp(answer->body, deallocate, sizeof deallocate) == 0)
		relay_forget_names(relay);
}

/* 'C', 'I', 's': the end of an Execute, or of one statement of a query. */
static enum answer_fate
relay_on_command_end(struct relay *relay, struct relay_io *io,
    const struct answer *answer)
{
	enum answer_fate	fate = answer_fate_of(answer->head);

	if (fate == ANSWER_WRONG)
		return fate;
	if (answer->type == MSG_COMMAND_COMPLETE && answer->body[0] <= 'D')
		relay_follow_tag(relay, answer);
	relay_note_end(relay, answer->head);
	if (answer->head->kind == EXPECT_EXECUTE) {
		relay->server->session->copy_syncs = 0;
		expected_strike(&relay->server->session->expected);
	} else if (relay_copy_is_asked(answer->head))
		relay_copy_told(relay, io);
	else if (answer->head->kind < EXPECT_SYNC)
		return ANSWER_WRONG;
	return fate;
}

static enum answer_fate
relay_on_data(struct relay *relay, struct relay_io *io,
    const struct answer *answer)
{
	struct server_session	*session = relay->server->session;

	(void)io;
	if (answer->head != NULL && answer->head->purpose == PURPOSE_WORDS &&
	    !words_draft_take_row(session->words, answer->body,
	    answer->length))
		session->has_failed = true;
	if (answer->head != NULL &&
	    (answer->head->purpose == PURPOSE_READ_BACK ||
	    answer->head->purpose == PURPOSE_RESTORE) &&
	    !settings_draft_take_row(session->draft, answer->body,
	    answer->length, relay->client->pool->user,
	    &session->inventory))
		session->has_failed = true;
	if (answer->head != NULL && answer->head->purpose == PURPOSE_LISTENS &&
	    !relay_listen_take_row(relay, answer->body, answer->length))
		session->has_failed = true;
	return answer_fate_of(answer->head);
}

/* 'G': Sync means nothing until the copy ends. */
static enum answer_fate
relay_on_copy_in(struct relay *relay, struct relay_io *io,
    const struct answer *answer)
{
	(void)io;
	if (answer->head != NULL && answer->head->kind == EXPECT_EXECUTE)
		relay_copy_begin(relay);
	return answer_fate_of(expected_head(
	    &relay->server->session->expected));
}

/* 'H', 'W', 'V', 'd', 'c': no end of anything. */
static enum answer_fate
relay_on_middle(struct relay *relay, struct relay_io *io,
    const struct answer *answer)
{
	(void)relay;
	(void)io;
	return answer_fate_of(answer->head);
}

/* Notice: the client's, unless something of ours caused it. */
static enum answer_fate
relay_on_notice(struct relay *relay, struct relay_io *io,
    const struct answer *answer)
{
	(void)relay;
	(void)io;
	return answer->head != NULL &&
	    (answer->head->purpose != PURPOSE_NONE ||
	    answer->head->fate == FATE_SWALLOW) ? ANSWER_DROP : ANSWER_PASS;
}

/* Also while a query of ours runs it is the client's. */
static enum answer_fate
relay_on_notification(struct relay *relay, struct relay_io *io,
    const struct answer *answer)
{
	return relay_listen_on_notification(relay, io, answer->body,
	    answer->length) ? ANSWER_PASS : ANSWER_DROP;
}

/*
 * What servers say of their host; the monitor shall see for itself.
 */

static bool
relay_hears_role(struct relay *relay, const uint8_t *body, size_t n)
{
	static const char	name[] = "in_hot_standby";

	if (relay->server->pool->set == NULL || n < sizeof name ||
	    memcmp(body, name, sizeof name) != 0)
		return false;
	monitor_look(relay->server->pool->backend);
	return true;
}

static void
relay_hears_error(struct relay *relay, const char *sqlstate)
{
	if (relay->server->pool->set != NULL &&
	    strcmp(sqlstate, "25006") == 0)
		monitor_look(relay->server->pool->backend);
}

static void
relay_hears_life(struct relay *relay, int64_t now_us)
{
	if (relay->server->pool->set != NULL)
		atomic_store_explicit(
		    &relay->server->pool->backend->alive_us, now_us,
		    memory_order_relaxed);
}

/*
 * Answers.
 */

static enum answer_fate
relay_on_parameter(struct relay *relay, struct relay_io *io,
    const struct answer *answer)
{
	struct server_session	*session = relay->server->session;

	(void)io;
	if (relay_hears_role(relay, answer->body, answer->length))
		return ANSWER_DROP;
	if (answer->head == NULL || answer->head->purpose == PURPOSE_NONE) {
		/* Whatever set it, a function perhaps: ask what is set. */
		relay->touches |= SQL_TOUCHES_SETTINGS;
		return ANSWER_PASS;
	}
	buf_add(&session->reported, answer->body - MSG_HEAD_BYTES,
	    answer->length + MSG_HEAD_BYTES);
	return (relay->settings.are_told &&
	    answer->head->purpose == PURPOSE_SETTINGS) ||
	    answer->head->purpose == PURPOSE_RESTORED ?
	    ANSWER_PASS : ANSWER_DROP;
}

static void
relay_keep_error(struct server_session *session, const struct answer *answer)
{
	buf_clear(&session->error);
	buf_add(&session->error, answer->body, answer->length);
}

/* The client is told; DROP: in words that are not these. */
static enum answer_fate
relay_tell_error(struct relay *relay, struct relay_io *io,
    const struct answer *answer, const struct error_fields *fields)
{
	relay_pass_described(relay, io);
	relay->server->session->has_said_error = true;
	relay_hears_error(relay, fields->sqlstate);
	if (relay->touches & SQL_TOUCHES_SEQUENCE &&
	    strcmp(fields->sqlstate, "55000") == 0)
		relay_tie_asker(relay);
	relay_note_error(relay, fields->sqlstate);
	if (answer->head->made != NULL) {
		parcel_piece(&io->to_client, answer->head->made,
		    answer->head->made_bytes);
		return ANSWER_DROP;
	}
	return relay_rename_error(relay, io, answer->head, answer->body,
	    answer->length, fields) ? ANSWER_DROP : ANSWER_PASS;
}

static enum answer_fate
relay_on_error(struct relay *relay, struct relay_io *io,
    const struct answer *answer)
{
	struct server_session	*session = relay->server->session;
	struct error_fields	 fields;
	enum answer_fate	 fate;
	bool			 asks;

	error_fields_parse(answer->body, answer->length, &fields);
	if (strcmp(fields.severity, "ERROR") != 0) {
		/* FATAL: told when the connection ends, in our words. */
		relay_keep_error(session, answer);
		return ANSWER_DROP;
	}
	if (answer->head == NULL)
		return ANSWER_WRONG;
	asks = relay_copy_fails(relay, fields.sqlstate);
	if (answer->head->purpose != PURPOSE_NONE) {
		session->has_failed = true;
		relay_keep_error(session, answer);
		return answer->head->purpose == PURPOSE_BEGIN ?
		    ANSWER_REFUSED : ANSWER_DROP;
	}
	if (answer->head->fate == FATE_SWALLOW)
		buf_clear(&session->described);
	if ((relay->split.is_reading || relay->block.is_opening) &&
	    relay_heal(relay, io, &fields))
		return ANSWER_DROP;
	if (relay_meets_again(relay, answer->head, fields.sqlstate)) {
		buf_clear(&session->described);
		return ANSWER_DROP;
	}
	fate = relay_tell_error(relay, io, answer, &fields);
	if (answer->head->kind < EXPECT_SYNC)
		relay_skip_batch(relay);
	if (asks)
		relay_copy_ask(relay, io);
	return fate;
}

/* The books of a query, and of a transaction if it has ended. */
static void
relay_count_ready(struct relay *relay)
{
	const struct expectation *head;
	struct pool_lane	*lane = relay_lane(relay);
	int64_t			 now = loop_now_us(relay->client->loop);

	relay_hears_life(relay, now);
	COUNT(lane->counters.query_count, 1);
	COUNT(lane->counters.query_time, now - relay->times.query_us);
	histogram_record(&lane->times->query, now - relay->times.query_us);
	if (relay_is_slow(now - relay->times.query_us +
	    relay->times.waited_us))
		relay_log_slow(relay, now);
	relay->times.waited_us = 0;
	head = expected_head(&relay->server->session->expected);
	relay->times.query_us = head != NULL && head->kind != EXPECT_COPY_END ?
	    now : 0;
	if (relay->server->transaction_status != STATUS_IDLE)
		return;
	COUNT(lane->counters.xact_count, 1);
	COUNT(lane->counters.xact_time, now - relay->times.linked_us);
	histogram_record(&lane->times->transaction,
	    now - relay->times.linked_us);
	relay->times.linked_us = now;
}

/* A transaction is over: what it has changed has to be known first? */
static bool
relay_withholds_ready(struct relay *relay, struct relay_io *io)
{
	if ((relay_listen_may_change(relay) ||
	    (relay->input.is_pausing && relay_must_know(relay))) &&
	    !relay_has_expected(relay) && !relay->batch.is_unsynced) {
		relay->owes_ready = true;
		return true;
	}
	if (relay->listen.hearer != NULL)
		relay_listen_put_kept(relay, io);
	return false;
}

/* The client's request is answered, and its transaction perhaps over. */
static void
relay_note_answered(struct relay *relay)
{
	struct server		*server = relay->server;
	struct server_session	*session = server->session;

	session->batch_state = BATCH_NONE;
	if (relay->block.state == BEGIN_FIRST)
		relay_begin_answered(relay);
	relay_count_ready(relay);
	relay->flight.has_rolled_back = false;
	if (session->expected.count == 0)
		relay_forget_flight(relay);
	if (server->transaction_status != STATUS_IDLE)
		return;
	if (session->has_altered) {
		session->has_altered = false;
		statements_expire();
	}
	if (server->pool->set != NULL)
		relay_note_done(relay);
}

/* To a request of the client. */
static enum answer_fate
relay_ready_again(struct relay *relay, struct relay_io *io, bool is_query,
    enum answer_fate fate)
{
	/* A query ends the batch in front of it, which has no Sync. */
	if (is_query && !relay_has_expected(relay))
		relay->batch.is_unsynced = false;
	relay_note_answered(relay);
	if (relay->server->transaction_status == STATUS_IDLE &&
	    (relay->touches != 0 || relay->listen.hearer != NULL)) {
		if (relay_withholds_ready(relay, io))
			return ANSWER_DROP;
		relay->settings.have_changed |= relay_may_change(relay);
	}
	if (relay_limits(relay)->mode == POOL_MODE_STATEMENT &&
	    relay->server->transaction_status != STATUS_IDLE) {
		client_fail(relay->client, REASON_TRANSACTION_REFUSED,
		    "transaction blocks not allowed in statement "
		    "pooling mode");
		return ANSWER_DROP;
	}
	return fate;
}

static enum answer_fate
relay_on_ready(struct relay *relay, struct relay_io *io,
    const struct answer *answer)
{
	struct server		*server = relay->server;
	enum answer_fate	 fate = answer_fate_of(answer->head);
	enum expect_purpose	 purpose;
	bool			 is_query;

	if (fate == ANSWER_WRONG || answer->head->kind < EXPECT_SYNC ||
	    answer->length != 1 || !msg_is_status(answer->body[0]))
		return ANSWER_WRONG;
	server->transaction_status = (char)answer->body[0];
	if (relay_copy_is_asked(answer->head)) {
		relay_copy_ready(relay);
		return ANSWER_DROP;
	}
	server->session->is_copying = false;
	purpose = answer->head->purpose;
	is_query = answer->head->kind == EXPECT_QUERY;
	server->session->has_said_error = false;
	expected_strike(&relay->server->session->expected);
	if (purpose != PURPOSE_NONE) {
		relay_query_done(relay, purpose);
		return ANSWER_DROP;
	}
	return relay_ready_again(relay, io, is_query, fate);
}

const struct answer_kind	answers[256] = {
	[MSG_PARSE_COMPLETE] = { relay_on_complete, true },
	[MSG_BIND_COMPLETE] = { relay_on_complete, true },
	[MSG_CLOSE_COMPLETE] = { relay_on_complete, true },
	[MSG_ROW_DESCRIPTION] = { relay_on_description, false },
	[MSG_NO_DATA] = { relay_on_description, true },
	[MSG_PARAMETER_DESCRIPTION] = { relay_on_parameters, true },
	[MSG_DATA_ROW] = { relay_on_data, false },
	[MSG_COMMAND_COMPLETE] = { relay_on_command_end, true },
	[MSG_EMPTY_QUERY] = { relay_on_command_end, true },
	[MSG_PORTAL_SUSPENDED] = { relay_on_command_end, true },
	[MSG_COPY_IN] = { relay_on_copy_in, false },
	[MSG_COPY_OUT] = { relay_on_middle, false },
	[MSG_COPY_BOTH] = { relay_on_middle, false },
	[MSG_COPY_DATA] = { relay_on_middle, false },
	[MSG_COPY_DONE] = { relay_on_middle, false },
	[MSG_FUNCTION_RESULT] = { relay_on_middle, false },
	[MSG_ERROR] = { relay_on_error, true },
	[MSG_NOTICE] = { relay_on_notice, false },
	[MSG_NOTIFICATION] = { relay_on_notification, true },
	[MSG_PARAMETER_STATUS] = { relay_on_parameter, true },
	[MSG_READY] = { relay_on_ready, true },
};
