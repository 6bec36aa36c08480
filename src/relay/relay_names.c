/*
 * A client's names for its statements, where they are not what they seem.
 *
 * Names are given and taken away when the client says so, before PostgreSQL
 * has answered.  Where what is asked now depends on an answer that is still
 * to come, the client's message waits for it; in the steady state none does.
 *
 * PostgreSQL knows statements by numbers of ours; in its errors about them
 * the client reads its own name.
 *
 * Runs on the client's thread.
 */

#include <string.h>

#include "base/buf.h"
#include "relay/relay_answer.h"
#include "relay/relay_begin.h"
#include "relay/relay_client.h"
#include "relay/relay_names.h"
#include "relay/relay_private.h"
#include "wire/error_fields.h"
#include "wire/put.h"

void
relay_set_named(struct relay *relay, const char *name,
    struct statement *statement)
{
	if (name[0] == '\0')
		relay_set_unnamed(relay, statement);
	else
		names_set(&relay->prepared.names, name, statement);
}

bool
relay_name_parsed(struct relay *relay, const uint8_t *body, size_t n)
{
	const char		*name = (const char *)body;
	size_t			 after = strlen(name) + 1;
	struct statement	*statement;

	if (name[0] != '\0' && relay_names_max > 0 &&
	    names_count(&relay->prepared.names) >= relay_names_max)
		return false;
	statement = statement_intern(body + after, n - after,
	    settings_meaning(relay->settings.wanted),
	    relay->prepared.unnamed);
	if (statement == NULL)
		return false;
	relay_set_named(relay, name, statement);
	statement_release(statement);
	return true;
}

/*
 * Names in messages.
 */

const char *
relay_body_name(const struct relay_message *message, size_t offset,
    size_t *after)
{
	const uint8_t	*at = message->at + MSG_HEAD_BYTES + offset;
	const uint8_t	*end = message->at + message->here;
	const uint8_t	*zero;

	if (at >= end)
		return NULL;
	/* Most are empty. */
	zero = *at == '\0' ? at : memchr(at, '\0', (size_t)(end - at));
	if (zero == NULL)
		return NULL;
	*after = (size_t)(zero + 1 - message->at) - MSG_HEAD_BYTES;
	return (const char *)at;
}

enum relay_verdict
relay_name_missing(struct relay *relay, const struct relay_message *message)
{
	if (message->here == message->total)
		return relay_bad_message(relay, message,
		    "a name in it does not end");
	if (message->here >= LOOP_BUFFER_BYTES / 2)
		return relay_bad_message(relay, message,
		    "a name in it is too long");
	return RELAY_LATER;
}

void
relay_put_renamed(struct relay_io *io, const struct relay_message *message,
    size_t keep, const char *name, size_t old_after)
{
	uint8_t	head[MSG_HEAD_BYTES];
	size_t	name_bytes = strlen(name) + 1;

	msg_set_head(head, message->at[0],
	    message->head.length - old_after + keep + name_bytes);
	parcel_piece(&io->to_server, head, sizeof head);
	if (keep > 0)
		parcel_run(&io->to_server, message->at + MSG_HEAD_BYTES,
		    keep);
	parcel_piece(&io->to_server, name, name_bytes);
}

void
relay_await_answers(struct relay *relay, struct relay_io *io)
{
	struct server_session	*session = relay->server->session;

	/* Behind a Sync or a Query the server flushes by itself. */
	if (expected_last(&session->expected)->kind < EXPECT_SYNC)
		relay_put_bare(&io->to_server, MSG_FLUSH);
	session->own_purpose = PURPOSE_NONE;
	session->has_failed = false;
	/* What is answered by then cannot be run again. */
	if (session->batch_state != BATCH_AGAIN)
		session->batch_state = BATCH_NONE;
	relay->is_holding = true;
	relay_begin_query(relay);
}

void
relay_await_in_batch(struct relay *relay, struct relay_io *io)
{
	relay->batch.is_unsynced = true;
	relay_await_answers(relay, io);
}

static bool
relay_name_is_open(const struct relay *relay, enum expect_kind kind,
    bool is_known)
{
	if (relay->touches & (SQL_TOUCHES_DISCARD_ALL |
	    SQL_TOUCHES_DEALLOCATE_ALL))
		return true;
	if (relay->server->session->expected.closes > 0 && !is_known)
		return true;
	return kind == EXPECT_PARSE ? is_known :
	    kind != EXPECT_CLOSE && !is_known;
}

