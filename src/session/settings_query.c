/*
 * Settings as SQL: bringing a server from one set to another, and asking it
 * what is set; and as ParameterStatus messages in a greeting.
 *
 * Names and values are hostile text.  They go in as E'' literals, in which
 * quotes and backslashes are doubled, so that they mean the same whatever
 * standard_conforming_strings is.  What is not ASCII goes in as \u escapes, so
 * that it means the same whatever client_encoding is, and so that no half of a
 * character is taken for a backslash.  Everything is qualified, so that a
 * search_path of the client's cannot put functions of its own in the way.
 */

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "pool/pool.h"
#include "session/settings_private.h"
#include "wire/get.h"
#include "wire/msg.h"
#include "wire/sqlscan.h"

const char	settings_read_back_query[] =
    "SELECT name, setting FROM pg_catalog.pg_settings "
    "WHERE source OPERATOR(pg_catalog.=) 'session' "
    "AND name OPERATOR(pg_catalog.<>) ALL (ARRAY['transaction_isolation', "
    "'transaction_read_only', 'transaction_deferrable']) "
    "UNION ALL SELECT 'role', pg_catalog.current_setting('role') "
    "UNION ALL SELECT 'session_authorization', "
    "pg_catalog.current_setting('session_authorization') ";

/* The first row says that the question was put. */
const char	settings_inventory_query[] =
    "UNION ALL SELECT '!', 'asked' "
    "UNION ALL SELECT '!', 'temp' WHERE EXISTS (SELECT FROM "
    "pg_catalog.pg_depend WHERE refclassid OPERATOR(pg_catalog.=) "
    "'pg_catalog.pg_namespace'::pg_catalog.regclass AND refobjid "
    "OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()) "
    "UNION ALL SELECT '!', 'listen' WHERE EXISTS (SELECT FROM "
    "pg_catalog.pg_listening_channels()) "
    "UNION ALL SELECT '!', 'hold' WHERE EXISTS (SELECT FROM "
    "pg_catalog.pg_cursors WHERE is_holdable) "
    "UNION ALL SELECT '!', 'prepare' WHERE EXISTS (SELECT FROM "
    "pg_catalog.pg_prepared_statements WHERE from_sql) "
    "UNION ALL SELECT '!', 'lock' WHERE EXISTS (SELECT FROM "
    "pg_catalog.pg_locks WHERE locktype OPERATOR(pg_catalog.=) 'advisory' "
    "AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid())";

/* The character at text if it is UTF-8 beyond ASCII; 0: it is not. */
static size_t
utf8_at(const uint8_t *text, uint32_t *code)
{
	size_t	n;

	if (text[0] >= 0xc2 && text[0] <= 0xdf)
		n = 2;
	else if (text[0] >= 0xe0 && text[0] <= 0xef)
		n = 3;
	else if (text[0] >= 0xf0 && text[0] <= 0xf4)
		n = 4;
	else
		return 0;
	*code = text[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (text[i] & 0x3fu);
	}
	return n;
}

static void
settings_literal(struct buf *buf, const char *text)
{
	uint32_t	code;
	size_t		n;

	buf_add_text(buf, "E'");
	for (; *text != '\0'; text += n) {
		if ((n = utf8_at((const uint8_t *)text, &code)) > 0) {
			buf_printf(buf, "\\U%08x", (unsigned)code);
			continue;
		}
		if (*text == '\'' || *text == '\\')
			buf_add(buf, text, 1);
		buf_add(buf, text, 1);
		n = 1;
	}
	buf_add_text(buf, "'");
}

static bool
text_is_portable(const char *text, bool is_utf8)
{
	uint32_t	code;
	size_t		n;

	for (; *text != '\0'; text += n) {
		n = 1;
		if ((uint8_t)*text >= 0x80 && (!is_utf8 ||
		    (n = utf8_at((const uint8_t *)text, &code)) == 0))
			return false;
	}
	return true;
}

bool
settings_are_portable(const struct settings *settings)
{
	const char	*encoding = settings_get(settings, "client_encoding");
	bool		 is_utf8 = encoding == NULL ||
			    strcasecmp(encoding, "UTF8") == 0;

	for (size_t i = 0; i < settings_count(settings); i++)
		if (!text_is_portable(settings_name(settings, i), is_utf8) ||
		    !text_is_portable(settings_value(settings, i), is_utf8))
			return false;
	return true;
}

static bool
setting_is(const char *name, const char *which)
{
	return strcasecmp(name, which) == 0;
}

/* Who one is comes apart, since the rest may need the right to it. */
static int
setting_rank(const char *name)
{
	if (setting_is(name, "session_authorization"))
		return 0;
	return setting_is(name, "role") ? 1 : 2;
}

