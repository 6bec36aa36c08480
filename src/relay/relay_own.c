/*
 * What is answered here although PostgreSQL could be asked: BEGIN and the end
 * of a transaction that no server knows of (relay_begin.c), and pgweir.route.
 *
 * It is a Query of its own, or a batch of the extended protocol that has
 * nothing else in it and is here up to its Sync: Parse, if it is not prepared
 * yet, Bind, Describe, Execute; or Parse alone.  Whatever is not understood
 * to its end goes the way of all others.
 */

#include <string.h>

#include "base/buf.h"
#include "config/choice.h"
#include "config/config.h"
#include "relay/relay_answer.h"
#include "relay/relay_begin.h"
#include "relay/relay_choose.h"
#include "relay/relay_finish.h"
#include "relay/relay_lost.h"
#include "relay/relay_names.h"
#include "relay/relay_own.h"
#include "relay/relay_private.h"
#include "relay/relay_server.h"
#include "relay/relay_split.h"
#include "wire/get.h"
#include "wire/put.h"
#include "wire/sqlwish.h"

enum own_kind {
	OWN_NOTHING,
	OWN_BEGIN,
	OWN_END,
	OWN_SET_TRANSACTION,
	OWN_SET_ROUTE,
	OWN_SHOW_ROUTE,
	OWN_BAD_ROUTE,
};

struct own {
	enum own_kind	 kind;
	struct sqlbegin	 begin;		/* the first three */
	enum route	 route;
	const char	*tag;
	char		 value[SQLWISH_VALUE_BYTES];
};

static const struct put_column	route_column = { ROUTE_NAME, PUT_TEXT };

/*
 * The statement.
 */

static bool
own_find_route(const struct relay *relay, struct own *own, const char *text,
    size_t n)
{
	enum sqlwish_set	wish;

	/* There it fails, like everything. */
	if (relay->server != NULL &&
	    relay->server->transaction_status == STATUS_FAILED)
		return false;
	if (sqlwish_show(text, n, ROUTE_NAME)) {
		own->kind = OWN_SHOW_ROUTE;
		own->tag = "SHOW";
		return true;
	}
	wish = sqlwish_set(text, n, ROUTE_NAME, own->value);
	if (wish == SQLWISH_NO_SET)
		return false;
	own->tag = wish == SQLWISH_SET ? "SET" : "RESET";
	own->route = relay->choice.start_route;
	own->kind = wish == SQLWISH_SET &&
	    !choice_parse(CHOICE_ROUTE, own->value, &own->route) ?
	    OWN_BAD_ROUTE : OWN_SET_ROUTE;
	return true;
}

static bool
own_find_block(const struct relay *relay, struct own *own, const char *text,
    size_t n)
{
	bool	is_held = relay->block.state == BEGIN_HELD;

	if (relay->state != RELAY_IDLE || relay->loss.state != LOST_NOTHING ||
	    relay->client->pool->set == NULL ||
	    (!is_held && !relay_is_split(relay)))
		return false;
	sqlbegin_parse(&own->begin, text, n);
	if (is_held && own->begin.kind == SQLBEGIN_COMMIT) {
		own->kind = OWN_END;
		own->tag = "COMMIT";
	} else if (is_held && own->begin.kind == SQLBEGIN_ROLLBACK) {
		own->kind = OWN_END;
		own->tag = "ROLLBACK";
	} else if (is_held && own->begin.kind == SQLBEGIN_SET) {
		own->kind = OWN_SET_TRANSACTION;
		own->tag = "SET";
	} else if (!is_held && own->begin.kind == SQLBEGIN_BEGIN &&
	    relay_limits(relay)->mode == POOL_MODE_TRANSACTION) {
		own->kind = OWN_BEGIN;
		own->tag = own->begin.is_start ? "START TRANSACTION" :
		    "BEGIN";
	}
	return own->kind != OWN_NOTHING;
}

