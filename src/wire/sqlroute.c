/*
 * See wire/sqlroute.h.
 *
 * A word waits (is_pending) until the token behind it says what it is: a
 * parenthesis makes it a function, a string makes it a type, a dot makes it
 * the schema or table of the next one.  For each open parenthesis there is a
 * level that says what its words can be: whether a query stands in it, and
 * how far an item of its FROM is read.
 *
 * Words are in sqlroute_keys.c, all the rest is here.  The first doubt ends
 * the work: nothing behind it can take it back.
 */

#include <string.h>

#include "base/mem.h"
#include "wire/sqlroute_private.h"
#include "wire/sqlscan.h"

enum mark {
	MARK_STRANGE,
	MARK_SYMBOL,
	MARK_DIGIT,
	MARK_BRACKET,
	MARK_STRING,
	MARK_DOT,
	MARK_COLON,
	MARK_COMMA,
	MARK_OPEN,
	MARK_CLOSE,
	MARK_SEMICOLON,
};

static const uint8_t	marks[256] = {
	['+'] = MARK_SYMBOL, ['-'] = MARK_SYMBOL, ['*'] = MARK_SYMBOL,
	['/'] = MARK_SYMBOL, ['<'] = MARK_SYMBOL, ['>'] = MARK_SYMBOL,
	['='] = MARK_SYMBOL, ['~'] = MARK_SYMBOL, ['!'] = MARK_SYMBOL,
	['@'] = MARK_SYMBOL, ['#'] = MARK_SYMBOL, ['%'] = MARK_SYMBOL,
	['^'] = MARK_SYMBOL, ['&'] = MARK_SYMBOL, ['|'] = MARK_SYMBOL,
	['`'] = MARK_SYMBOL, ['?'] = MARK_SYMBOL,
	['0' ... '9'] = MARK_DIGIT, ['['] = MARK_BRACKET,
	[']'] = MARK_BRACKET, ['\''] = MARK_STRING, ['$'] = MARK_STRING,
	['.'] = MARK_DOT, [':'] = MARK_COLON, [','] = MARK_COMMA,
	['('] = MARK_OPEN, [')'] = MARK_CLOSE, [';'] = MARK_SEMICOLON,
};

static const char *const	doubt_texts[] = {
#define SQLROUTE_TEXT(name, text)	[name] = text,
	SQLROUTE_DOUBTS(SQLROUTE_TEXT)
#undef SQLROUTE_TEXT
};

const char *
sqlroute_doubt_text(enum sqlroute_doubt doubt)
{
	return doubt_texts[doubt];
}

void
sqlroute_doubts(struct sqlroute *route, enum sqlroute_doubt doubt)
{
	if (route->doubt == SQLROUTE_READ)
		route->doubt = (uint8_t)doubt;
}

bool
sqlroute_is_done(struct sqlroute *route)
{
	if (route->is_over)
		sqlroute_doubts(route, SQLROUTE_SEVERAL);
	return route->doubt != SQLROUTE_READ || route->ignores;
}

/* Everything but the bytes of names, which are written before they count. */
void
sqlroute_attach(struct sqlroute *route, struct sqlscan *scan)
{
	memset(route->slots, 0, sizeof route->slots);
	route->doubt = SQLROUTE_READ;
	route->count = route->used = 0;
	memset(&route->role, 0, offsetof(struct sqlroute, levels) -
	    offsetof(struct sqlroute, role));
	route->levels[0] = (struct sqlroute_level){ .flags = LEVEL_START };
	scan->route = route;
}

/*
 * Names.
 */

static uint32_t
name_hash(const char *name, size_t n)
{
	uint32_t	hash = 2166136261u;

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ (uint8_t)name[i]) * 16777619u;
	return hash ^ hash >> 15;
}

/* A name that is there already only gets more flags. */
void
sqlroute_add(struct sqlroute *route, const char *name, size_t n,
    uint8_t flags)
{
	uint32_t		 at = name_hash(name, n);
	struct sqlroute_name	*known;
	uint16_t		*slot;

	for (;; at++) {
		slot = &route->slots[at % SQLROUTE_SLOTS];
		if (*slot == 0)
			break;
		known = &route->names[*slot - 1];
		if ((known->flags ^ flags) & SQLROUTE_SYMBOL ||
		    strcmp(route->bytes + known->offset, name) != 0)
			continue;
		known->flags |= flags;
		return;
	}
	if (route->count == SQLROUTE_NAMES ||
	    route->used + n + 1 > sizeof route->bytes) {
		sqlroute_doubts(route, SQLROUTE_TOO_MUCH);
		return;
	}
	known = &route->names[route->count];
	known->offset = route->used;
	known->flags = flags;
	memcpy(route->bytes + route->used, name, n + 1);
	route->used += (uint16_t)(n + 1);
	*slot = ++route->count;
}

