/*
 * DEALLOCATE of what the client has prepared through the protocol: PostgreSQL
 * knows it under another name, or not at all, so that it is answered here.
 * What was prepared with PREPARE is PostgreSQL's to forget.
 *
 * Runs on the client's thread.
 */

#include <string.h>

#include "base/buf.h"
#include "relay/relay_answer.h"
#include "relay/relay_batch.h"
#include "relay/relay_deallocate.h"
#include "relay/relay_listen.h"
#include "relay/relay_names.h"
#include "relay/relay_private.h"
#include "relay/relay_server.h"
#include "relay/relay_tie.h"
#include "wire/put.h"

/* A query ends the batch in front of it, which has no Sync. */
static void
relay_end_batch(struct relay *relay, struct relay_io *io)
{
	relay_put_bare(&io->to_server, MSG_SYNC);
	expected_add(&relay->server->session->expected, EXPECT_SYNC,
	    FATE_SWALLOW);
	relay->batch.is_unsynced = false;
	relay_await_answers(relay, io);
}

bool
relay_query_deallocate(struct relay *relay, struct relay_io *io,
    const char *text, size_t n)
{
	struct sqlscan	 scan;
	struct buf	 answer;
	const char	*name = NULL, *tag = "DEALLOCATE ALL";

	sqlscan_text(&scan, text, n);
	if (scan.statements != 1 || (scan.first == SQL_DEALLOCATE_ALL &&
	    (relay->ties.pins | relay_pins_of(relay->touches)) &
	    PIN_PREPARE) ||
	    (relay->server != NULL &&
	    relay->server->transaction_status == STATUS_FAILED))
		return false;
	if (scan.first != SQL_DEALLOCATE_ALL) {
		name = sqlscan_last_word(&scan);
		tag = "DEALLOCATE";
		if (scan.first != SQL_DEALLOCATE ||
		    names_find(&relay->prepared.names, name) == NULL)
			return false;
	}
	if (relay->batch.is_unsynced && relay->server != NULL) {
		if (relay_listen_may_change(relay))
			return false;
		relay_end_batch(relay, io);
		return true;
	}
	if (name == NULL)
		names_clear(&relay->prepared.names);
	else
		names_remove(&relay->prepared.names, name);
	/* As any simple query does. */
	relay_set_unnamed(relay, NULL);
	buf_init(&answer);
	put_command_complete(&answer, tag);
	relay_answer(relay, io, EXPECT_QUERY, &answer);
	return true;
}

bool
relay_execute_deallocate(struct relay *relay, struct relay_io *io,
    const struct relay_message *message)
{
	struct server_session	*session = relay->server->session;
	const char		*portal, *text, *name;
	struct sqlscan		 scan;
	struct buf		 answer;

	portal = (const char *)message->at + MSG_HEAD_BYTES;
	if (message->here <= MSG_HEAD_BYTES || portal[0] != '\0')
		return false;
	text = session->deallocate->text;
	sqlscan_text(&scan, text, strlen(text));
	name = sqlscan_last_word(&scan);
	/* It is an error if what is on its way has ended, or not given it. */
	if (relay_awaits_name(relay, io, EXPECT_PARSE, name))
		return true;
	if (names_find(&relay->prepared.names, name) == NULL)
		return false;
	buf_init(&answer);
	put_command_complete(&answer, "DEALLOCATE");
	relay_close_name(relay, io, message, name, &answer);
	return true;
}
