/*
 * Taking back what was noted of requests that PostgreSQL has skipped or
 * refused.
 *
 * A request is noted when it is sent, because those behind it count on it;
 * its expectation carries what was there before.
 */

#include "relay/relay_private.h"

static void
relay_undo_parse(struct relay *relay, const struct expectation *entry,
    bool skipped)
{
	struct server_session	*session = relay->server->session;

	if (entry->number != 0)
		shelf_remove_number(&session->shelf, entry->statement,
		    entry->number);
	if (entry->is_named)
		names_remove(&relay->names, entry->name);
	if (entry->number != 0 || entry->is_named)
		return;
	session_set_unnamed(session, NULL);
	if (entry->fate == FATE_PASS)
		relay_set_unnamed(relay, skipped ? entry->before : NULL);
}

void
relay_undo(struct relay *relay, const struct expectation *entry, bool skipped)
{
	if (entry->kind == EXPECT_PARSE)
		relay_undo_parse(relay, entry, skipped);
	else if (entry->kind == EXPECT_CLOSE && skipped) {
		if (entry->fate == FATE_SWALLOW)
			shelf_restore(&relay->server->session->shelf,
			    entry->statement, entry->number);
		else if (entry->before != NULL && entry->name != NULL)
			names_set(&relay->names, entry->name, entry->before);
	}
}