/* As it is spelled, which SHOW shows. */
static bool
settings_has_name(const struct settings *settings, const char *name)
{
	for (size_t i = 0; i < settings->count; i++)
		if (strcmp(settings->pairs[i].name, name) == 0)
			return true;
	return false;
}

enum settings_fit
settings_fit(const struct settings *from, const struct settings *to)
{
	if (from->customs > to->customs)
		return SETTINGS_UNFIT;
	if (from->customs > 0 && from != to)
		for (size_t i = 0; i < from->count; i++)
			if (strchr(from->pairs[i].name, '.') != NULL &&
			    !settings_has_name(to, from->pairs[i].name))
				return SETTINGS_UNFIT;
	return from->customs == to->customs ? SETTINGS_FIT_WELL :
	    SETTINGS_FIT_FAIRLY;
}

void
settings_ask_customs(struct buf *query, const struct settings *settings)
{
	const char	*name;

	if (settings->customs == 0)
		return;
	for (size_t i = 0; i < settings->count; i++) {
		name = settings->pairs[i].name;
		if (strchr(name, '.') == NULL)
			continue;
		buf_add_text(query, "UNION ALL SELECT ");
		settings_literal(query, name);
		buf_add_text(query, ",pg_catalog.current_setting(");
		settings_literal(query, name);
		buf_add_text(query, ",true) ");
	}
}

/* Only names that PostgreSQL itself has reported. */
static void
settings_put_reset(struct buf *buf, const char *name)
{
	buf_add_text(buf, "RESET \"");
	for (; *name != '\0'; name++)
		buf_add(buf, *name == '"' ? "\"\"" : name,
		    *name == '"' ? 2 : 1);
	buf_add_text(buf, "\";");
}

/* Who somebody is may be so for the transaction only, and is again. */
static void
settings_put_nobody(struct buf *buf, const struct settings *from,
    enum settings_scope scope)
{
	bool	is_local = scope != SETTINGS_FOR_SESSION;

	if (settings_get(from, "role") != NULL)
		buf_add_text(buf, is_local ? "SET LOCAL ROLE NONE;" :
		    "RESET ROLE;");
	if (settings_get(from, "session_authorization") != NULL)
		buf_add_text(buf, is_local ?
		    "SET LOCAL SESSION AUTHORIZATION DEFAULT;" :
		    "RESET SESSION AUTHORIZATION;");
}

static void
settings_put_rank(struct buf *buf, const struct settings *from,
    const struct settings *to, int rank, enum settings_scope scope)
{
	const char	*had, *name, *value;
	bool		 is_there;

	for (size_t i = 0; i < settings_count(to); i++) {
		name = settings_name(to, i);
		value = settings_value(to, i);
		if (setting_rank(name) != rank)
			continue;
		had = settings_get(from, name);
		is_there = had != NULL && strcmp(had, value) == 0;
		if (is_there && rank == 2)
			continue;
		buf_add_text(buf, "SELECT pg_catalog.set_config(");
		settings_literal(buf, name);
		buf_add_text(buf, ",");
		settings_literal(buf, value);
		buf_add_text(buf, scope == SETTINGS_FOR_TRANSACTION ||
		    (scope == SETTINGS_IN_TRANSACTION && is_there) ?
		    ",true);" : ",false);");
	}
}

void
settings_switch_query(struct buf *buf, const struct settings *from,
    const struct settings *to, bool is_person_first,
    enum settings_scope scope)
{
	const char	*name;

	settings_put_nobody(buf, from, scope);
	for (size_t i = 0; i < settings_count(from); i++) {
		name = settings_name(from, i);
		if (setting_rank(name) == 2 && settings_get(to, name) == NULL)
			settings_put_reset(buf, name);
	}
	if (!is_person_first)
		settings_put_rank(buf, from, to, 2, scope);
	settings_put_rank(buf, from, to, 0, scope);
	settings_put_rank(buf, from, to, 1, scope);
	if (is_person_first)
		settings_put_rank(buf, from, to, 2, scope);
}

static bool
setting_stays(const struct settings *from, const struct settings *to,
    const char *name)
{
	const char	*was = settings_get(from, name);
	const char	*is = settings_get(to, name);

	return was == NULL || is == NULL ? was == is : strcmp(was, is) == 0;
}