void
sqlroute_end_symbol(struct sqlroute *route)
{
	if (route->symbol_length == 0)
		return;
	route->symbol[route->symbol_length] = '\0';
	sqlroute_add(route, route->symbol, route->symbol_length,
	    SQLROUTE_SYMBOL);
	route->symbol_length = 0;
}

/* N'...', B'...' and X'...' are strings too. */
static bool
sqlroute_is_prefix(const struct sqlroute *route)
{
	return !route->is_quoted && route->length == 1 &&
	    strchr("bexn", route->word[0]) != NULL;
}

static uint8_t
sqlroute_settle_plain(struct sqlroute *route, enum behind behind)
{
	if (sqlroute_level(route)->flags & LEVEL_LIST)
		return SQLROUTE_LISTED;
	switch (behind) {
	case BEHIND_OPEN:
		return route->is_loose ? SQLROUTE_COLUMN : SQLROUTE_FUNCTION;
	case BEHIND_STRING:
		return route->is_loose || sqlroute_is_prefix(route) ? 0 :
		    SQLROUTE_TYPE;
	default:
		return route->is_qualified ? SQLROUTE_COLUMN : 0;
	}
}

/* COPY t (a, b) calls nothing. */
static uint8_t
sqlroute_settle_relation(struct sqlroute *route, enum behind behind)
{
	struct sqlroute_level	*level = sqlroute_level(route);

	level->from = FROM_ITEM;
	if (behind == BEHIND_STRING)
		sqlroute_doubts(route, SQLROUTE_UNCLEAR);
	if (behind != BEHIND_OPEN || (route->copies && route->depth == 0))
		return SQLROUTE_RELATION;
	level->from = FROM_NOTHING;
	return SQLROUTE_FUNCTION;
}

/* The word has what stands behind it. */
void
sqlroute_settle(struct sqlroute *route, enum behind behind)
{
	uint8_t	flags = 0;

	if (!route->is_pending)
		return;
	route->is_pending = false;
	switch (route->role) {
	case ROLE_RELATION:
		flags = sqlroute_settle_relation(route, behind);
		break;
	case ROLE_TYPE:
		/* The first word of double precision, or a strange name. */
		flags = route->is_loose ? SQLROUTE_COLUMN : SQLROUTE_TYPE;
		break;
	case ROLE_OWN:
		flags = SQLROUTE_OWN;
		break;
	case ROLE_ALIAS:
		sqlroute_level(route)->from = FROM_NOTHING;
		break;
	default:
		flags = sqlroute_settle_plain(route, behind);
		break;
	}
	sqlroute_add(route, route->word, route->length, flags);
}

/*
 * Everything else.
 */

static void
sqlroute_on_open(struct sqlroute *route)
{
	struct sqlroute_level	*level = sqlroute_level(route);
	struct sqlroute_level	 inner = { .flags = LEVEL_START |
				    LEVEL_CALL, .from = FROM_NOTHING };
	bool			 was_pending = route->is_pending;

	sqlroute_settle(route, BEHIND_OPEN);
	if (was_pending && (route->role == ROLE_ALIAS ||
	    route->role == ROLE_OWN || level->from == FROM_ITEM))
		inner.flags = LEVEL_LIST;
	else if (was_pending && route->role == ROLE_RELATION)
		inner.flags |= LEVEL_ITEM;
	else if (!was_pending && level->from == FROM_ITEM) {
		inner.flags = LEVEL_LIST;
		level->from = FROM_NOTHING;
	} else if (!was_pending && level->from == FROM_EXPECTED) {
		inner.flags = LEVEL_START | LEVEL_FROM | LEVEL_ITEM;
		inner.from = FROM_EXPECTED;
		level->from = FROM_NOTHING;
	}
	if (route->is_begun || !route->explains)
		level->flags &= (uint8_t)~LEVEL_START;
	if (route->depth + 1 == SQLROUTE_DEPTH) {
		sqlroute_doubts(route, SQLROUTE_TOO_MUCH);
		return;
	}
	route->levels[++route->depth] = inner;
}

static void
sqlroute_on_close(struct sqlroute *route)
{
	struct sqlroute_level	*inner = sqlroute_level(route);
	bool			 is_item = inner->flags & LEVEL_ITEM;

	sqlroute_settle(route, BEHIND_NOTHING);
	if (route->depth == 0) {
		sqlroute_doubts(route, SQLROUTE_UNCLEAR);
		return;
	}
	route->depth--;
	sqlroute_level(route)->has_query |= inner->has_query ||
	    inner->flags & LEVEL_QUERY;
	if (is_item)
		sqlroute_level(route)->from = FROM_ITEM;
}

static void
sqlroute_on_comma(struct sqlroute *route)
{
	struct sqlroute_level	*level = sqlroute_level(route);

	sqlroute_settle(route, BEHIND_NOTHING);
	if (level->flags & LEVEL_FROM)
		level->from = FROM_EXPECTED;
	else if (level->flags & LEVEL_WITH)
		level->flags |= LEVEL_OWN;
}

