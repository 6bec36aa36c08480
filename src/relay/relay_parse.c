/*
 * Parse: what the client prepares.  A statement with a name is shared by all
 * clients that prepare the same text under settings of the same meaning; one
 * without is the client's own and goes to the server as it is.
 */

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "relay/relay_answer.h"
#include "relay/relay_batch.h"
#include "relay/relay_choose.h"
#include "relay/relay_client.h"
#include "relay/relay_custom.h"
#include "relay/relay_learn.h"
#include "relay/relay_names.h"
#include "relay/relay_own.h"
#include "relay/relay_parse.h"
#include "relay/relay_private.h"
#include "relay/relay_tie.h"
#include "session/verdict.h"
#include "wire/put.h"

static enum relay_verdict
relay_parse_unnamed(struct relay *relay, struct relay_io *io,
    const struct relay_message *message, struct statement *statement)
{
	struct server_session	*session = relay->server->session;
	struct expectation	*entry;

	entry = expected_add(&session->expected, EXPECT_PARSE, FATE_PASS);
	relay->batch.has_parsed = true;
	if (relay->prepared.unnamed != statement) {
		/* Its reference moves. */
		entry->before = relay->prepared.unnamed;
		relay->prepared.unnamed = statement_hold(statement);
	} else
		entry->before = statement_hold(statement);
	session_set_unnamed(session, statement);
	relay->batch.unnamed_use = UNNAMED_PARSED;
	relay->ties.pins &= ~(uint32_t)PIN_STATEMENT;
	COUNT(relay_lane(relay)->counters.server_parse_count, 1);
	relay_pass(relay, io, message);
	return RELAY_USED;
}

/*
 * What is wrong with its text comes first, so PostgreSQL is asked about that;
 * it knows names of ours only.
 */
static enum relay_verdict
relay_refuse_duplicate(struct relay *relay, struct relay_io *io,
    const struct relay_message *message, const char *name)
{
	size_t	after = strlen(name) + 1;

	relay_put_renamed(io, message, 0, "", after);
	parcel_run(&io->to_server, message->at + MSG_HEAD_BYTES + after,
	    message->total - MSG_HEAD_BYTES - after);
	expected_add(&relay->server->session->expected, EXPECT_PARSE,
	    FATE_SWALLOW);
	session_set_unnamed(relay->server->session, NULL);
	relay_answer_error(relay, io, false,
	    reason_sqlstate(REASON_STATEMENT_EXISTS), NULL,
	    "prepared statement \"%s\" already exists", name);
	relay_drop(relay, message);
	return RELAY_USED;
}

static enum relay_verdict
relay_parse_named(struct relay *relay, struct relay_io *io,
    const struct relay_message *message, const char *name,
    struct statement *statement)
{
	struct expectation	*entry;
	struct statement	*known;
	struct buf		 answer;

	if (names_find(&relay->prepared.names, name) != NULL)
		return relay_refuse_duplicate(relay, io, message, name);
	if (relay_names_max > 0 &&
	    names_count(&relay->prepared.names) >= relay_names_max) {
		relay_answer_error(relay, io, false,
		    reason_sqlstate(REASON_TOO_MANY_STATEMENTS),
		    "Close or DEALLOCATE what is not needed any more, or "
		    "raise max_client_statements.", "this client has %zu "
		    "prepared statements already, as many as "
		    "max_client_statements allows", relay_names_max);
		relay_drop(relay, message);
		return RELAY_USED;
	}
	entry = relay_learn_parsed(relay, io, statement, name, &known);
	if (entry == NULL) {
		buf_init(&answer);
		put_empty(&answer, MSG_PARSE_COMPLETE);
		entry = relay_answer(relay, io, EXPECT_PARSE, &answer);
	}
	if (entry != NULL) {
		entry->is_named = true;
		entry->name = mem_string(name);
	}
	names_set(&relay->prepared.names, name, known);
	statement_release(known);
	relay_drop(relay, message);
	return RELAY_USED;
}

/* Nobody keeps the text to look for names in it. */
static uint32_t
relay_long_touches(const char *text, size_t n)
{
	uint32_t	touches = verdict_touches(text, n);

	return touches & SQL_TOUCHES_NAMES ? touches | SQL_TOUCHES_CUSTOM :
	    touches;
}

