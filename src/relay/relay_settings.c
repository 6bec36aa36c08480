/*
 * Settings when it is not simple: a server that refuses them, and RESET.
 *
 * A server may refuse for several reasons.  What the client has set may need
 * rights that it had only before, or only after, it took its role: the other
 * order is tried.  What is left of the client before may not be resettable
 * (temp_buffers, once there were temporary tables): that is found by resetting
 * it alone, and then another server will do.  Else it is the client's error.
 *
 * RESET goes back to what a client asked for in its startup packet.  Between
 * two transactions that comes with what is read back; inside an open one the
 * server is asked and set right in front of the next statement, in the
 * transaction, so that a rollback takes it back as well; behind SET LOCAL for
 * the transaction only.  Not in front of SET TRANSACTION, which must come
 * before any query.
 */

#include <string.h>

#include "relay/relay_answer.h"
#include "relay/relay_finish.h"
#include "relay/relay_listen.h"
#include "relay/relay_private.h"
#include "relay/relay_query.h"
#include "relay/relay_service.h"
#include "relay/relay_settings.h"
#include "relay/relay_split.h"
#include "relay/relay_tie.h"
#include "session/verdict.h"
#include "wire/error_fields.h"

/* Servers that have had temporary tables, before it is told. */
enum { DROPPED_MAX = 3 };

static void
relay_send_held(struct relay *relay, const struct settings *from,
    const struct settings *to, enum expect_purpose purpose)
{
	struct relay_io	io;

	relay_io_init(&io, relay);
	relay_send_switch(relay, &io, from, to, purpose);
	relay->is_holding = relay->state == RELAY_LINKED;
	relay_io_send(&io, relay);
}

static bool
relay_try_other_order(struct relay *relay, enum expect_purpose purpose)
{
	struct server_session	*session = relay->server->session;
	struct error_fields	 fields;

	session_error(session, &fields);
	if (relay->settings.has_tried_order ||
	    strcmp(fields.sqlstate, "42501") != 0 ||
	    (settings_get(relay->settings.wanted, "role") == NULL &&
	    settings_get(relay->settings.wanted,
	    "session_authorization") == NULL))
		return false;
	relay->settings.has_tried_order = true;
	relay->settings.is_person_first = !relay->settings.is_person_first;
	relay_send_held(relay, session->settings, relay->settings.wanted,
	    purpose);
	return true;
}

/* temp_buffers cannot be set where temporary tables were. */
bool
relay_try_another(struct relay *relay)
{
	if (settings_get(relay->settings.wanted, "temp_buffers") == NULL ||
	    relay->settings.dropped_servers == DROPPED_MAX)
		return false;
	relay->settings.dropped_servers++;
	relay_drop_server(relay, REASON_SERVER_UNCLEAN,
	    "it does not take a client's settings");
	return true;
}

bool
relay_try_settings_again(struct relay *relay)
{
	struct server_session	*session = relay->server->session;

	if (relay->state == RELAY_GREETING)
		return relay_try_other_order(relay, PURPOSE_GREETING);
	if (relay_try_other_order(relay, PURPOSE_SETTINGS))
		return true;
	if (settings_have_others(session->settings)) {
		relay_send_held(relay, session->settings, session->residue,
		    PURPOSE_CLEAR);
		return true;
	}
	if (!relay_try_another(relay))
		return false;
	relay_go_on(relay);
	return true;
}

void
relay_settings_cleared(struct relay *relay)
{
	if (!relay->server->is_stale) {
		relay_send_held(relay, relay->server->session->settings,
		    relay->settings.wanted, PURPOSE_SETTINGS);
		return;
	}
	relay_drop_server(relay, REASON_SERVER_UNCLEAN,
	    "a setting of another client cannot be reset");
	relay_go_on(relay);
}

void
relay_settings_fit(struct relay *relay)
{
	relay->settings.has_tried_order = false;
	relay->settings.dropped_servers = 0;
}

/*
 * What PostgreSQL says about them is the answer to the client's statement,
 * which was never sent.
 */
void
relay_settings_refused(struct relay *relay)
{
	struct server_session	*session = relay->server->session;
	struct buf		 error = session->error;
	struct error_fields	 fields;

	/* It outlives the server. */
	buf_init(&session->error);
	error_fields_parse(buf_bytes(&error), buf_length(&error), &fields);
	if (fields.hint == NULL &&
	    settings_are_accepted(relay->settings.wanted, relay->client->pool))
		fields.hint = "A setting of this session cannot be applied "
		    "to a server any more: connect again.";
	relay_settings_fit(relay);
	relay_drop_server(relay, REASON_SERVER_UNCLEAN,
	    "a client's settings were refused");
	relay_refuse_held_with(relay, &fields);
	buf_done(&error);
}

bool
relay_may_change(const struct relay *relay)
{
	return relay->touches & RELAY_TOUCHES_CHANGING ||
	    relay_pins_of(relay->touches) != 0;
}

