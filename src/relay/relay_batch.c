/*
 * The extended query protocol but for Parse (relay_parse.c): Bind, Describe
 * and Close.  Statements that clients name are shared, so names are changed on
 * the way, and what this server lacks is prepared in front of the message that
 * needs it.
 *
 * The unnamed statement stays unnamed.  A server holds one for whoever used
 * it last; if that is not this client's text, it is parsed again first.
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
#include "relay/relay_private.h"
#include "relay/relay_server.h"
#include "relay/relay_settings.h"
#include "relay/relay_shelf.h"
#include "relay/relay_split.h"
#include "relay/relay_tie.h"
#include "relay/relay_undo.h"
#include "session/words.h"
#include "wire/put.h"

/*
 * The statement that a Bind or Describe names, or NULL: *passes says whether
 * PostgreSQL knows it under this very name (SQL PREPARE, too long to keep).
 */
static struct statement *
relay_statement_named(const struct relay *relay, const char *name,
    bool *passes)
{
	*passes = (name[0] == '\0' ? relay->ties.pins & PIN_STATEMENT :
	    (relay->ties.pins | relay_pins_of(relay->touches)) &
	    PIN_PREPARE) != 0;
	return relay_named(relay, name);
}

/* What a Bind leaves on its server; false: it was refused. */
static bool
relay_note_bind(struct relay *relay, struct relay_io *io,
    const struct relay_message *message, struct statement *statement,
    const char *name, size_t before, size_t after)
{
	struct sqlnames	names;
	uint32_t	touches, by_words;

	if (relay->server->pool->set != NULL)
		relay_note_bound(relay, statement);
	if (before == 1)
		session_set_deallocate(relay->server->session,
		    statement != NULL && statement->verb == SQL_DEALLOCATE ?
		    statement : NULL);
	if (statement == NULL) {
		if (name[0] == '\0')
			relay->touches |= relay_follow_reset(relay,
			    relay->prepared.long_touches);
		return true;
	}
	by_words = words_touches(relay->client->pool, statement->text,
	    statement->text_bytes - 1);
	touches = statement->touches | by_words;
	if (touches & SQL_TOUCHES_NAMES) {
		sqlscan_names(&names, statement->text,
		    statement->text_bytes - 1);
		touches = relay_note_names(relay, &names, touches,
		    by_words & SQL_TOUCHES_NAMES, message, after);
	}
	return relay_note_touches(relay, io, message, touches, false);
}

/* About the unnamed statement, or one that PostgreSQL knows by this name. */
static enum relay_verdict
relay_pass_unchanged(struct relay *relay, struct relay_io *io,
    const struct relay_message *message, enum expect_kind kind,
    struct statement *statement, const char *name)
{
	struct expectation	*entry;

	if (statement != NULL) {
		if (kind == EXPECT_BIND && relay_refuse_unnamed(relay, io,
		    message, statement, name))
			return RELAY_USED;
		relay_ensure_unnamed(relay, io);
		relay_note_unnamed(relay, kind);
	}
	entry = expected_add(&relay->server->session->expected, kind,
	    FATE_PASS);
	if (statement != NULL && kind == EXPECT_DESCRIBE)
		entry->statement = statement_hold(statement);
	relay_pass(relay, io, message);
	return RELAY_USED;
}

/* The client's name stands from `before` to `after`. */
static enum relay_verdict
relay_pass_renamed(struct relay *relay, struct relay_io *io,
    const struct relay_message *message, enum expect_kind kind,
    uint32_t number, const char *name, size_t before, size_t after)
{
	struct expectation	*entry;
	char			 server_name[STATEMENT_NAME_BYTES];

	statement_server_name(number, server_name);
	entry = expected_add(&relay->server->session->expected, kind,
	    FATE_PASS);
	entry->number = number;
	if (after - before <= sizeof entry->asked)
		memcpy(entry->asked, name, after - before);
	relay_put_renamed(io, message, before, server_name, after);
	parcel_run(&io->to_server, message->at + MSG_HEAD_BYTES + after,
	    message->here - MSG_HEAD_BYTES - after);
	relay_pass_rest(relay, message);
	return RELAY_USED;
}

/* The shared part of Bind and Describe: put the statement's name right. */
static enum relay_verdict
relay_pass_named(struct relay *relay, struct relay_io *io,
    const struct relay_message *message, enum expect_kind kind,
    const char *name, size_t before, size_t after)
{
	struct statement	*statement;
	enum relay_verdict	 verdict;
	uint32_t		 number = 0;
	bool			 passes;

	statement = relay_statement_named(relay, name, &passes);
	if (name[0] == '\0' ? relay_awaits_unnamed(relay, io) :
	    relay_awaits_name(relay, io, kind, name))
		return RELAY_LATER;
	if (statement == NULL && !passes)
		return relay_no_statement(relay, io, message, name);
	if (statement != NULL && kind == EXPECT_BIND &&
	    relay_owns_batch(relay, statement->may_be_ours) &&
	    relay_own_batch(relay, io, message))
		return RELAY_OWN;
	if (statement != NULL && relay_refuse_block(relay, io, message,
	    statement->touches, false))
		return RELAY_USED;
	if (relay->state == RELAY_IDLE && statement != NULL) {
		relay_choose(relay, statement->text,
		    statement->text_bytes - 1);
		if (statement->touches & SQL_TOUCHES_NAMES)
			relay_adopt_parsed(relay, statement->text);
	}
	if (!relay_need_server(relay, io))
		return RELAY_LATER;
	if (statement != NULL && name[0] != '\0' && (number =
	    relay_number(relay, io, message, kind, statement, name,
	    &verdict)) == 0)
		return verdict;
	if (kind == EXPECT_BIND && !relay_note_bind(relay, io, message,
	    statement, name, before, after))
		return RELAY_USED;
	return number == 0 ?
	    relay_pass_unchanged(relay, io, message, kind, statement, name) :
	    relay_pass_renamed(relay, io, message, kind, number, name, before,
	    after);
}

