/*
 * Custom settings, whose names have a dot: PostgreSQL lists them nowhere, and
 * a name that was set once, if only until the end of a transaction, shows as
 * an empty string for ever.
 *
 * So a client's set of settings has every such name that it ever used, and a
 * server goes only to clients that have all the names it has (session_fits()).
 * Which names a statement may leave, its text says, or the catalogue of the
 * functions that it calls (words.h); the server is asked for their values when
 * the transaction ends, unless it was about the transaction alone and the
 * client has the names already.  That is the steady state of an application
 * that says in each transaction for whom it works.
 *
 * A client whose first statement sets a name may have a server that has that
 * name: it cannot see what was there before.
 */

#include <string.h>

#include "relay/relay_custom.h"
#include "relay/relay_private.h"
#include "session/verdict.h"
#include "session/words.h"
#include "wire/get.h"

void
relay_set_naming(struct relay *relay, const struct settings *naming)
{
	settings_hold(naming);
	settings_release(relay->settings.naming);
	relay->settings.naming = naming;
}

void
relay_drop_adopted(struct relay *relay)
{
	settings_release(relay->settings.adopted);
	relay->settings.adopted = NULL;
}

static void
relay_name(struct relay *relay, struct settings_draft **draft,
    const char *name)
{
	if (strchr(name, '.') == NULL ||
	    settings_get(relay->settings.wanted, name) != NULL ||
	    settings_get(relay->settings.naming, name) != NULL)
		return;
	if (*draft == NULL)
		*draft = settings_draft_new(relay->settings.naming);
	settings_draft_set(*draft, name, "");
}

/* The parameter of this number in a Bind, as a name; false: it is not here. */
static bool
bind_text(const struct relay_message *bind, size_t offset, uint16_t number,
    char name[SQLSCAN_NAME_BYTES])
{
	const uint8_t	*bytes = NULL;
	struct get	 get;
	int32_t		 length = -1;
	uint16_t	 count;

	if (bind == NULL || number == 0)
		return false;
	get_init(&get, bind->at + MSG_HEAD_BYTES + offset,
	    bind->here - MSG_HEAD_BYTES - offset);
	get_bytes(&get, (size_t)get_u16(&get) * 2);
	count = get_u16(&get);
	for (uint16_t i = 0; i < number && i < count; i++) {
		length = get_i32(&get);
		bytes = length < 0 ? NULL : get_bytes(&get, (size_t)length);
	}
	name[0] = '\0';
	if (get.bad)
		return false;
	if (bytes == NULL || number > count)
		return true;	/* NULL sets nothing; too few are refused */
	if (length >= SQLSCAN_NAME_BYTES)
		return false;
	memcpy(name, bytes, (size_t)length);
	name[length] = '\0';
	return strlen(name) == (size_t)length;
}

uint32_t
relay_note_names(struct relay *relay, const struct sqlnames *names,
    uint32_t touches, bool by_words, const struct relay_message *bind,
    size_t offset)
{
	struct settings_draft	*draft = NULL;
	const struct settings	*naming;
	const char		*word;
	char			 name[SQLSCAN_NAME_BYTES];
	size_t			 at = 0;

	if (names->are_many)
		touches |= SQL_TOUCHES_CUSTOM | SQL_TOUCHES_SETTINGS;
	for (size_t i = 0; i < names->count; i++)
		relay_name(relay, &draft, names->names[i]);
	for (size_t i = 0; i < names->parameter_count; i++)
		if (bind_text(bind, offset, names->parameters[i], name))
			relay_name(relay, &draft, name);
		else
			touches |= SQL_TOUCHES_CUSTOM | SQL_TOUCHES_SETTINGS;
	while (by_words &&
	    (word = words_next_name(relay->client->pool, &at)) != NULL)
		relay_name(relay, &draft, word);
	if (draft != NULL) {
		naming = settings_draft_intern(draft);
		relay_set_naming(relay, naming);
		settings_release(naming);
	}
	/* All of them are known already. */
	if (relay->settings.naming == settings_none())
		touches &= ~(uint32_t)SQL_TOUCHES_NAMES;
	return touches;
}

uint32_t
relay_note_text_names(struct relay *relay, const char *text, size_t n,
    uint32_t touches, uint32_t by_words)
{
	struct sqlnames	names;

	sqlscan_names(&names, text, n);
	return relay_note_names(relay, &names, touches,
	    by_words & SQL_TOUCHES_NAMES, NULL, 0);
}

void
relay_adopt_names(struct relay *relay, const char *text, size_t n)
{
	struct settings_draft	*draft;
	struct sqlnames		 names;
	bool			 is_new = false;

	if (relay_limits(relay)->mode == POOL_MODE_SESSION)
		return;
	relay_drop_adopted(relay);
	sqlscan_names(&names, text, n);
	if (names.leading == 0)
		return;
	draft = settings_draft_new(relay->settings.wanted);
	for (size_t i = 0; i < names.leading; i++)
		if (settings_get(relay->settings.wanted,
		    names.names[i]) == NULL) {
			settings_draft_set(draft, names.names[i], "");
			is_new = true;
		}
	if (is_new)
		relay->settings.adopted = settings_draft_intern(draft);
	else
		settings_draft_free(draft);
}

void
relay_adopt_parsed(struct relay *relay, const char *text)
{
	size_t	n = strlen(text);

	if (!settings_have_customs(relay->settings.wanted) &&
	    verdict_touches(text, n) & SQL_TOUCHES_NAMES)
		relay_adopt_names(relay, text, n);
}

const struct settings *
relay_wish(const struct relay *relay)
{
	return relay->settings.adopted != NULL ? relay->settings.adopted :
	    relay->settings.wanted;
}

/* It has its server now: perhaps one that it would not have had otherwise. */
void
relay_settle_adopted(struct relay *relay)
{
	if (!session_fits(relay->server, relay->settings.wanted))
		relay_set_settings(relay, relay->settings.adopted);
	relay_drop_adopted(relay);
}

/* The server may have names that nobody has asked it for. */
void
relay_leave_names(struct relay *relay, struct server *server)
{
	if (relay->settings.naming == settings_none())
		return;
	session_expect_names(server, relay->settings.naming);
	relay_set_naming(relay, settings_none());
}
