/*
 * The simple query protocol: Query, and FunctionCall, which is like it.
 *
 * Its words say what a Query may leave behind on its server, and where it may
 * go, before it is sent; what it has in fact left is asked afterwards.  One
 * that does not fit into the buffer is scanned as it passes.
 *
 * Runs on the client's thread.
 */

#include <stdlib.h>

#include "base/mem.h"
#include "relay/relay_choose.h"
#include "relay/relay_client.h"
#include "relay/relay_custom.h"
#include "relay/relay_deallocate.h"
#include "relay/relay_flight.h"
#include "relay/relay_listen.h"
#include "relay/relay_lost.h"
#include "relay/relay_names.h"
#include "relay/relay_own.h"
#include "relay/relay_private.h"
#include "relay/relay_settings.h"
#include "relay/relay_shelf.h"
#include "relay/relay_simple.h"
#include "relay/relay_tie.h"
#include "relay/relay_undo.h"
#include "session/verdict.h"
#include "session/words.h"

bool
relay_must_pause(const struct relay *relay)
{
	return relay_listen_may_change(relay) || relay_must_know(relay) ||
	    (relay->touches & SQL_TOUCHES_ANY_RESETS &&
	    relay->settings.defaults != settings_none());
}

static void
relay_expect_query(struct relay *relay, enum expect_kind kind)
{
	struct server_session	*session = relay->server->session;
	struct expectation	*entry;

	entry = expected_add(&session->expected, kind, FATE_PASS);
	if (kind == EXPECT_QUERY)
		relay_end_unnamed(relay, entry);
	if (session->deallocate != NULL)
		session_set_deallocate(session, NULL);
	relay_begin_query(relay);
	if (relay->touches != 0)
		relay->input.is_pausing = relay_must_pause(relay);
}

void
relay_end_scan(struct relay *relay)
{
	if (relay->input.scan != NULL)
		free(relay->input.scan->names);
	free(relay->input.scan);
	relay->input.scan = NULL;
}

static enum relay_verdict
relay_stream_query(struct relay *relay, struct relay_io *io,
    const struct relay_message *message)
{
	if (!relay_need_server(relay, io))
		return RELAY_LATER;
	relay_end_scan(relay);
	relay->input.scan = mem_new(sizeof *relay->input.scan);
	sqlscan_init(relay->input.scan, true);
	relay->input.scan->names = mem_new(sizeof *relay->input.scan->names);
	sqlscan_feed(relay->input.scan, message->at + MSG_HEAD_BYTES,
	    message->here - MSG_HEAD_BYTES);
	relay->flight.may_commit = true;
	relay_expect_query(relay, EXPECT_QUERY);
	relay_pass(relay, io, message);
	return RELAY_USED;
}

void
relay_scan_more(struct relay *relay, const uint8_t *at, size_t n)
{
	struct sqlscan	*scan = relay->input.scan;
	bool		 is_end = relay->input.skip == 0;

	/* The zero byte at the end is none of the text. */
	sqlscan_feed(scan, at, n - is_end);
	if (!is_end)
		return;
	sqlscan_end(scan);
	relay->touches |= relay_follow_reset(relay, relay_note_names(relay,
	    scan->names, scan->touches, false, NULL, 0));
	relay->split.alters |= scan->alters;
	relay_forget_shelf(relay, scan->touches);
	relay->input.is_pausing = relay_has_expected(relay) &&
	    relay_must_pause(relay);
	relay_end_scan(relay);
}

/* True: it is answered here. */
static bool
relay_owns_query(struct relay *relay, struct relay_io *io, const char *text,
    size_t n, uint32_t touches)
{
	int	own = relay_may_own(text);

	if ((own == OWN_MAYBE_NOT && !(touches & SQL_TOUCHES_SETTINGS)) ||
	    (own == OWN_MAYBE_BLOCK && relay->state != RELAY_IDLE) ||
	    !relay_own_query(relay, io, text, n))
		return false;
	relay_set_unnamed(relay, NULL);
	return true;
}

