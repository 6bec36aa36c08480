/*
 * Queries of our own on a client's server: looking whether it still lives,
 * giving it the client's settings, reading back what the client has set.
 *
 * The settings are not guessed from what the client said: after a transaction
 * that may have changed some, the server is asked for all that are set.  So
 * commit, rollback, savepoints and functions follow PostgreSQL's own rules.
 *
 * A query of ours destroys the server's unnamed statement, as any simple
 * query does.
 */

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "pool/cancel.h"
#include "relay/relay_custom.h"
#include "relay/relay_finish.h"
#include "relay/relay_listen.h"
#include "relay/relay_private.h"
#include "relay/relay_query.h"
#include "relay/relay_retry.h"
#include "relay/relay_sequence.h"
#include "relay/relay_service.h"
#include "relay/relay_settings.h"
#include "relay/relay_tie.h"
#include "session/words.h"
#include "wire/error_fields.h"
#include "wire/put.h"

void
relay_send_own(struct relay *relay, struct relay_io *io, const char *query,
    enum expect_purpose purpose)
{
	struct server_session	*session = relay->server->session;
	struct buf		 message;
	bool			 is_long;

	buf_init(&message);
	put_query(&message, query);
	is_long = buf_length(&message) > LOOP_BUFFER_BYTES / 8;
	parcel_buf(&io->to_server, &message);
	if (is_long)
		parcel_send(&io->to_server);
	expected_add(&session->expected, EXPECT_QUERY,
	    FATE_SWALLOW)->purpose = (uint8_t)purpose;
	session_set_unnamed(session, NULL);
	session->has_failed = false;
	buf_done(&session->reported);
}

void
relay_send_own_buf(struct relay *relay, struct relay_io *io, struct buf *query,
    enum expect_purpose purpose)
{
	buf_add(query, "", 1);
	relay_send_own(relay, io, (const char *)buf_bytes(query), purpose);
	buf_done(query);
}

/* It was idle for long: does it still answer? */
static bool
relay_wants_check(const struct relay *relay)
{
	const struct pool_profile *profile =
	    pool_profile(relay->client->pool);
	const struct server	*server = relay->server;
	int64_t			 idle_us;

	if (profile->check_query[0] == '\0')
		return false;
	idle_us = loop_now_us(relay->client->loop) - server->used_us;
	/* One that was opened just now has answered; else a query that always
	 * fails would open servers without end. */
	if (server->used_us == server->opened_us &&
	    idle_us < US_PER_SECOND)
		return false;
	return idle_us >= profile->check_delay_us;
}

void
relay_send_switch(struct relay *relay, struct relay_io *io,
    const struct settings *from, const struct settings *to,
    enum expect_purpose purpose)
{
	enum settings_scope	scope = SETTINGS_FOR_SESSION;
	struct buf		query;

	if (purpose == PURPOSE_RESTORED)
		scope = relay->settings.is_for_transaction ?
		    SETTINGS_FOR_TRANSACTION : SETTINGS_IN_TRANSACTION;
	buf_init(&query);
	session_expect_names(relay->server, to);
	settings_switch_query(&query, from, to,
	    relay->settings.is_person_first, scope);
	relay_send_own_buf(relay, io, &query, purpose);
}

bool
relay_prepare_server(struct relay *relay, struct relay_io *io)
{
	struct server_session	*session = session_of(relay->server);
	bool			 sure = true;

	relay_disown_sequences(relay, io);
	if (words_are_due(relay->client->pool,
	    loop_now_us(relay->client->loop))) {
		words_draft_free(session->words);
		session->words = words_draft_new();
		relay_send_own(relay, io, words_query, PURPOSE_WORDS);
		sure = false;
	}
	if (relay_wants_check(relay)) {
		relay_send_own(relay, io,
		    pool_profile(relay->client->pool)->check_query,
		    PURPOSE_CHECK);
		sure = false;
	}
	if (session->settings != relay->settings.wanted) {
		sure = sure && !relay->settings.are_told &&
		    settings_switch_is_sure(session->settings,
		    relay->settings.wanted, relay->server->pool);
		relay_send_switch(relay, io, session->settings,
		    relay->settings.wanted, PURPOSE_SETTINGS);
	}
	if (sure && relay->listen.hearer != NULL)
		relay_listen_lay(relay, io);
	relay->is_holding = !sure;
	return sure;
}

