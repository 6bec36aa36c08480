/*
 * Taking back what requests did here that PostgreSQL has refused or skipped.
 *
 * The client may have said more meanwhile, so what a name meant before is
 * put where the next one that changes it will look for it.
 *
 * Runs on the client's thread.
 */

#include "relay/relay_private.h"
#include "relay/relay_undo.h"

/*
 * Where the meaning of the unnamed statement is kept: with the first request
 * from this one on that has changed it again, or with the relay.
 */
static struct statement **
relay_unnamed_place(struct relay *relay, uint32_t from)
{
	struct expected		*expected = &relay->server->session->expected;
	struct expectation	*entry;

	for (uint32_t i = from; i < expected->count; i++) {
		entry = expected_at(expected, i);
		if (entry->fate != FATE_PASS)
			continue;
		if (entry->ends_unnamed || (entry->kind == EXPECT_PARSE &&
		    entry->number == 0 && !entry->is_named))
			return &entry->before;
	}
	return &relay->prepared.unnamed;
}

void
relay_end_unnamed(struct relay *relay, struct expectation *entry)
{
	session_set_unnamed(relay->server->session, NULL);
	entry->ends_unnamed = true;
	/* Its reference moves. */
	entry->before = relay->prepared.unnamed;
	relay->prepared.unnamed = NULL;
}

/* Its meaning is what it was before this request. */
static void
relay_restore_unnamed(struct relay *relay, const struct expectation *entry,
    uint32_t from, bool skipped)
{
	struct statement	**place = relay_unnamed_place(relay, from);
	struct statement	*before = skipped ? entry->before : NULL;

	if (before != NULL)
		statement_hold(before);
	if (*place != NULL)
		statement_release(*place);
	*place = before;
}

static void
relay_undo_parse(struct relay *relay, const struct expectation *entry,
    bool skipped, uint32_t from)
{
	struct server_session	*session = relay->server->session;

	if (entry->number != 0)
		shelf_remove_number(&session->shelf, entry->statement,
		    entry->number);
	if (entry->is_named)
		names_remove(&relay->prepared.names, entry->name);
	if (entry->number != 0 || entry->is_named)
		return;
	session_set_unnamed(session, NULL);
	if (entry->fate == FATE_PASS)
		relay_restore_unnamed(relay, entry, from, skipped);
}

void
relay_undo(struct relay *relay, const struct expectation *entry, bool skipped,
    uint32_t from)
{
	/* Others' numbers are still there. */
	if (entry->purpose == PURPOSE_SEQUENCES && skipped)
		relay->server->session->drawn_by = 0;
	if (entry->kind == EXPECT_PARSE)
		relay_undo_parse(relay, entry, skipped, from);
	else if (entry->ends_unnamed && skipped)
		relay_restore_unnamed(relay, entry, from, true);
	else if (entry->kind == EXPECT_CLOSE && skipped) {
		/* One of what is on no shelf has none. */
		if (entry->fate == FATE_SWALLOW && entry->statement != NULL)
			shelf_restore(&relay->server->session->shelf,
			    entry->statement, entry->number);
		else if (entry->before != NULL && entry->name != NULL)
			names_set(&relay->prepared.names, entry->name,
			    entry->before);
	}
}

/*
 * Everything up to Sync was skipped, simple queries too: nothing of it has
 * happened.  It is undone from the end, as each was done on top of those
 * before it.
 */
void
relay_skip_batch(struct relay *relay)
{
	struct expected		*expected = &relay->server->session->expected;
	uint32_t		 n = 0;

	while (n < expected->count &&
	    expected_at(expected, n)->kind != EXPECT_SYNC)
		n++;
	for (uint32_t i = n; i-- > 0;)
		relay_undo(relay, expected_at(expected, i), i > 0, n);
	while (n-- > 0)
		expected_strike(expected);
	if (expected->count == 0 && relay->batch.is_unsynced)
		relay->batch.is_refusing = true;
}
