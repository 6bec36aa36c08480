/*
 * COPY in of an Execute.  PostgreSQL ignores every Sync while it reads the
 * data; libpq sends one with the Execute, before it can know, and another one
 * at the end.
 *
 * A copy that fails before it reads (a trigger refuses it) has not ignored
 * the Sync that was sent with it, and answers it; one that fails later has.
 * What the client said behind that Sync tells which; if it has said nothing,
 * PostgreSQL is asked: with a Sync of ours and an empty query behind it.  Of
 * the ReadyForQuery messages in front of the empty query's answer the last
 * one is ours, and the others are the client's.
 *
 * Runs on the client's thread.
 */

#include <string.h>

#include "relay/relay_answer.h"
#include "relay/relay_copy.h"
#include "relay/relay_private.h"
#include "relay/relay_query.h"

/* 'G': what was sent with the Execute is no end of the batch. */
void
relay_copy_begin(struct relay *relay)
{
	struct server_session	*session = relay->server->session;
	struct expected		*expected = &session->expected;

	session->copy_syncs = expected_ignore_syncs(expected);
	session->is_copying = expected->count < 2 ||
	    expected_at(expected, 1)->kind != EXPECT_COPY_END;
	relay->batch.is_unsynced = !expected_has(expected, EXPECT_SYNC);
}

/* The head has failed; true: nobody knows yet which Syncs were ignored. */
bool
relay_copy_fails(struct relay *relay, const char *sqlstate)
{
	struct server_session	*session = relay->server->session;
	struct expected		*expected = &session->expected;
	uint32_t		 syncs = session->copy_syncs;

	session->is_copying = false;
	session->copy_syncs = 0;
	if (syncs == 0 || expected_head(expected)->kind != EXPECT_EXECUTE)
		return false;
	if (expected->count == 1)
		return true;
	/* What is no data would have broken the protocol. */
	if (expected_at(expected, 1)->kind != EXPECT_COPY_END &&
	    strcmp(sqlstate, "08P01") != 0)
		expected_restore_syncs(expected, syncs);
	return false;
}

void
relay_copy_ask(struct relay *relay, struct relay_io *io)
{
	struct server_session	*session = relay->server->session;

	session->copy_readies = 0;
	relay_put_bare(&io->to_server, MSG_SYNC);
	expected_add(&session->expected, EXPECT_SYNC, FATE_SWALLOW)->purpose =
	    PURPOSE_COPY;
	relay_send_own(relay, io, "", PURPOSE_COPY);
	relay->is_holding = true;
}

bool
relay_copy_is_asked(const struct expectation *head)
{
	return head != NULL && head->purpose == PURPOSE_COPY &&
	    head->kind == EXPECT_SYNC;
}

void
relay_copy_ready(struct relay *relay)
{
	relay->server->session->copy_readies++;
}

/* The empty query is answered. */
void
relay_copy_told(struct relay *relay, struct relay_io *io)
{
	struct server_session	*session = relay->server->session;

	expected_strike(&session->expected);
	for (; session->copy_readies > 1; session->copy_readies--) {
		relay_put_ready(relay, io);
		relay->batch.is_unsynced = relay->batch.is_refusing = false;
		relay->times.query_us = 0;
		session->has_said_error = false;
	}
	session->copy_readies = 0;
}
