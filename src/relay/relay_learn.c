/*
 * What PostgreSQL makes of a statement that a client prepares: the types of
 * its parameters and the shape of its rows.
 *
 * In PostgreSQL both are settled for good when it is prepared: parameters
 * never change their types, and rows of another shape are an error.  Clients
 * read and write binary values by that.  So a Describe of ours goes behind
 * every Parse under a name of the server's own.  What it tells becomes a part
 * of what the client's name means; wherever the statement is prepared again
 * it is with these types, and rows of another shape are found out.
 *
 * Then the client gets PostgreSQL's own error, unless it cannot know the old
 * shape: it has never described anything, or will hear the new one before the
 * rows.  It is found out before anything runs, in a round trip more, where
 * what runs could not be taken back; a SELECT that is alone in its batch does
 * not wait for that, its rows are dropped.
 *
 * An unnamed statement costs no Describe where it is run by the batch that
 * parses it.  Its types are learned when its client describes it; and if it
 * is to be run later only, or the client has ever done that with one, then
 * they are asked for in front of the Sync.
 *
 * Runs on the client's thread.
 */

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "relay/relay_answer.h"
#include "relay/relay_batch.h"
#include "relay/relay_client.h"
#include "relay/relay_learn.h"
#include "relay/relay_names.h"
#include "relay/relay_private.h"
#include "relay/relay_server.h"
#include "relay/relay_shelf.h"
#include "wire/get.h"
#include "wire/put.h"

/* How the client takes rows of another shape. */
enum {
	LEARN_ACCEPTS,		/* as it would new ones */
	LEARN_REFUSES,		/* it will not have sent what they belong to */
	LEARN_REPLACES,		/* they are on their way: an error instead */
};

/* By the function of PostgreSQL's source drivers know to prepare again. */
static struct error_fields
relay_shape_error(void)
{
	return (struct error_fields){
	    .sqlstate = reason_sqlstate(REASON_SHAPE_CHANGED),
	    .message = "cached plan must not change result type",
	    .routine = "RevalidateCachedQuery" };
}

/* A Describe of ours, by the name that the server knows. */
static struct expectation *
relay_ask_about(struct server_session *session, struct relay_io *io,
    struct statement *statement, const char *server_name)
{
	struct expectation	*entry;
	struct buf		 message;

	buf_init(&message);
	put_describe(&message, 'S', server_name);
	parcel_buf(&io->to_server, &message);
	entry = expected_add(&session->expected, EXPECT_DESCRIBE,
	    FATE_SWALLOW);
	entry->statement = statement_hold(statement);
	return entry;
}

/* Of what has just been put on the shelf under this number. */
static void
relay_ask_shape(struct relay *relay, struct relay_io *io,
    struct statement *statement, uint32_t number, const char *name,
    uint8_t learns)
{
	struct expectation	*entry;
	char			 server_name[STATEMENT_NAME_BYTES];

	statement_server_name(number, server_name);
	entry = relay_ask_about(relay->server->session, io, statement,
	    server_name);
	entry->number = number;
	entry->name = mem_string(name);
	entry->learns = learns;
}

/* In a failed transaction, or perhaps, Parse is PostgreSQL's to refuse. */
static bool
relay_may_have_failed(const struct relay *relay)
{
	return relay->server->transaction_status == STATUS_FAILED ||
	    expected_has_end(&relay->server->session->expected);
}

/* Tables that nobody else sees, or not yet. */
static bool
relay_sees_own(const struct relay *relay)
{
	return relay->server->session->has_altered ||
	    (relay->ties.pins | relay_pins_of(relay->touches)) &
	    (PIN_TEMP | PIN_MODE);
}

struct expectation *
relay_learn_parsed(struct relay *relay, struct relay_io *io,
    struct statement *statement, const char *name,
    struct statement **known)
{
	struct server_session	*session = relay->server->session;
	struct shelf_entry	*shelved;
	uint32_t		 parsed, number;