static void
relay_refuse_long(struct relay *relay, struct relay_io *io, const char *name,
    bool is_full)
{
	if (is_full)
		relay_answer_error(relay, io, false,
		    reason_sqlstate(REASON_TOO_MANY_STATEMENTS),
		    "Raise max_statement_memory.", "prepared statement "
		    "\"%s\" cannot be kept: the texts of all of them take "
		    "max_statement_memory (%zu bytes) already", name,
		    statement_memory_max);
	else
		relay_answer_error(relay, io, false,
		    reason_sqlstate(REASON_MESSAGE_TOO_LONG),
		    "Raise max_statement_bytes, or do not name it.",
		    "prepared statement \"%s\" is longer than "
		    "max_statement_bytes (%zu)", name, statement_bytes_max);
}

/*
 * Too long to be kept, or all that may be kept is there already: an unnamed
 * one passes, and the client keeps this server.
 */
static enum relay_verdict
relay_parse_long(struct relay *relay, struct relay_io *io,
    const struct relay_message *message, const char *name, bool is_full)
{
	struct server_session	*session;
	const char		*text = name + 1;

	if (name[0] != '\0') {
		relay_refuse_long(relay, io, name, is_full);
		relay_drop(relay, message);
		return RELAY_USED;
	}
	if (!relay_need_server(relay, io))
		return RELAY_LATER;
	if (!relay_may_tie(relay, io, PIN_STATEMENT, false)) {
		relay_drop(relay, message);
		return RELAY_USED;
	}
	session = relay->server->session;
	expected_add(&session->expected, EXPECT_PARSE, FATE_PASS);
	session_set_unnamed(session, NULL);
	relay_set_unnamed(relay, NULL);
	relay->ties.pins |= PIN_STATEMENT;
	relay->prepared.long_touches = SQL_TOUCHES_UNKNOWN;
	if (is_full)
		relay->prepared.long_touches = relay_long_touches(text,
		    strlen(text));
	relay_pass(relay, io, message);
	return RELAY_USED;
}

/* IDLE: it decides about where its transaction goes. */
static void
relay_choose_for(struct relay *relay, const struct relay_message *message,
    const char *text)
{
	relay_choose(relay, text, strlen(text));
	/* Not for who prepares it for later. */
	if (atomic_load_explicit(&session_has_customs, memory_order_relaxed) &&
	    message->left > message->total &&
	    message->at[message->total] == MSG_BIND)
		relay_adopt_parsed(relay, text);
}

static struct statement *
relay_intern(struct relay *relay, const uint8_t *body, size_t n)
{
	const struct settings	*meaning =
				    settings_meaning(relay->settings.wanted);

	return relay->touches & SQL_TOUCHES_MEANING ?
	    statement_new_private(body, n, meaning) :
	    statement_intern(body, n, meaning, relay->prepared.unnamed);
}

enum relay_verdict
relay_on_parse(struct relay *relay, struct relay_io *io,
    const struct relay_message *message)
{
	struct statement	*statement;
	enum relay_verdict	 verdict;
	const uint8_t		*body;
	const char		*name;
	size_t			 after, n;

	if ((name = relay_body_name(message, 0, &after)) == NULL)
		return relay_name_missing(relay, message);
	n = message->head.length - after;
	if (n > statement_bytes_max)
		return relay_parse_long(relay, io, message, name, false);
	if (message->here < message->total)
		return RELAY_LATER;
	body = message->at + MSG_HEAD_BYTES + after;
	if (!statement_body_is_valid(body, n))
		return relay_bad_message(relay, message,
		    "its text or its parameter types do not fit");
	if (relay_owns_batch(relay, relay_may_own((const char *)body)) &&
	    relay_own_batch(relay, io, message))
		return RELAY_OWN;
	if (relay->state == RELAY_IDLE)
		relay_choose_for(relay, message, (const char *)body);
	if (!relay_need_server(relay, io))
		return RELAY_LATER;
	if (relay_awaits_name(relay, io, EXPECT_PARSE, name))
		return RELAY_LATER;
	statement = relay_intern(relay, body, n);
	COUNT(relay_lane(relay)->counters.client_parse_count, 1);
	if (statement == NULL)
		return relay_parse_long(relay, io, message, name, true);
	verdict = name[0] == '\0' ?
	    relay_parse_unnamed(relay, io, message, statement) :
	    relay_parse_named(relay, io, message, name, statement);
	statement_release(statement);
	return verdict;
}
