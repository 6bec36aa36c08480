/*
 * What a server lacks of a client's statements is prepared on it, in front of
 * the message that needs it, under names of the server's own.
 */

#include "base/buf.h"
#include "relay/relay_private.h"
#include "relay/relay_shelf.h"
#include "wire/put.h"

void
relay_close_shelved(struct server_session *session, struct relay_io *io,
    struct shelf_entry *shelved)
{
	struct expectation	*entry;
	char			 name[STATEMENT_NAME_BYTES];
	struct buf		 message;

	statement_server_name(shelved->number, name);
	buf_init(&message);
	put_close(&message, 'S', name);
	parcel_buf(&io->to_server, &message);
	entry = expected_add(&session->expected, EXPECT_CLOSE, FATE_SWALLOW);
	entry->statement = statement_hold(shelved->statement);
	entry->number = shelved->number;
	shelf_remove(&session->shelf, shelved);
}

/* Room on the shelf: the least recently used statement is closed. */
static void
relay_trim_shelf(struct server_session *session, struct relay_io *io,
    size_t limit)
{
	struct shelf_entry	*oldest;

	while ((oldest = shelf_oldest_beyond(&session->shelf, limit)) != NULL)
		relay_close_shelved(session, io, oldest);
}

void
relay_close_private(struct relay *relay, struct relay_io *io)
{
	struct server_session	*session = relay->server->session;
	struct shelf_entry	*shelved, *next;

	for (shelved = TAILQ_FIRST(&session->shelf.used); shelved != NULL;
	    shelved = next) {
		next = TAILQ_NEXT(shelved, next);
		if (shelved->is_private)
			relay_close_shelved(session, io, shelved);
	}
	session->shelf.has_private = false;
}

void
relay_forget_shelf(struct relay *relay, uint32_t touches)
{
	struct shelf	*shelf = &relay->server->session->shelf;

	if (touches & (SQL_TOUCHES_DISCARD_ALL | SQL_TOUCHES_DEALLOCATE_ALL))
		shelf_clear(shelf);
	if (touches & SQL_TOUCHES_TEMP && !(relay->ties.pins & PIN_TEMP))
		shelf_age(shelf);
}

static size_t
relay_shelf_size(void)
{
	return relay_prepared_max > 1 ? relay_prepared_max - 1 : 0;
}

/* name: with its NUL.  Returns what is expected, with the statement in it. */
static struct expectation *
relay_put_parse(struct relay *relay, struct relay_io *io, const char *name,
    size_t name_bytes, struct statement *statement, enum expect_fate fate)
{
	struct expectation	*entry;
	uint8_t			 head[MSG_HEAD_BYTES];

	msg_set_head(head, MSG_PARSE, name_bytes + statement->text_bytes +
	    statement->types_bytes);
	parcel_piece(&io->to_server, head, sizeof head);
	parcel_piece(&io->to_server, name, name_bytes);
	parcel_run(&io->to_server, statement->text, statement->text_bytes);
	parcel_run(&io->to_server, statement->types, statement->types_bytes);
	entry = expected_add(&relay->server->session->expected, EXPECT_PARSE,
	    fate);
	/* Held until it is answered, so that the text outlives the sending. */
	entry->statement = statement_hold(statement);
	COUNT(relay_lane(relay)->counters.server_parse_count, 1);
	return entry;
}

struct expectation *
relay_shelve(struct relay *relay, struct relay_io *io,
    struct statement *statement, enum expect_fate fate)
{
	struct server_session	*session = relay->server->session;
	struct expectation	*entry;
	struct shelf_entry	*shelved;
	char			 name[STATEMENT_NAME_BYTES];
	size_t			 bytes;

	relay_trim_shelf(session, io, relay_shelf_size());
	shelved = shelf_add(&session->shelf, statement);
	shelved->epoch = statements_epoch(loop_now_us(relay->client->loop));
	/* A shared one, parsed now, has the meaning of the settings now. */
	if (fate == FATE_SWALLOW && relay->touches & SQL_TOUCHES_MEANING)
		shelved->is_private = session->shelf.has_private = true;
	bytes = statement_server_name(shelved->number, name) + 1;
	entry = relay_put_parse(relay, io, name, bytes, statement, fate);
	entry->number = shelved->number;
	session->expected.parses++;
	return entry;
}

void
relay_ensure_unnamed(struct relay *relay, struct relay_io *io)
{
	struct server_session	*session = relay->server->session;
	struct statement	*statement = relay->prepared.unnamed;

	if (session->unnamed == statement)
		return;
	relay_put_parse(relay, io, "", 1, statement, FATE_SWALLOW);
	session_set_unnamed(session, statement);
}