	*known = relay_sees_own(relay) ? NULL : statement_learned(statement,
	    loop_now_us(relay->client->loop));
	shelved = shelf_find(&session->shelf, *known != NULL ? *known :
	    statement);
	if (*known != NULL && shelved != NULL &&
	    !shelf_entry_is_old(shelved) && !relay_may_have_failed(relay))
		return NULL;
	if (*known == NULL)
		*known = statement_hold(statement);
	/* What it meant before need not be what it means now. */
	if (shelved != NULL)
		relay_close_shelved(session, io, shelved);
	number = relay_shelve(relay, io, *known, FATE_PASS)->number;
	parsed = session->expected.count - 1;
	relay_ask_shape(relay, io, *known, number, name, LEARN_ACCEPTS);
	return expected_at(&session->expected, parsed);
}

/* The client will hear what the rows are like before they come. */
static bool
relay_describes_ahead(const struct relay_message *message, bool *is_alone)
{
	const uint8_t	*at = message->at + message->total;
	size_t		 left;
	struct msg_head	 head;
	bool		 has_executed = false;

	*is_alone = false;
	if (message->left <= message->total)
		return false;
	left = message->left - message->total;
	for (; msg_peek(at, left, &head) == MSG_OK; at += MSG_HEAD_BYTES +
	    head.length, left -= MSG_HEAD_BYTES + head.length) {
		*is_alone = at[0] == MSG_SYNC;
		has_executed |= at[0] == MSG_EXECUTE;
		if (at[0] == MSG_DESCRIBE && !has_executed)
			return true;
		if (strchr("DECH", at[0]) == NULL ||
		    left < MSG_HEAD_BYTES + (size_t)head.length)
			break;
	}
	return false;
}

/*
 * A Bind with another number of values than the statement has parameters,
 * where that is known: to prepare it here could fail first.
 */
static bool
relay_refuse_count(struct relay *relay, struct relay_io *io,
    const struct relay_message *message, const struct statement *statement,
    const char *name)
{
	const uint8_t	*behind = (const uint8_t *)name + strlen(name) + 1;
	uint16_t	 given, needed;
	struct get	 get;

	get_init(&get, behind, (size_t)(message->at + message->here - behind));
	(void)get_bytes(&get, (size_t)get_u16(&get) * 2);
	given = get_u16(&get);
	if (get.bad || (statement->origin == NULL &&
	    strchr(statement->text, '$') != NULL))
		return false;
	get_init(&get, statement->types, statement->types_bytes);
	needed = get_u16(&get);
	if (given == needed)
		return false;
	relay_answer_error(relay, io, false, "08P01", NULL, "bind message "
	    "supplies %u parameters, but prepared statement \"%s\" requires "
	    "%u", given, name, needed);
	relay_drop(relay, message);
	return true;
}

/*
 * The server lacks it, and could perhaps not prepare it now: in a failed
 * transaction, or where its tables are others.  PostgreSQL would not have to;
 * what it would say without that is known.
 */
static bool
relay_answer_learned(struct relay *relay, struct relay_io *io,
    const struct relay_message *message, enum expect_kind kind,
    const struct statement *statement, const char *name)
{
	struct buf	 answer;
	size_t		 mark;

	if (kind == EXPECT_DESCRIBE && statement->shape == SHAPE_NO_ROWS) {
		buf_init(&answer);
		mark = put_begin(&answer, MSG_PARAMETER_DESCRIPTION);
		put_bytes(&answer, statement->types, statement->types_bytes);
		put_end(&answer, mark);
		put_empty(&answer, MSG_NO_DATA);
		relay_answer(relay, io, EXPECT_DESCRIBE, &answer);
		relay_drop(relay, message);
		return true;
	}
	return kind == EXPECT_BIND &&
	    relay_refuse_count(relay, io, message, statement, name);
}