bool
relay_must_know(const struct relay *relay)
{
	return relay->server->pool->set != NULL &&
	    !(relay->ties.pins & PIN_MODE) && relay_may_change(relay);
}

/*
 * RESET.
 */

/* Where nothing is set it changes nothing, whatever becomes of it. */
uint32_t
relay_follow_reset(const struct relay *relay, uint32_t touches)
{
	bool	is_sure = relay->settings.wanted == relay->settings.defaults &&
		    relay->ties.pins == 0 && !relay->settings.have_changed &&
		    !(relay->touches & RELAY_TOUCHES_CHANGING);

	if (!(touches & SQL_TOUCHES_RESET_ALL))
		return touches;
	if (!is_sure)
		return touches | SQL_TOUCHES_SETTINGS | SQL_TOUCHES_RESETS;
	return relay->settings.defaults == settings_none() ? touches :
	    touches | SQL_TOUCHES_RESETS;
}

/* A client that keeps its server goes on on this one. */
bool
relay_bring_back(struct relay *relay)
{
	struct server_session	*session = relay->server->session;

	if (relay->ties.pins == 0 || relay->ties.pins & PIN_SETTINGS ||
	    relay->ending.is_leaving ||
	    session->settings == relay->settings.wanted ||
	    relay->server->transaction_status != STATUS_IDLE)
		return false;
	/* What has changed is known. */
	if (relay->owes_ready)
		relay_listen_say_ready(relay);
	relay_send_held(relay, session->settings, relay->settings.wanted,
	    PURPOSE_SETTINGS);
	return true;
}

uint32_t
relay_message_touches(struct relay *relay, const struct relay_message *message)
{
	const uint8_t		*body = message->at + MSG_HEAD_BYTES;
	size_t			 n = message->here - MSG_HEAD_BYTES;
	const struct statement	*statement;
	const uint8_t		*zero;

	if (message->at[0] == MSG_QUERY && n > 0)
		return verdict_touches((const char *)body, n - 1);
	if (message->at[0] == MSG_PARSE &&
	    (zero = memchr(body, '\0', n)) != NULL)
		return verdict_touches((const char *)zero + 1,
		    strnlen((const char *)zero + 1,
		    n - (size_t)(zero + 1 - body)));
	if (message->at[0] == MSG_BIND &&
	    (statement = relay_body_statement(relay, body, n)) != NULL)
		return statement->touches;
	return 0;
}

bool
relay_restores(struct relay *relay, const struct relay_message *message)
{
	static const char	types[] = { MSG_QUERY, MSG_PARSE, MSG_BIND,
				    MSG_DESCRIBE, MSG_CLOSE,
				    MSG_FUNCTION_CALL, '\0' };
	struct relay_io		io;

	if (strchr(types, message->at[0]) == NULL ||
	    !relay_is_at_rest(relay) ||
	    relay->settings.defaults == settings_none() ||
	    relay->server->transaction_status != STATUS_TRANSACTION ||
	    relay->server->cancels > 0 ||
	    /* It could not be said after a query. */
	    relay_message_touches(relay, message) == SQL_TOUCHES_TRANSACTION)
		return false;
	relay->settings.is_for_transaction =
	    !(relay->touches & SQL_TOUCHES_RESETS);
	relay->touches &= ~(uint32_t)SQL_TOUCHES_ANY_RESETS;
	relay_io_init(&io, relay);
	relay_start_read_back(relay, &io, PURPOSE_RESTORE, false);
	relay_io_send(&io, relay);
	return true;
}

/* Its transaction was ended by a query that it knows nothing of. */
static void
relay_restore_failed(struct relay *relay)
{
	struct server_session	*session = relay->server->session;
	struct error_fields	 fields;

	settings_draft_free(session->draft);
	session->draft = NULL;
	session_error(session, &fields);
	client_fail_as(relay->client, REASON_BAD_PARAMETER, fields.sqlstate,
	    fields.message, "A RESET in this transaction could not go back "
	    "to a startup parameter; connect again.");
}

void
relay_restore(struct relay *relay, enum expect_purpose purpose)
{
	struct server_session	*session = relay->server->session;
	struct settings_draft	*draft = session->draft;
	const struct settings	*found, *wanted;

	if (session->has_failed) {
		relay_restore_failed(relay);
		return;
	}
	if (purpose == PURPOSE_RESTORED) {
		relay_go_on(relay);
		return;
	}
	session->draft = NULL;
	found = settings_draft_intern(draft);
	draft = settings_draft_new(found);
	settings_draft_add_missing(draft, relay->settings.defaults);
	settings_draft_restore_customs(draft, relay->settings.defaults);
	wanted = settings_draft_intern(draft);
	if (wanted != found)
		relay_send_held(relay, found, wanted, PURPOSE_RESTORED);
	else
		relay_go_on(relay);
	settings_release(found);
	settings_release(wanted);
}