#define TOUCHES_DEALLOCATES						\
	(SQL_TOUCHES_DEALLOCATE | SQL_TOUCHES_DEALLOCATE_ALL)

/* Its server is there. */
static enum relay_verdict
relay_send_query(struct relay *relay, struct relay_io *io,
    const struct relay_message *message, const struct verdict *verdict,
    uint32_t touches)
{
	const char	*text = (const char *)message->at + MSG_HEAD_BYTES;

	if (!relay_note_touches(relay, io, message, touches, true))
		return RELAY_USED;
	if (relay->server->pool->set != NULL) {
		relay_note_commit(relay, verdict->first, verdict->is_several);
		relay->split.alters |= verdict->alters;
	}
	relay_expect_query(relay, EXPECT_QUERY);
	expected_last(&relay->server->session->expected)->rolls_back =
	    relay_rolls_back(verdict->first, text, message->head.length - 1);
	relay_pass(relay, io, message);
	return RELAY_USED;
}

static enum relay_verdict
relay_whole_query(struct relay *relay, struct relay_io *io,
    const struct relay_message *message, const char *text, size_t n)
{
	uint32_t	by_words = words_touches(relay->client->pool, text, n);
	struct verdict	verdict = verdict_of(text, n);
	uint32_t	touches = verdict.touches | by_words;

	if (relay_refuse_block(relay, io, message, touches, true) ||
	    relay_owns_query(relay, io, text, n, touches))
		return RELAY_USED;
	if (relay->state == RELAY_IDLE) {
		relay_choose(relay, text, n);
		if (touches & SQL_TOUCHES_NAMES)
			relay_adopt_names(relay, text, n);
	}
	/* It counts whether the transaction has failed. */
	if (touches & (TOUCHES_DEALLOCATES | SQL_TOUCHES_SEQUENCE) &&
	    relay_has_expected(relay)) {
		relay_await_answers(relay, io);
		return RELAY_LATER;
	}
	if (touches & TOUCHES_DEALLOCATES &&
	    relay_query_deallocate(relay, io, text, n))
		return relay->is_holding ? RELAY_LATER : RELAY_USED;
	if (!relay_need_server(relay, io))
		return RELAY_LATER;
	if (touches & SQL_TOUCHES_NAMES)
		touches = relay_note_text_names(relay, text, n, touches,
		    by_words);
	return relay_send_query(relay, io, message, &verdict, touches);
}

enum relay_verdict
relay_on_query(struct relay *relay, struct relay_io *io,
    const struct relay_message *message)
{
	const char	*text = (const char *)message->at + MSG_HEAD_BYTES;
	size_t		 n = message->head.length;

	if (relay_no_queries) {
		client_fail(relay->client, REASON_UNSUPPORTED, "PQexec "
		    "disallowed: only the extended protocol is, by "
		    "disable_pqexec");
		return RELAY_GONE;
	}
	if (message->here < message->total)
		return message->total > LOOP_BUFFER_BYTES ?
		    relay_stream_query(relay, io, message) : RELAY_LATER;
	if (n == 0 || text[n - 1] != '\0')
		return relay_bad_message(relay, message,
		    "the query does not end with a zero byte");
	return relay_whole_query(relay, io, message, text, n - 1);
}

enum relay_verdict
relay_on_function(struct relay *relay, struct relay_io *io,
    const struct relay_message *message)
{
	if (relay_is_half(message) || !relay_need_server(relay, io))
		return RELAY_LATER;
	relay->touches |= SQL_TOUCHES_UNKNOWN;
	relay->flight.may_commit |=
	    relay->server->transaction_status == STATUS_IDLE;
	relay_expect_query(relay, EXPECT_FUNCTION);
	relay_pass(relay, io, message);
	return RELAY_USED;
}