static void
sqlroute_on_symbol(struct sqlroute *route, uint8_t byte)
{
	sqlroute_settle(route, BEHIND_NOTHING);
	if (route->symbol_length + 1u == sizeof route->symbol)
		sqlroute_doubts(route, SQLROUTE_TOO_MUCH);
	else
		route->symbol[route->symbol_length++] = (char)byte;
}

/* A dot behind a digit is that of a number. */
static void
sqlroute_on_dot(struct sqlroute *route, bool was_digit)
{
	route->after_dot = !was_digit;
}

static void
sqlroute_on_string(struct sqlroute *route)
{
	sqlroute_settle(route, BEHIND_STRING);
	if (route->copies_to)
		sqlroute_doubts(route, SQLROUTE_NOT_READ);
}

static void
sqlroute_on_semicolon(struct sqlroute *route)
{
	sqlroute_settle(route, BEHIND_NOTHING);
	if (route->depth > 0)
		sqlroute_doubts(route, SQLROUTE_UNCLEAR);
	route->is_over = true;
}

void
sqlroute_on_mark(struct sqlroute *route, uint8_t byte)
{
	bool	was_digit = route->last_digit;
	bool	was_colon = route->after_colon;
	uint8_t	mark = marks[byte];

	/* Semicolons alone are no statement. */
	if ((mark == MARK_SEMICOLON && route->is_over) ||
	    sqlroute_is_done(route))
		return;
	/* The options of EXPLAIN. */
	if (!route->is_begun && mark != MARK_OPEN && mark != MARK_CLOSE &&
	    mark != MARK_SEMICOLON && !(route->explains && route->depth > 0))
		sqlroute_doubts(route, SQLROUTE_NOT_READ);
	if (mark != MARK_SYMBOL)
		sqlroute_end_symbol(route);
	if (mark != MARK_CLOSE && mark != MARK_OPEN)
		sqlroute_level(route)->flags &= (uint8_t)~LEVEL_START;
	/* ARRAY[1::int], x.y: what comes first is settled where it matters. */
	if (route->wants_type)
		sqlroute_doubts(route, SQLROUTE_UNCLEAR);
	route->distinct = 0;
	route->after_dot = route->after_colon = false;
	route->last_digit = mark == MARK_DIGIT;
	switch (mark) {
	case MARK_STRANGE:
		sqlroute_doubts(route, SQLROUTE_UNCLEAR);
		break;
	case MARK_SYMBOL:
		sqlroute_on_symbol(route, byte);
		break;
	case MARK_STRING:
		sqlroute_on_string(route);
		break;
	case MARK_DOT:
		sqlroute_on_dot(route, was_digit);
		break;
	case MARK_COMMA:
		sqlroute_on_comma(route);
		break;
	case MARK_OPEN:
		sqlroute_on_open(route);
		break;
	case MARK_CLOSE:
		sqlroute_on_close(route);
		break;
	case MARK_SEMICOLON:
		sqlroute_on_semicolon(route);
		break;
	default:
		sqlroute_settle(route, BEHIND_NOTHING);
		route->after_colon = mark == MARK_COLON && !was_colon;
		route->wants_type = mark == MARK_COLON && was_colon;
		break;
	}
	route->after_as = false;
}

/*
 * The end.
 */

/* What has no end, or has not begun. */
static enum sqlroute_doubt
sqlroute_last_doubt(const struct sqlroute *route, const struct sqlscan *scan)
{
	/* Whether it draws or locks is told by the names in it. */
	uint32_t	touches = scan->touches & ~(uint32_t)
			    (SQL_TOUCHES_DRAWS | SQL_TOUCHES_LOCAL_LOCK);

	if (route->copies)
		touches &= (uint32_t)~SQL_TOUCHES_COPY;
	if (scan->statements == 0)
		return SQLROUTE_EMPTY;
	if (scan->statements > 1)
		return SQLROUTE_SEVERAL;
	if (!route->is_begun || route->copies != route->ignores)
		return SQLROUTE_NOT_READ;
	if (touches != 0)
		return SQLROUTE_SESSION;
	return route->depth > 0 || route->after_dot || route->wants_type ?
	    SQLROUTE_UNCLEAR : SQLROUTE_READ;
}

void
sqlroute_end(struct sqlroute *route, const struct sqlscan *scan)
{
	sqlroute_end_symbol(route);
	sqlroute_settle(route, BEHIND_NOTHING);
	sqlroute_doubts(route, sqlroute_last_doubt(route, scan));
}

void
sqlroute_text(struct sqlroute *route, struct sqlscan *scan, const void *text,
    size_t n)
{
	sqlscan_init(scan, true);
	sqlroute_attach(route, scan);
	sqlscan_feed(scan, text, n);
	sqlscan_end(scan);
	sqlroute_end(route, scan);
}