bool
relay_has_client_request(const struct relay *relay)
{
	struct expected	*expected = &relay->server->session->expected;

	for (uint32_t i = 0; i < expected->count; i++)
		if (expected_at(expected, i)->fate != FATE_SWALLOW)
			return true;
	return false;
}

void
relay_start_read_back(struct relay *relay, struct relay_io *io,
    enum expect_purpose purpose, bool with_inventory)
{
	struct server_session	*session = relay->server->session;
	struct buf		 query;

	settings_draft_free(session->draft);
	session->draft = settings_draft_new(settings_none());
	session->inventory = 0;
	buf_done(&session->row);
	buf_init(&query);
	buf_add_text(&query, settings_read_back_query);
	settings_ask_customs(&query, relay->settings.wanted);
	settings_ask_customs(&query, relay->settings.naming);
	if (with_inventory)
		buf_add_text(&query, settings_inventory_query);
	relay_send_own_buf(relay, io, &query, purpose);
	relay->is_holding = true;
}

/* PostgreSQL has just told the client what it would have without them. */
static void
relay_report_back(struct relay *relay)
{
	struct pool	*pool = relay->client->pool;
	struct buf	 report;

	relay->settings.are_told =
	    !settings_are_reported(relay->settings.defaults, pool);
	buf_init(&report);
	settings_report_back(&report, relay->settings.defaults,
	    relay->settings.wanted, pool);
	relay_write(relay, &report);
}

/* What the host of this server has accepted, logins go by, too. */
static void
relay_accepted(const struct relay *relay, const struct settings *settings,
    const uint8_t *reported, size_t n)
{
	settings_accepted(settings, relay->server->pool, reported, n);
	if (relay->client->pool != relay->server->pool)
		settings_accepted(settings, relay->client->pool, reported, n);
}

/* The startup values come back where the client has RESET its own. */
static void
relay_read_back_done(struct relay *relay)
{
	struct server_session	*session = relay->server->session;
	struct settings_draft	*draft = session->draft;
	const struct settings	*found, *wanted;

	session->draft = NULL;
	relay->settings.have_changed = false;
	if (session->has_failed) {
		settings_draft_free(draft);
		relay->ties.pins |= PIN_SETTINGS;
		return;
	}
	if (session->inventory & SQL_TOUCHES_UNTIES)
		relay->ties.pins &= ~(uint32_t)(PINS_ASKED | PIN_SETTINGS);
	relay->ties.pins |= relay_pins_of(session->inventory);
	relay_listen_found(relay, session->inventory);
	found = settings_draft_intern(draft);
	if (!settings_are_portable(found)) {
		settings_release(found);
		relay->ties.pins |= PIN_SETTINGS;
		return;
	}
	relay_accepted(relay, found, NULL, 0);
	draft = settings_draft_new(found);
	settings_draft_add_missing(draft, relay->settings.defaults);
	if (relay->settings.has_reset &&
	    settings_have_customs(relay->settings.defaults))
		settings_draft_restore_customs(draft, relay->settings.defaults);
	/* What was PREPAREd may set one another time. */
	if (!(relay->ties.pins & PIN_PREPARE))
		relay_set_naming(relay, settings_none());
	wanted = settings_draft_intern(draft);
	session_set_settings(relay->server, found);
	relay_set_settings(relay, wanted);
	if (wanted != found)
		relay_report_back(relay);
	settings_release(found);
	settings_release(wanted);
}

/* What was sure has failed: the client's statement is on its way already. */
static void
relay_switch_failed(struct relay *relay)
{
	struct error_fields	fields;
	char			text[500];

	if (relay->is_holding || relay->state != RELAY_LINKED)
		return;
	session_error(relay->server->session, &fields);
	snprintf(text, sizeof text, "the settings of this session could not "
	    "be applied to a server: %s", fields.message);
	client_fail_as(relay->client, REASON_BAD_PARAMETER, fields.sqlstate,
	    text, "The statement is cancelled; connect again.");
}

/* In a transaction that has failed the client's statement fails as well. */
static void
relay_forget_done(struct relay *relay)
{
	struct server_session	*session = relay->server->session;
	struct error_fields	 fields;

	if (!session->has_failed)
		return;
	session->drawn_by = 0;
	session_error(session, &fields);
	if (strcmp(fields.sqlstate, "25P02") == 0)
		session->has_failed = false;
	else
		relay_switch_failed(relay);
}