enum relay_verdict
relay_on_bind(struct relay *relay, struct relay_io *io,
    const struct relay_message *message)
{
	enum relay_verdict	 verdict;
	const char		*name;
	size_t			 before, after;

	if (relay_body_name(message, 0, &before) == NULL ||
	    (name = relay_body_name(message, before, &after)) == NULL)
		return relay_name_missing(relay, message);
	verdict = relay_pass_named(relay, io, message, EXPECT_BIND, name,
	    before, after);
	if (verdict == RELAY_USED)
		COUNT(relay_lane(relay)->counters.bind_count, 1);
	return verdict;
}

/* Describe and Close: a letter, a name, nothing behind it. */
static const char *
relay_kind_and_name(struct relay *relay, const struct relay_message *message,
    enum relay_verdict *verdict)
{
	const char	*name;
	size_t		 after;

	*verdict = RELAY_LATER;
	if (message->here < message->total &&
	    message->total <= LOOP_BUFFER_BYTES / 2)
		return NULL;
	name = relay_body_name(message, 1, &after);
	if (name != NULL && after == message->head.length &&
	    (name[-1] == 'S' || name[-1] == 'P'))
		return name;
	*verdict = relay_bad_message(relay, message,
	    "it has to name a statement or a portal");
	return NULL;
}

/* What needs no change: it is about a portal. */
static enum relay_verdict
relay_pass_portal(struct relay *relay, struct relay_io *io,
    const struct relay_message *message, enum expect_kind kind)
{
	if (!relay_need_server(relay, io))
		return RELAY_LATER;
	expected_add(&relay->server->session->expected, kind, FATE_PASS);
	relay_pass(relay, io, message);
	return RELAY_USED;
}

enum relay_verdict
relay_on_describe(struct relay *relay, struct relay_io *io,
    const struct relay_message *message)
{
	enum relay_verdict	 verdict;
	const char		*name;

	if ((name = relay_kind_and_name(relay, message, &verdict)) == NULL)
		return verdict;
	relay->prepared.knows_shapes = true;
	if (name[-1] == 'P')
		return relay_pass_portal(relay, io, message, EXPECT_DESCRIBE);
	return relay_pass_named(relay, io, message, EXPECT_DESCRIBE, name, 1,
	    message->head.length);
}

enum relay_verdict
relay_close_name(struct relay *relay, struct relay_io *io,
    const struct relay_message *message, const char *name,
    struct buf *answer)
{
	struct statement	*statement = names_find(&relay->prepared.names,
				    name);
	struct expectation	*entry;

	if (statement != NULL)
		statement_hold(statement);
	entry = relay_answer(relay, io, EXPECT_CLOSE, answer);
	if (entry != NULL) {
		entry->before = statement;
		entry->name = mem_string(name);
		relay->server->session->expected.closes++;
	} else if (statement != NULL)
		statement_release(statement);
	names_remove(&relay->prepared.names, name);
	relay_drop(relay, message);
	return RELAY_USED;
}

/* Closing a statement that does not exist is no error (55.2.3). */
static enum relay_verdict
relay_close_statement(struct relay *relay, struct relay_io *io,
    const struct relay_message *message, const char *name)
{
	struct buf	answer;

	buf_init(&answer);
	put_empty(&answer, MSG_CLOSE_COMPLETE);
	return relay_close_name(relay, io, message, name, &answer);
}

enum relay_verdict
relay_on_close(struct relay *relay, struct relay_io *io,
    const struct relay_message *message)
{
	enum relay_verdict	 verdict;
	const char		*name;
	bool			 passes;

	if ((name = relay_kind_and_name(relay, message, &verdict)) == NULL)
		return verdict;
	if (name[-1] == 'P') {
		if (name[0] == '\0' && relay->server != NULL)
			session_set_deallocate(relay->server->session, NULL);
		return relay_pass_portal(relay, io, message, EXPECT_CLOSE);
	}
	if (relay_awaits_name(relay, io, EXPECT_CLOSE, name))
		return RELAY_LATER;
	if (name[0] != '\0' &&
	    (relay_statement_named(relay, name, &passes) != NULL || !passes))
		return relay_close_statement(relay, io, message, name);
	verdict = relay_pass_portal(relay, io, message, EXPECT_CLOSE);
	if (verdict == RELAY_USED && name[0] == '\0')
		relay_end_unnamed(relay, expected_last(
		    &relay->server->session->expected));
	return verdict;
}