static uint8_t
relay_learns(const struct relay *relay, const struct relay_message *message,
    enum expect_kind kind, const struct statement *statement)
{
	bool	is_alone;

	if (kind != EXPECT_BIND || statement->shape <= SHAPE_NO_ROWS ||
	    !relay->prepared.knows_shapes ||
	    relay_describes_ahead(message, &is_alone))
		return LEARN_ACCEPTS;
	return is_alone && !relay->batch.is_unsynced &&
	    statement->verb == SQL_SELECT &&
	    relay->server->transaction_status == STATUS_IDLE ?
	    LEARN_REPLACES : LEARN_REFUSES;
}

static uint32_t
relay_prepare(struct relay *relay, struct relay_io *io,
    const struct relay_message *message, enum expect_kind kind,
    struct statement *statement, const char *name,
    enum relay_verdict *verdict)
{
	uint32_t	number;
	uint8_t		learns;

	*verdict = RELAY_USED;
	if (relay_answer_learned(relay, io, message, kind, statement, name))
		return 0;
	learns = relay_learns(relay, message, kind, statement);
	number = relay_shelve(relay, io, statement, FATE_SWALLOW)->number;
	if (relay->touches & SQL_TOUCHES_MEANING)
		return number;
	relay_ask_shape(relay, io, statement, number, name, learns);
	if (learns != LEARN_REFUSES)
		return number;
	relay_await_in_batch(relay, io);
	*verdict = RELAY_LATER;
	return 0;
}

uint32_t
relay_number(struct relay *relay, struct relay_io *io,
    const struct relay_message *message, enum expect_kind kind,
    struct statement *statement, const char *name,
    enum relay_verdict *verdict)
{
	const struct statement	*misfit = relay->prepared.misfit;
	struct shelf_entry	*shelved;
	struct error_fields	 error;

	relay->prepared.misfit = NULL;
	if (statement == misfit) {
		error = relay_shape_error();
		relay_answer_fields(relay, io, false, &error);
		relay_drop(relay, message);
		*verdict = RELAY_USED;
		return 0;
	}
	shelved = shelf_find(&relay->server->session->shelf, statement);
	if (shelved != NULL && shelf_entry_is_old(shelved) &&
	    !relay_may_have_failed(relay)) {
		relay_close_shelved(relay->server->session, io, shelved);
		shelved = NULL;
	}
	if (shelved == NULL)
		return relay_prepare(relay, io, message, kind, statement,
		    name, verdict);
	if (relay_awaits_parse(relay, io, shelved->number, name)) {
		*verdict = RELAY_LATER;
		return 0;
	}
	return shelved->number;
}

bool
relay_refuse_unnamed(struct relay *relay, struct relay_io *io,
    const struct relay_message *message, const struct statement *statement,
    const char *name)
{
	return relay->server->session->unnamed != statement &&
	    relay_refuse_count(relay, io, message, statement, name);
}

void
relay_note_unnamed(struct relay *relay, enum expect_kind kind)
{
	if (kind == EXPECT_DESCRIBE)
		relay->batch.unnamed_use = UNNAMED_TOLD;
	else if (relay->batch.unnamed_use == UNNAMED_OLD)
		relay->prepared.keeps_unnamed = true;
	else if (relay->batch.unnamed_use == UNNAMED_PARSED)
		relay->batch.unnamed_use = UNNAMED_BOUND;
}

/* Without a '$' there are no parameters, whatever else there is. */
void
relay_ask_unnamed(struct relay *relay, struct relay_io *io)
{
	struct server_session	*session = relay->server->session;
	struct statement	*statement = relay->prepared.unnamed;
	uint8_t			 use = relay->batch.unnamed_use;
	bool			 asks = use == UNNAMED_PARSED ||
				    (use == UNNAMED_BOUND &&
				    relay->prepared.keeps_unnamed);

	relay->batch.unnamed_use = UNNAMED_OLD;
	if (!asks || statement == NULL || statement->origin != NULL ||
	    session->unnamed != statement ||
	    strchr(statement->text, '$') == NULL)
		return;
	(void)relay_ask_about(session, io, statement, "");
}