static void
relay_clear_done(struct relay *relay)
{
	struct server_session	*session = relay->server->session;

	/* What is left on it now nobody knows. */
	if (session->has_failed) {
		session->has_failed = false;
		relay->server->is_stale = true;
	} else
		session_set_settings(relay->server, session->residue);
	buf_clear(&session->reported);
}

static void
relay_switch_done(struct relay *relay)
{
	static const uint8_t	 nothing[1];
	struct server_session	*session = relay->server->session;
	const uint8_t		*reported = NULL;

	if (session->has_failed) {
		relay_switch_failed(relay);
		return;
	}
	if (!settings_have_others(session->settings))
		reported = buf_length(&session->reported) == 0 ? nothing :
		    buf_bytes(&session->reported);
	relay_accepted(relay, relay->settings.wanted, reported,
	    buf_length(&session->reported));
	session_set_settings(relay->server, relay->settings.wanted);
	relay_settings_fit(relay);
	relay->settings.are_told = false;
}

static void
relay_words_done(struct relay *relay)
{
	struct server_session	*session = relay->server->session;
	struct words_draft	*words = session->words;

	session->words = NULL;
	if (session->has_failed) {
		words_draft_free(words);
		session->has_failed = false;
	} else if (words != NULL)
		words_replace(relay->client->pool, words);
}

bool
relay_is_in_front(const struct expectation *head)
{
	return head->kind == EXPECT_QUERY &&
	    (head->purpose == PURPOSE_SETTINGS ||
	    head->purpose == PURPOSE_SEQUENCES ||
	    head->purpose == PURPOSE_BASELINE);
}

/* A cancel has waited for this. */
static void
relay_cancel_now(struct relay *relay)
{
	const struct expectation	*head;

	if (relay->cancel.done == NULL)
		return;
	head = expected_head(&relay->server->session->expected);
	if (head != NULL && relay_is_in_front(head))
		return;
	cancel_server(relay->server, relay->cancel.done, relay->cancel.arg);
	relay->cancel.done = NULL;
}

void
relay_query_done(struct relay *relay, enum expect_purpose purpose)
{
	relay->server->session->own_purpose = (uint8_t)purpose;
	switch (purpose) {
	case PURPOSE_WORDS:
		relay_words_done(relay);
		break;
	case PURPOSE_READ_BACK:
		relay_read_back_done(relay);
		break;
	case PURPOSE_SEQUENCES:
		relay_forget_done(relay);
		relay_cancel_now(relay);
		break;
	case PURPOSE_CLEAR:
		relay_clear_done(relay);
		break;
	case PURPOSE_BASELINE:
		relay_listen_laid(relay);
		if (relay->state != RELAY_CLOSED)
			relay_cancel_now(relay);
		break;
	case PURPOSE_LISTENS:
		relay_listen_asked(relay);
		break;
	case PURPOSE_LISTEN_HERE:
		relay_listen_laid(relay);
		break;
	case PURPOSE_SETTINGS:
	case PURPOSE_GREETING:
		relay_switch_done(relay);
		relay_cancel_now(relay);
		break;
	default:
		break;
	}
}

void
relay_hold_over(struct relay *relay)
{
	struct server_session	*session = relay->server->session;
	enum expect_purpose	 purpose = session->own_purpose;
	bool			 is_after = purpose == PURPOSE_READ_BACK ||
				    purpose == PURPOSE_LISTENS ||
				    purpose == PURPOSE_LISTEN_HERE;

	if (is_after && relay_listen_goes_on(relay))
		return;
	relay->is_holding = false;
	if (purpose == PURPOSE_RESTORE || purpose == PURPOSE_RESTORED) {
		relay_restore(relay, purpose);
		return;
	}
	if (purpose == PURPOSE_CLEAR) {
		relay_settings_cleared(relay);
		return;
	}
	if (session->has_failed && !is_after && purpose != PURPOSE_RETRY) {
		if (purpose == PURPOSE_SETTINGS) {
			if (!relay_try_settings_again(relay))
				relay_settings_refused(relay);
			return;
		}
		relay_drop_server(relay, REASON_SERVER_LOST,
		    "server_check_query failed");
		relay_go_on(relay);
		return;
	}
	if (is_after && relay_bring_back(relay))
		return;
	if (is_after)
		relay_finish(relay);
	else if (purpose == PURPOSE_RETRY)
		relay_retry(relay);
	if (relay->state != RELAY_CLOSED)
		relay_go_on(relay);
}
