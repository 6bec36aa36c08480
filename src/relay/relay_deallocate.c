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
#include "relay/relay_private.h"
#include "relay/relay_server.h"
#include "wire/put.h"

bool
relay_query_deallocate(struct relay *relay, struct relay_io *io,
    const char *text, size_t n)
{
	struct sqlscan	 scan;
	struct buf	 answer;
	const char	*tag = "DEALLOCATE";

	sqlscan_text(&scan, text, n);
	if (scan.statements != 1 || (scan.first == SQL_DEALLOCATE_ALL &&
	    relay->ties.pins & PIN_PREPARE) ||
	    (relay->server != NULL &&
	    relay->server->transaction_status == STATUS_FAILED))
		return false;
	if (scan.first == SQL_DEALLOCATE_ALL) {
		names_clear(&relay->prepared.names);
		tag = "DEALLOCATE ALL";
	} else if (scan.first != SQL_DEALLOCATE ||
	    !names_remove(&relay->prepared.names, sqlscan_last_word(&scan)))
		return false;
	/* As any simple query does. */
	relay_set_unnamed(relay, NULL);
	buf_init(&answer);
	put_command_complete(&answer, tag);
	relay_answer(relay, io, EXPECT_QUERY, &answer);
	buf_done(&answer);
	return true;
}

bool
relay_execute_deallocate(struct relay *relay, struct relay_io *io,
    const struct relay_message *message)
{
	struct server_session	*session = relay->server->session;
	const char		*portal, *text;
	struct sqlscan		 scan;
	struct buf		 answer;

	portal = (const char *)message->at + MSG_HEAD_BYTES;
	if (message->here <= MSG_HEAD_BYTES || portal[0] != '\0')
		return false;
	text = session->deallocate->text;
	sqlscan_text(&scan, text, strlen(text));
	if (names_find(&relay->prepared.names,
	    sqlscan_last_word(&scan)) == NULL)
		return false;
	buf_init(&answer);
	put_command_complete(&answer, "DEALLOCATE");
	relay_close_name(relay, io, message, sqlscan_last_word(&scan),
	    &answer);
	buf_done(&answer);
	return true;
}
