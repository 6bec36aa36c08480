/*
 * A read that a replica has refused runs on the primary, unseen.
 *
 * Its messages are kept with the server (relay_retry.c) until it is answered.
 * When the first thing that would be sent to the client has the refusal in
 * it, all of that is dropped, the rest is swallowed up to ReadyForQuery, and
 * the messages are put in front of what the client has said since, as if they
 * had just come.  What they did to the client's names is taken back before.
 *
 * Only a request that is alone: outside of a transaction, or the first in it
 * (relay_begin.c), with nothing behind its Sync, and never once a cancel was
 * asked for.
 */

#include <string.h>

#include "pool/monitor.h"
#include "relay/relay_begin.h"
#include "relay/relay_finish.h"
#include "relay/relay_heal.h"
#include "relay/relay_private.h"
#include "relay/relay_service.h"
#include "relay/relay_split.h"
#include "relay/relay_undo.h"
#include "route/heal.h"
#include "wire/error_fields.h"

/* One request is left to be answered, and it is the last. */
static bool
relay_is_alone(const struct expected *expected)
{
	const struct expectation	*entry;

	for (uint32_t i = 0; i < expected->count; i++) {
		entry = expected_at(expected, i);
		if (entry->kind == EXPECT_COPY_END ||
		    entry->kind == EXPECT_FUNCTION ||
		    entry->purpose != PURPOSE_NONE)
			return false;
		if (entry->kind >= EXPECT_SYNC)
			return i + 1 == expected->count;
	}
	return false;
}

static bool
relay_may_heal(const struct relay *relay, size_t sent)
{
	const struct server_session	*session = relay->server->session;

	return !relay->split.has_told &&
	    sent == 0 && session->batch_state == BATCH_WHOLE &&
	    !relay->is_holding && relay->input.skip == 0 &&
	    !relay->ending.is_leaving && !relay->batch.is_unsynced &&
	    (relay->server->transaction_status == STATUS_IDLE ||
	    relay->block.is_opening) &&
	    relay_is_alone(&session->expected);
}

/* Its names are as before, and what is refused always is remembered. */
static void
relay_take_back(struct relay *relay, bool remembers)
{
	const struct buf	*batch = &relay->server->session->batch;
	const uint8_t		*at = buf_bytes(batch);
	size_t			 left = buf_length(batch);
	const struct statement	*given;
	struct msg_head		 head;
	const char		*text, *name;

	for (; left > 0 && msg_peek(at, left, &head) == MSG_OK;
	    left -= MSG_HEAD_BYTES + head.length,
	    at += MSG_HEAD_BYTES + head.length) {
		text = (const char *)at + MSG_HEAD_BYTES;
		if (at[0] == MSG_PARSE) {
			name = text;
			text += strlen(text) + 1;
			/* It may be another's that has the name already. */
			given = names_find(&relay->prepared.names, name);
			if (given != NULL && strcmp(given->text, text) == 0)
				names_remove(&relay->prepared.names, name);
		}
		if (remembers && (at[0] == MSG_QUERY || at[0] == MSG_PARSE))
			relay_refuse_read(relay, text);
		if (remembers && at[0] == MSG_BIND)
			relay_refuse_bound(relay, text + strlen(text) + 1);
	}
}

/* What was said is put in front of what was said since. */
static void
relay_put_back(struct relay *relay, bool remembers)
{
	struct server_session	*session = relay->server->session;

	relay_take_back(relay, remembers);
	relay_hold_ahead(relay, &session->batch);
	session->batch_state = BATCH_NONE;
	relay->choice.primary_why = WHY_HEALED;
}

bool
relay_heal(struct relay *relay, struct relay_io *io,
    const struct error_fields *error)
{
	struct server_session	*session = relay->server->session;
	enum heal		 heal;

	if (!relay_may_heal(relay, io->to_client.sent) ||
	    (heal = heal_of(error)) == HEAL_NOT)
		return false;
	if (strcmp(error->sqlstate, "25006") == 0)
		monitor_look(relay->server->pool->backend);
	parcel_clear(&io->to_client);
	buf_clear(&session->described);
	if (expected_head(&session->expected)->kind < EXPECT_SYNC)
		relay_skip_batch(relay);
	expected_head(&session->expected)->fate = FATE_SWALLOW;
	relay_put_back(relay, heal == HEAL_ALWAYS);
	relay->split.waits_for_end = true;
	relay->block.reopens = relay->block.is_opening;
	return true;
}

/* A conflict may end the connection as well. */
bool
relay_heal_lost(struct relay *relay)
{
	struct server_session	*session = relay->server->session;
	struct expected		*expected = &session->expected;
	struct error_fields	 fields;
	bool			 is_held = relay->block.is_opening &&
				    !relay->batch.begins_inside;

	if ((!relay->split.is_reading && !relay->block.is_opening) ||
	    relay->server->pool->set == NULL || session->has_failed ||
	    session->skip > 0 || buf_length(&session->error) == 0)
		return false;
	session_error(session, &fields);
	if (strcmp(fields.sqlstate, "40001") != 0 ||
	    heal_of(&fields) == HEAL_NOT || !relay_may_heal(relay, 0))
		return false;
	for (uint32_t i = expected->count; i-- > 0;)
		relay_undo(relay, expected_at(expected, i), true,
		    expected->count);
	relay_put_back(relay, false);
	if (is_held)
		relay->block.state = BEGIN_HELD;
	relay_drop_server(relay, REASON_SERVER_LOST,
	    "a conflict with recovery");
	relay->times.query_us = 0;
	relay_go_on(relay);
	return true;
}