/* What the name means is not known before all that is answered. */
bool
relay_awaits_meaning(struct relay *relay, struct relay_io *io,
    enum expect_kind kind, const char *name)
{
	if (!relay_name_is_open(relay, kind,
	    names_find(&relay->prepared.names, name) != NULL))
		return false;
	relay_await_in_batch(relay, io);
	return true;
}

/*
 * A batch before this one may have been refused, and with it what parsed or
 * ended the unnamed statement: the server's could be anybody's.
 */
bool
relay_awaits_unnamed(struct relay *relay, struct relay_io *io)
{
	if (relay->batch.has_parsed || !relay_has_expected(relay) ||
	    !expected_has_end(&relay->server->session->expected))
		return false;
	relay_await_in_batch(relay, io);
	return true;
}

/* A batch before this one may be skipped, and with it the Parse of this. */
static bool
relay_parse_is_open(const struct expected *expected, uint32_t number,
    const char *name)
{
	const struct expectation *entry;
	bool			  is_behind = false;

	for (uint32_t i = expected->count; i-- > 0;) {
		entry = expected_at(expected, i);
		is_behind |= entry->kind == EXPECT_SYNC;
		/* What the client itself parsed under this name it loses. */
		if (entry->kind == EXPECT_PARSE && entry->number == number)
			return is_behind && !(entry->is_named &&
			    strcmp(entry->name, name) == 0);
	}
	return false;
}

bool
relay_awaits_parse(struct relay *relay, struct relay_io *io, uint32_t number,
    const char *name)
{
	const struct expected *expected = &relay->server->session->expected;

	if (expected->parses == 0 ||
	    !relay_parse_is_open(expected, number, name))
		return false;
	relay_await_in_batch(relay, io);
	return true;
}

/*
 * Errors.
 */

enum relay_verdict
relay_no_statement(struct relay *relay, struct relay_io *io,
    const struct relay_message *message, const char *name)
{
	/* The transaction that has begun fails where it would be. */
	if (relay->block.state == BEGIN_HELD && !relay_need_server(relay, io))
		return RELAY_LATER;
	if (name[0] == '\0')
		relay_answer_error(relay, io, false,
		    reason_sqlstate(REASON_NO_STATEMENT), NULL,
		    "unnamed prepared statement does not exist");
	else
		relay_answer_error(relay, io, false,
		    reason_sqlstate(REASON_NO_STATEMENT), NULL,
		    "prepared statement \"%s\" does not exist", name);
	relay_drop(relay, message);
	return RELAY_USED;
}

/* The name by which the client has asked for it; NULL: not known any more. */
static const char *
relay_asked_name(const struct relay *relay, const struct expectation *head)
{
	if (head->asked[0] != '\0')
		return head->asked;
	return names_of(&relay->prepared.names,
	    shelf_statement(&relay->server->session->shelf, head->number));
}

bool
relay_rename_error(struct relay *relay, struct relay_io *io,
    const struct expectation *head, const uint8_t *body, size_t n,
    const struct error_fields *fields)
{
	char		 server_name[STATEMENT_NAME_BYTES + 2];
	const char	*name, *at;
	size_t		 length, mark;
	struct buf	 changed;

	/* It could not be prepared here, and that was on its way already. */
	if (head->number != 0 && strcmp(fields->sqlstate, "26000") == 0 &&
	    relay->server->transaction_status == STATUS_FAILED &&
	    (head->asked[0] == '\0' ||
	    names_find(&relay->prepared.names, head->asked) != NULL)) {
		relay_put_answer_error(relay, io, &(struct error_fields){
		    .sqlstate = "25P02", .message = "current transaction is "
		    "aborted, commands ignored until end of transaction "
		    "block" });
		return true;
	}
	if (head->number == 0 || (strcmp(fields->sqlstate, "26000") != 0 &&
	    strcmp(fields->sqlstate, "08P01") != 0) ||
	    fields->message < (const char *)body ||
	    fields->message >= (const char *)body + n)
		return false;
	length = statement_server_name(head->number, server_name + 1) + 2;
	server_name[0] = server_name[length - 1] = '"';
	server_name[length] = '\0';
	at = strstr(fields->message, server_name);
	if (at == NULL || (name = relay_asked_name(relay, head)) == NULL)
		return false;
	buf_init(&changed);
	mark = put_begin(&changed, MSG_ERROR);
	buf_add(&changed, body, (size_t)(at + 1 - (const char *)body));
	buf_add_text(&changed, name);
	at += length - 1;
	buf_add(&changed, at, n - (size_t)(at - (const char *)body));
	put_end(&changed, mark);
	parcel_buf(&io->to_client, &changed);
	return true;
}