static bool
own_find(const struct relay *relay, struct own *own, const char *text,
    size_t n)
{
	own->kind = OWN_NOTHING;
	return own_find_block(relay, own, text, n) ||
	    (relay_may_own(text) != OWN_MAYBE_BLOCK &&
	    own_find_route(relay, own, text, n));
}

static const char *
own_route_name(const struct relay *relay)
{
	return choice_name(CHOICE_ROUTE, (int)relay_route(relay));
}

static void
own_do(struct relay *relay, const struct own *own)
{
	switch (own->kind) {
	case OWN_BEGIN:
		relay_begin_hold(relay, &own->begin);
		break;
	case OWN_END:
		relay_begin_end(relay);
		break;
	case OWN_SET_TRANSACTION:
		sqlbegin_merge(&relay->block.begin, &own->begin);
		break;
	case OWN_SET_ROUTE:
		relay->choice.route = own->route;
		break;
	default:
		break;
	}
}

/* Between two statements, or two transactions: see relay_finish(). */
static void
own_done(struct relay *relay)
{
	if (relay->state != RELAY_IDLE)
		return;
	relay_watch_rest(relay);
	if (relay->ending.reason != REASON_NONE &&
	    relay->block.state != BEGIN_HELD)
		relay_resume_later(relay);
}

bool
relay_own_query(struct relay *relay, struct relay_io *io, const char *text,
    size_t n)
{
	struct own	 own;
	struct buf	 answer;
	const char	*value;

	if (!own_find(relay, &own, text, n))
		return false;
	if (own.kind == OWN_BAD_ROUTE) {
		relay_answer_error(relay, io, true,
		    reason_sqlstate(REASON_BAD_PARAMETER), "There are split, "
		    "primary, replica and any.", "invalid value for parameter "
		    "\"" ROUTE_NAME "\": \"%s\"", own.value);
		return true;
	}
	buf_init(&answer);
	if (own.kind == OWN_SHOW_ROUTE) {
		value = own_route_name(relay);
		put_row_description(&answer, &route_column, 1);
		put_data_row(&answer, &value, 1);
	}
	put_command_complete(&answer, own.tag);
	own_do(relay, &own);
	relay_answer(relay, io, EXPECT_QUERY, &answer);
	own_done(relay);
	return true;
}

/*
 * The batch.
 */

struct own_batch {
	struct own	 own;
	const uint8_t	*parse;		/* body of Parse; or NULL */
	size_t		 parse_n;
	bool		 has_bind, has_execute;
	size_t		 total;		/* with its Sync */
	struct buf	 answer;
};

static bool
own_take_parse(struct relay *relay, struct own_batch *batch,
    const uint8_t *at, size_t n)
{
	struct get	 get;
	const char	*name;

	if (batch->parse != NULL || batch->has_bind)
		return false;
	batch->parse = at;
	batch->parse_n = n;
	get_init(&get, at, n);
	name = get_string(&get);
	if (name == NULL ||
	    !statement_body_is_valid(get.at, get_left(&get)) ||
	    (name[0] != '\0' &&
	    names_find(&relay->prepared.names, name) != NULL) ||
	    !own_find(relay, &batch->own, (const char *)get.at,
	    strlen((const char *)get.at)))
		return false;
	put_empty(&batch->answer, MSG_PARSE_COMPLETE);
	return true;
}

/* No parameters; the portal has no name, so that it ends with the batch. */
static bool
own_take_bind(struct relay *relay, struct own_batch *batch,
    const uint8_t *at, size_t n)
{
	const struct statement	*statement;
	const char		*portal, *name;
	struct get		 get;

	get_init(&get, at, n);
	portal = get_string(&get);
	name = get_string(&get);
	(void)get_bytes(&get, (size_t)get_u16(&get) * 2);
	if (batch->has_bind || get_u16(&get) != 0 || get.bad ||
	    portal[0] != '\0')
		return false;
	if (batch->parse != NULL) {
		if (strcmp(name, (const char *)batch->parse) != 0)
			return false;
	} else {
		statement = relay_named(relay, name);
		if (statement == NULL || !own_find(relay, &batch->own,
		    statement->text, statement->text_bytes - 1))
			return false;
	}
	batch->has_bind = true;
	put_empty(&batch->answer, MSG_BIND_COMPLETE);
	return true;
}