bool
settings_switch_is_sure(const struct settings *from,
    const struct settings *to, const struct pool *pool)
{
	static const char	*const unsure[] = { "role",
		    "session_authorization", "statement_timeout",
		    "transaction_timeout" };

	for (size_t i = 0; i < ARRAY_LENGTH(unsure); i++)
		if (settings_get(from, unsure[i]) != NULL ||
		    (i < 2 && settings_get(to, unsure[i]) != NULL))
			return false;
	return setting_stays(from, to, "temp_buffers") &&
	    settings_are_accepted(to, pool);
}

/*
 * Reading back.
 */

static const char *
row_text(struct get *get, size_t *n)
{
	int32_t	length = get_i32(get);

	*n = 0;
	if (length < 0)
		return NULL;
	*n = (size_t)length;
	return (const char *)get_bytes(get, *n);
}

/* A row of the inventory. */
static uint32_t
inventory_item(const char *item)
{
	static const struct {
		const char	*item;
		uint32_t	 touch;
	} items[] = {
		{ "asked", SQL_TOUCHES_UNTIES },
		{ "temp", SQL_TOUCHES_TEMP },
		{ "listen", SQL_TOUCHES_LISTEN },
		{ "hold", SQL_TOUCHES_HOLD },
		{ "prepare", SQL_TOUCHES_PREPARE },
		{ "lock", SQL_TOUCHES_LOCK },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(items); i++)
		if (strcmp(items[i].item, item) == 0)
			return items[i].touch;
	return 0;
}

bool
settings_draft_take_row(struct settings_draft *draft, const uint8_t *body,
    size_t n, const char *login_user, uint32_t *inventory)
{
	struct get	 get;
	const char	*name, *value;
	char		*name_copy, *value_copy;
	size_t		 name_bytes, value_bytes;
	uint16_t	 columns;

	get_init(&get, body, n);
	columns = get_u16(&get);
	name = row_text(&get, &name_bytes);
	value = row_text(&get, &value_bytes);
	if (columns != 2 || name == NULL || !get_is_done(&get))
		return false;
	name_copy = mem_string_n(name, name_bytes);
	value_copy = mem_string_n(value == NULL ? "" : value, value_bytes);
	if (strcmp(name_copy, "!") == 0)
		*inventory |= inventory_item(value_copy);
	else if (value == NULL)
		;		/* a custom name that was never set here */
	else if (!(setting_is(name_copy, "role") &&
	    strcmp(value_copy, "none") == 0) &&
	    !(setting_is(name_copy, "session_authorization") &&
	    strcmp(value_copy, login_user) == 0))
		settings_draft_set(draft, name_copy, value_copy);
	free(name_copy);
	free(value_copy);
	return true;
}

/*
 * Greeting.
 */

const char *
status_next(const uint8_t **at, const uint8_t *end)
{
	struct msg_head	 head;
	const char	*name;

	if (*at >= end ||
	    msg_peek(*at, (size_t)(end - *at), &head) != MSG_OK)
		return NULL;
	name = (const char *)*at + MSG_HEAD_BYTES;
	*at += MSG_HEAD_BYTES + head.length;
	return name;
}

static bool
status_has(const struct buf *reported, const char *name)
{
	const uint8_t	*at = buf_bytes(reported);
	const uint8_t	*end = at + buf_length(reported);
	const char	*other;

	while ((other = status_next(&at, end)) != NULL)
		if (strcmp(other, name) == 0)
			return true;
	return false;
}

void
settings_greeting(struct buf *greeting, const struct settings *settings,
    const struct pool *pool, const uint8_t *welcome, size_t n)
{
	const uint8_t	*at = welcome, *start = welcome, *run = welcome;
	const char	*name;
	struct buf	 reported;

	buf_init(&reported);
	settings_copy_reported(&reported, settings, pool);
	for (; (name = status_next(&at, welcome + n)) != NULL; start = at)
		if (status_has(&reported, name)) {
			buf_add(greeting, run, (size_t)(start - run));
			run = at;
		}
	buf_add(greeting, run, (size_t)(start - run));
	buf_add(greeting, buf_bytes(&reported), buf_length(&reported));
	buf_done(&reported);
}

void
settings_report_back(struct buf *report, const struct settings *defaults,
    const struct settings *now, const struct pool *pool)
{
	const uint8_t	*at, *start, *end;
	const char	*name, *was, *is;
	struct buf	 reported;

	buf_init(&reported);
	settings_copy_reported(&reported, defaults, pool);
	at = start = buf_bytes(&reported);
	end = at + buf_length(&reported);
	while ((name = status_next(&at, end)) != NULL) {
		was = settings_get(defaults, name);
		is = settings_get(now, name);
		if (was != NULL && is != NULL && strcmp(was, is) == 0)
			buf_add(report, start, (size_t)(at - start));
		start = at;
	}
	buf_done(&reported);
}
