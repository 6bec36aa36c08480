/*
 * See session/session.h.
 */

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pool/server.h"
#include "session/session.h"
#include "session/words.h"
#include "wire/error_fields.h"

_Atomic bool	session_has_customs;

struct server_session *
session_of(struct server *server)
{
	struct server_session	*session = server->session;

	if (session != NULL)
		return session;
	session = server->session = mem_new(sizeof *session);
	session->settings = settings_hold(settings_none());
	session->residue = settings_hold(settings_none());
	server->mark = session->settings;
	shelf_init(&session->shelf);
	buf_init(&session->held);
	buf_init(&session->batch);
	buf_init(&session->described);
	buf_init(&session->row);
	buf_init(&session->reported);
	buf_init(&session->error);
	return session;
}

/* Custom names among these stay for as long as the server lives. */
static void
session_add_residue(struct server_session *session,
    const struct settings *settings)
{
	struct settings_draft	*draft = NULL;
	const char		*name;

	for (size_t i = 0; i < settings_count(settings); i++) {
		name = settings_name(settings, i);
		if (strchr(name, '.') == NULL ||
		    settings_get(session->residue, name) != NULL)
			continue;
		if (draft == NULL)
			draft = settings_draft_new(session->residue);
		settings_draft_set(draft, name, "");
	}
	if (draft == NULL)
		return;
	settings_release(session->residue);
	session->residue = settings_draft_intern(draft);
	atomic_store_explicit(&session_has_customs, true,
	    memory_order_relaxed);
}

void
session_expect_names(struct server *server, const struct settings *settings)
{
	if (settings_have_customs(settings))
		session_add_residue(session_of(server), settings);
}

void
session_set_settings(struct server *server, const struct settings *settings)
{
	struct server_session	*session = session_of(server);

	settings_hold(settings);
	settings_release(session->settings);
	session->settings = settings;
	server->mark = settings;
	session_add_residue(session, settings);
}

bool
session_fits(struct server *server, const struct settings *settings)
{
	return settings_fit(session_of(server)->residue, settings) !=
	    SETTINGS_UNFIT;
}

enum server_suits
session_suits(const struct server *server, const void *wish)
{
	static const enum server_suits	suits[] = {
		[SETTINGS_UNFIT] = SUITS_NOT,
		[SETTINGS_FIT_FAIRLY] = SUITS_FAIRLY,
		[SETTINGS_FIT_WELL] = SUITS_WELL,
	};

	return suits[settings_fit(server->session == NULL ? settings_none() :
	    server->session->residue, wish)];
}

static void
session_hold(struct statement **place, struct statement *statement)
{
	if (*place == statement)
		return;
	if (statement != NULL)
		statement_hold(statement);
	if (*place != NULL)
		statement_release(*place);
	*place = statement;
}

void
session_set_unnamed(struct server_session *session,
    struct statement *statement)
{
	session_hold(&session->unnamed, statement);
}

void
session_set_deallocate(struct server_session *session,
    struct statement *statement)
{
	session_hold(&session->deallocate, statement);
}

void
session_error(const struct server_session *session,
    struct error_fields *fields)
{
	error_fields_parse(buf_bytes(&session->error),
	    buf_length(&session->error), fields);
}

ssize_t
session_read(struct server *server, uint8_t *buffer)
{
	struct buf	*held = &server->session->held;
	size_t		 before = buf_length(held);
	ssize_t		 n;

	if (before > 0)
		memcpy(buffer, buf_bytes(held), before);
	n = stream_read(&server->stream, buffer + before,
	    LOOP_BUFFER_BYTES - before);
	return n > 0 ? n + (ssize_t)before : n;
}

void
session_hold_back(struct server_session *session, const uint8_t *at, size_t n)
{
	buf_clear(&session->held);
	if (n > 0)
		buf_add(&session->held, at, n);
	else if (session->held.data != NULL)
		buf_done(&session->held);
}

/*
 * DISCARD ALL and the like: only custom names are left, which are empty.  Of
 * those in its residue some may never have come to be on it.
 */
void
session_reset(struct server *server)
{
	struct server_session	*session = session_of(server);
	struct settings_draft	*draft = settings_draft_new(settings_none());
	const struct settings	*left;
	const char		*name;

	for (size_t i = 0; i < settings_count(session->settings); i++) {
		name = settings_name(session->settings, i);
		if (strchr(name, '.') != NULL)
			settings_draft_set(draft, name, "");
	}
	left = settings_draft_intern(draft);
	session_set_settings(server, left);
	settings_release(left);
	session_set_unnamed(session, NULL);
	shelf_clear(&session->shelf);
}

void
session_blur(struct server *server)
{
	struct server_session	*session = session_of(server);
	struct settings_draft	*draft = settings_draft_new(settings_none());
	const struct settings	*unknown;

	/* No setting has such a value: it differs from what is wanted. */
	for (size_t i = 0; i < settings_count(session->settings); i++)
		settings_draft_set(draft, settings_name(session->settings, i),
		    "\001");
	unknown = settings_draft_intern(draft);
	session_set_settings(server, unknown);
	settings_release(unknown);
	session_set_unnamed(session, NULL);
	shelf_clear(&session->shelf);
}

void
session_forget_talk(struct server_session *session)
{
	expected_done(&session->expected);
	settings_draft_free(session->draft);
	words_draft_free(session->words);
	session->draft = NULL;
	session->words = NULL;
	session->is_copying = session->has_said_error = false;
	session->has_failed = false;
	session->copy_syncs = 0;
	session->batch_state = BATCH_NONE;
	buf_done(&session->batch);
	buf_done(&session->described);
	buf_done(&session->row);
	buf_done(&session->reported);
	buf_done(&session->error);
}

void
session_free(struct server *server)
{
	struct server_session	*session = server->session;

	if (session == NULL)
		return;
	session_forget_talk(session);
	session_set_unnamed(session, NULL);
	session_set_deallocate(session, NULL);
	shelf_clear(&session->shelf);
	settings_release(session->settings);
	settings_release(session->residue);
	buf_done(&session->held);
	free(session);
	server->session = NULL;
	server->mark = NULL;
}