/* Of the portal, or of the statement that this batch has prepared. */
static bool
own_take_describe(struct own_batch *batch, const uint8_t *at, size_t n)
{
	struct get	 get;
	const char	*name;
	uint8_t		 kind;

	get_init(&get, at, n);
	kind = get_u8(&get);
	if ((name = get_string(&get)) == NULL ||
	    (kind == 'P' ? !batch->has_bind || name[0] != '\0' :
	    batch->parse == NULL ||
	    strcmp(name, (const char *)batch->parse) != 0))
		return false;
	if (kind == 'S')
		put_parameter_description(&batch->answer, NULL, 0);
	if (batch->own.kind == OWN_SHOW_ROUTE)
		put_row_description(&batch->answer, &route_column, 1);
	else
		put_empty(&batch->answer, MSG_NO_DATA);
	return true;
}

static bool
own_take_execute(const struct relay *relay, struct own_batch *batch,
    const uint8_t *at, size_t n)
{
	const char	*value = own_route_name(relay);

	/* An error would have to be PostgreSQL's in its transaction. */
	if (!batch->has_bind || batch->has_execute || n != 5 ||
	    at[0] != '\0' || batch->own.kind == OWN_BAD_ROUTE)
		return false;
	batch->has_execute = true;
	if (batch->own.kind == OWN_SHOW_ROUTE)
		put_data_row(&batch->answer, &value, 1);
	put_command_complete(&batch->answer, batch->own.tag);
	return true;
}

/* Up to its Sync; false: there is something else in it, or it is not here. */
static bool
own_take_batch(struct relay *relay, struct own_batch *batch,
    const uint8_t *at, size_t left)
{
	const uint8_t	*body;
	struct msg_head	 head;
	size_t		 total;
	bool		 fits = true;

	for (; fits; at += total, left -= total) {
		if (msg_peek(at, left, &head) != MSG_OK)
			return false;
		total = MSG_HEAD_BYTES + (size_t)head.length;
		if (total > left)
			return false;
		batch->total += total;
		body = at + MSG_HEAD_BYTES;
		switch (at[0]) {
		case MSG_PARSE:
			fits = own_take_parse(relay, batch, body,
			    head.length);
			break;
		case MSG_BIND:
			fits = own_take_bind(relay, batch, body,
			    head.length);
			break;
		case MSG_DESCRIBE:
			fits = own_take_describe(batch, body, head.length);
			break;
		case MSG_EXECUTE:
			fits = own_take_execute(relay, batch, body,
			    head.length);
			break;
		case MSG_FLUSH:
			break;
		case MSG_SYNC:
			return batch->has_execute ||
			    (batch->parse != NULL && !batch->has_bind);
		default:
			return false;
		}
	}
	return false;
}

bool
relay_own_batch(struct relay *relay, struct relay_io *io,
    const struct relay_message *message)
{
	struct own_batch	batch = { .parse = NULL };
	bool			is_own;

	/* In a batch that has begun, or ties, it is PostgreSQL's. */
	if (relay->batch.is_unsynced || relay->ties.pins & PIN_STATEMENT)
		return false;
	buf_init(&batch.answer);
	is_own = own_take_batch(relay, &batch, message->at, message->left) &&
	    (batch.parse == NULL ||
	    relay_name_parsed(relay, batch.parse, batch.parse_n));
	if (is_own) {
		if (batch.has_execute)
			own_do(relay, &batch.own);
		relay_answer(relay, io, EXPECT_SYNC, &batch.answer);
		relay->input.skip = (uint32_t)(batch.total - message->here);
		relay->input.skip_passes = false;
		own_done(relay);
	}
	buf_done(&batch.answer);
	return is_own;
}