/*
 * What has been learned.
 */

/* The rows that come are not the client's. */
static void
relay_replace_rows(struct relay *relay, struct relay_io *io)
{
	struct expected		*expected = &relay->server->session->expected;
	struct expectation	*entry;
	struct error_fields	 error = relay_shape_error();

	relay_put_answer_error(relay, io, &error);
	relay->server->session->has_said_error = true;
	for (uint32_t i = 1; i < expected->count; i++) {
		entry = expected_at(expected, i);
		if (entry->kind >= EXPECT_SYNC)
			return;
		entry->fate = FATE_SWALLOW;
	}
	relay->batch.is_refusing = relay->batch.is_unsynced;
}

/* The name has not been given to another statement since. */
static bool
relay_still_means(const struct relay *relay, const struct expectation *entry)
{
	return names_find(&relay->prepared.names, entry->name) ==
	    entry->statement;
}

void
relay_learn(struct relay *relay, struct relay_io *io,
    const struct expectation *entry, uint64_t shape)
{
	struct server_session	*session = relay->server->session;
	struct buf		*types = &session->described;
	struct statement	*learned, *statement = entry->statement;
	bool			 fits;

	/* So many parameters that they did not come in one piece. */
	if (buf_length(types) == 0)
		return;
	learned = statement_learn(statement, buf_bytes(types),
	    buf_length(types), shape);
	buf_clear(types);
	if (statement->origin == NULL && !relay_sees_own(relay))
		statement_note_learned(statement, learned,
		    loop_now_us(relay->client->loop));
	shelf_turn(&session->shelf, statement, entry->number, learned);
	fits = statement->shape == 0 || statement == learned;
	if (relay_still_means(relay, entry)) {
		if (fits || entry->learns == LEARN_ACCEPTS)
			names_set(&relay->prepared.names, entry->name, learned);
		else if (entry->learns == LEARN_REFUSES)
			relay->prepared.misfit = statement;
		else
			relay_replace_rows(relay, io);
	}
	statement_release(learned);
}

void
relay_learn_unnamed(struct relay *relay, const struct expectation *entry,
    const uint8_t *types, size_t n)
{
	struct server_session	*session = relay->server->session;
	struct statement	*learned;

	if (relay->prepared.unnamed != entry->statement ||
	    session->unnamed != entry->statement)
		return;
	learned = statement_learn(entry->statement, types, n, 0);
	session_set_unnamed(session, learned);
	relay_set_unnamed(relay, learned);
	statement_release(learned);
}

/* One message of a batch: a name in it that means a shape means none now. */
static void
relay_unlearn_name(struct relay *relay, const char *name)
{
	struct statement	*statement = names_find(&relay->prepared.names,
				    name);
	struct statement	*shapeless;

	if (name[0] == '\0' || statement == NULL || statement->shape == 0)
		return;
	shapeless = statement_learn(statement, statement->types,
	    statement->types_bytes, 0);
	names_set(&relay->prepared.names, name, shapeless);
	statement_release(shapeless);
}

void
relay_unlearn(struct relay *relay, const struct buf *batch)
{
	const uint8_t	*at = buf_bytes(batch);
	size_t		 left = buf_length(batch);
	const char	*text;
	struct msg_head	 head;

	for (; msg_peek(at, left, &head) == MSG_OK;
	    left -= MSG_HEAD_BYTES + head.length,
	    at += MSG_HEAD_BYTES + head.length) {
		text = (const char *)at + MSG_HEAD_BYTES;
		if (at[0] == MSG_BIND)
			relay_unlearn_name(relay, text + strlen(text) + 1);
		else if (at[0] == MSG_DESCRIBE && text[0] == 'S')
			relay_unlearn_name(relay, text + 1);
	}
}
