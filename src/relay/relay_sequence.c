/*
 * See relay/relay_sequence.h.  Runs on the client's thread.
 */

#include "relay/relay_finish.h"
#include "relay/relay_private.h"
#include "relay/relay_query.h"
#include "relay/relay_sequence.h"
#include "relay/relay_settings.h"
#include "relay/relay_tie.h"
#include "wire/put.h"

#define FORGET	"DISCARD SEQUENCES"
/* Unless this transaction has drawn, which is seen by the lock that it has. */
#define FORGET_OTHERS							\
	"DO 'BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_locks l "	\
	"JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) "	\
	"l.relation WHERE l.pid OPERATOR(pg_catalog.=) "		\
	"pg_catalog.pg_backend_pid() AND c.relkind "			\
	"OPERATOR(pg_catalog.=) ''S'') THEN DISCARD SEQUENCES; "	\
	"END IF; END' LANGUAGE plpgsql"

static bool
relay_sequences_are_asked(const struct relay *relay)
{
	return atomic_load_explicit(&relay->client->pool->has_currval,
	    memory_order_relaxed);
}

void
relay_disown_sequences(struct relay *relay, struct relay_io *io)
{
	struct server_session	*session = relay->server->session;

	if (relay_limits(relay)->mode == POOL_MODE_SESSION ||
	    !relay_sequences_are_asked(relay) ||
	    session->drawn_by == relay->client->id)
		return;
	session->drawn_by = relay->client->id;
	relay_send_own(relay, io, FORGET, PURPOSE_SEQUENCES);
}

/*
 * In the middle of a batch, which a query would end.  One that has failed has
 * left its statement behind.
 */
static void
relay_send_in_batch(struct relay *relay, struct relay_io *io, const char *text)
{
	static const char	name[] = "pgweir_sequences";
	static const uint8_t	kinds[] = { EXPECT_CLOSE, EXPECT_PARSE,
				    EXPECT_BIND, EXPECT_EXECUTE, EXPECT_CLOSE,
				    EXPECT_CLOSE };
	struct expected		*expected =
				    &relay->server->session->expected;
	struct expectation	*entry = NULL;
	struct buf		 buf;

	buf_init(&buf);
	put_close(&buf, 'S', name);
	put_parse(&buf, name, text, NULL, 0);
	put_bind(&buf, name, name, NULL, 0);
	put_execute(&buf, name, 0);
	put_close(&buf, 'P', name);
	put_close(&buf, 'S', name);
	parcel_buf(&io->to_server, &buf);
	for (size_t i = 0; i < sizeof kinds; i++)
		entry = expected_add(expected, (enum expect_kind)kinds[i],
		    FATE_SWALLOW);
	/* Where this one is skipped nothing is forgotten. */
	entry->purpose = PURPOSE_SEQUENCES;
}

/* Of this server, in front of what is about to be sent. */
static void
relay_forget_others(struct relay *relay, struct relay_io *io)
{
	struct server_session	*session = relay->server->session;
	const char		*text = FORGET;

	if (relay->touches & SQL_TOUCHES_DRAWS &&
	    session->drawn_by != relay->client->id)
		text = FORGET_OTHERS;
	session->drawn_by = relay->client->id;
	if (relay->batch.is_unsynced)
		relay_send_in_batch(relay, io, text);
	else
		relay_send_own(relay, io, text, PURPOSE_SEQUENCES);
}

void
relay_forget_sequences(struct relay *relay, struct relay_io *io)
{
	bool	is_own = relay->server->session->drawn_by ==
		    relay->client->id;

	if (relay->ties.pins & PIN_MODE)
		return;
	atomic_store_explicit(&relay->client->pool->has_currval, true,
	    memory_order_relaxed);
	/* What it drew on another server would be newer. */
	if (relay->server->transaction_status == STATUS_FAILED ||
	    (is_own && (relay->ties.pins != 0 ||
	    relay->touches & SQL_TOUCHES_DRAWS)))
		return;
	relay_forget_others(relay, io);
}

void
relay_draw_tied(struct relay *relay, struct relay_io *io)
{
	if (relay->ties.pins != 0 && !(relay->ties.pins & PIN_MODE) &&
	    relay->server->session->drawn_by != relay->client->id &&
	    relay->server->transaction_status != STATUS_FAILED)
		relay_forget_others(relay, io);
}

/*
 * Keeping the server for who asks right behind.
 */

uint32_t
relay_statement_pins(const struct relay *relay, uint32_t touches)
{
	uint32_t	pins = relay_pins_of(touches);

	if ((relay->touches | touches) & SQL_TOUCHES_DRAWS ||
	    relay->ties.pins & PIN_DRAWN)
		pins &= ~(uint32_t)PIN_SEQUENCE;
	return pins;
}

uint32_t
relay_drawn_pin(const struct relay *relay, uint32_t touches)
{
	return touches & SQL_TOUCHES_DRAWS &&
	    !(touches & SQL_TOUCHES_SEQUENCE) &&
	    relay->ties.pins == 0 && !relay->block.is_at_replica &&
	    relay_limits(relay)->pin == PIN_POLICY_AUTO &&
	    relay_sequences_are_asked(relay) ? PIN_DRAWN : 0;
}

void
relay_end_drawn(struct relay *relay, struct relay_io *io,
    const struct relay_message *message)
{
	if (!relay_is_at_rest(relay) ||
	    relay->server->session->batch_state == BATCH_AGAIN ||
	    relay->server->transaction_status != STATUS_IDLE ||
	    (message->at[0] != MSG_QUERY && message->at[0] != MSG_PARSE &&
	    message->at[0] != MSG_BIND) || message->here < message->total ||
	    relay_message_touches(relay, message) & SQL_TOUCHES_SEQUENCE)
		return;
	parcel_send(&io->to_server);
	relay->ties.pins &= ~(uint32_t)PIN_DRAWN;
	relay_finish(relay);
}

void
relay_on_drawn_rest(struct loop *loop, struct deadline *deadline)
{
	struct relay	*relay = relay_of_deadline(deadline);

	(void)loop;
	relay->ties.pins &= ~(uint32_t)PIN_DRAWN;
	relay_finish(relay);
}
