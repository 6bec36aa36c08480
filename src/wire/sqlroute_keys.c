/*
 * What words do: key words open and close the parts of a query, all others
 * wait for what stands behind them.
 */

#include <string.h>

#include "wire/sqlroute_private.h"
#include "wire/sqlroute_words.h"

/* A query begins in this parenthesis, or behind UNION in it. */
static void
sqlroute_begin_query(struct sqlroute *route, uint8_t from)
{
	struct sqlroute_level	*level = sqlroute_level(route);

	route->is_begun = true;
	level->flags |= LEVEL_QUERY;
	level->flags &= (uint8_t)~(LEVEL_FROM | LEVEL_WITH | LEVEL_OWN);
	level->from = from;
}

static void
sqlroute_on_with(struct sqlroute *route, bool is_first)
{
	if (!is_first)
		return;
	route->is_begun = true;
	sqlroute_level(route)->flags |= LEVEL_WITH | LEVEL_OWN;
}

/* Of a query, of extract() and substring(), or of IS DISTINCT FROM. */
static void
sqlroute_on_from(struct sqlroute *route, uint8_t distinct)
{
	struct sqlroute_level	*level = sqlroute_level(route);

	if (route->copies && route->depth == 0)
		sqlroute_doubts(route, SQLROUTE_WRITES);
	else if (distinct == 2)
		return;
	else if (level->flags & LEVEL_QUERY) {
		level->flags |= LEVEL_FROM;
		level->from = FROM_EXPECTED;
	} else if (!(level->flags & LEVEL_CALL))
		sqlroute_doubts(route, SQLROUTE_UNCLEAR);
}

/* Of a query it locks rows; else it belongs to substring() and the like. */
static void
sqlroute_on_for(struct sqlroute *route)
{
	uint8_t	flags = sqlroute_level(route)->flags;

	if (flags & LEVEL_QUERY || sqlroute_level(route)->has_query)
		sqlroute_doubts(route, SQLROUTE_LOCKS);
	else if (!(flags & LEVEL_CALL))
		sqlroute_doubts(route, SQLROUTE_UNCLEAR);
}

static void
sqlroute_on_as(struct sqlroute *route)
{
	uint8_t	flags = sqlroute_level(route)->flags;

	route->after_as = true;
	route->wants_type = flags & LEVEL_CALL &&
	    !(flags & (LEVEL_QUERY | LEVEL_WITH));
}

static void
sqlroute_on_copy(struct sqlroute *route, bool is_first)
{
	if (!is_first || route->is_begun || route->explains ||
	    route->depth > 0)
		return;
	route->copies = route->is_begun = true;
	sqlroute_level(route)->from = FROM_EXPECTED;
}

/* EXPLAIN, its options, and ANALYZE leave the beginning where it was. */
static void
sqlroute_on_explain(struct sqlroute *route, bool is_first)
{
	if (route->is_begun)
		return;
	if (!is_first || route->explains || route->depth > 0)
		sqlroute_doubts(route, SQLROUTE_NOT_READ);
	route->explains = true;
	sqlroute_level(route)->flags |= LEVEL_START;
}

/* True: the word is a name all the same, where one is possible. */
static bool
sqlroute_on_key(struct sqlroute *route, const struct sqlroute_word *key,
    bool is_first, uint8_t distinct)
{
	struct sqlroute_level	*level = sqlroute_level(route);

	switch (key->action) {
	case ACT_REFUSE:
		sqlroute_doubts(route, route->is_begun ? SQLROUTE_WRITES :
		    SQLROUTE_NOT_READ);
		break;
	case ACT_QUERY:
		sqlroute_begin_query(route, FROM_NOTHING);
		break;
	case ACT_TABLE:
		sqlroute_begin_query(route, FROM_EXPECTED);
		break;
	case ACT_WITH:
		sqlroute_on_with(route, is_first);
		break;
	case ACT_FROM:
		sqlroute_on_from(route, distinct);
		break;
	case ACT_JOIN:
		if (!(level->flags & LEVEL_FROM))
			break;
		level->from = FROM_EXPECTED;
		sqlroute_add(route, key->word, strlen(key->word),
		    SQLROUTE_COLUMN);
		return false;
	case ACT_ON:
		if (!(level->flags & LEVEL_FROM))
			break;
		level->from = FROM_NOTHING;
		return false;
	case ACT_END_FROM:
		level->flags &= (uint8_t)~LEVEL_FROM;
		level->from = FROM_NOTHING;
		break;
	case ACT_FOR:
		sqlroute_on_for(route);
		break;
	case ACT_AS:
		sqlroute_on_as(route);
		break;
	case ACT_BETWEEN:
		return level->from != FROM_ITEM &&
		    !(level->flags & LEVEL_OWN) &&
		    key->kind == WORD_LOOSE;
	case ACT_IS:
		route->distinct = 1;
		break;
	case ACT_DISTINCT:
		route->distinct = distinct == 1 ? 2 : 0;
		break;
	case ACT_EXPLAIN:
		sqlroute_on_explain(route, is_first);
		return route->is_begun;
	case ACT_COPY:
		sqlroute_on_copy(route, is_first);
		return !route->copies || level->from != FROM_EXPECTED;
	case ACT_TO:
		route->copies_to |= route->copies && route->depth == 0;
		break;
	}
	return key->kind == WORD_LOOSE;
}

static uint8_t
sqlroute_role(struct sqlroute *route)
{
	struct sqlroute_level	*level = sqlroute_level(route);

	if (route->wants_type)
		return ROLE_TYPE;
	if (level->flags & LEVEL_LIST)
		return ROLE_PLAIN;
	if (level->flags & LEVEL_OWN) {
		level->flags &= (uint8_t)~LEVEL_OWN;
		return ROLE_OWN;
	}
	return level->from == FROM_EXPECTED ? ROLE_RELATION :
	    level->from == FROM_ITEM ? ROLE_ALIAS : ROLE_PLAIN;
}

/* The word before has no dot behind it, or is the schema of this one. */
static void
sqlroute_begin_pending(struct sqlroute *route, const char *word,
    size_t length, bool is_dotted)
{
	bool	inherits = route->is_pending && is_dotted;

	if (inherits)
		sqlroute_add(route, route->word, route->length, 0);
	else
		route->role = is_dotted ? ROLE_PLAIN : sqlroute_role(route);
	route->is_pending = true;
	route->is_qualified = is_dotted;
	route->wants_type = false;
	route->length = (uint8_t)length;
	memcpy(route->word, word, length);
	route->word[length] = '\0';
}

/* Before the query: EXPLAIN's options.  Behind COPY ... TO: only STDOUT. */
static bool
sqlroute_takes_early(struct sqlroute *route, const char *word)
{
	if (route->copies_to) {
		if (strcmp(word, "stdout") != 0)
			sqlroute_doubts(route, SQLROUTE_NOT_READ);
		route->ignores = true;
		return true;
	}
	if (route->is_begun)
		return false;
	if (!route->explains || (route->depth == 0 &&
	    strcmp(word, "analyze") != 0 && strcmp(word, "analyse") != 0 &&
	    strcmp(word, "verbose") != 0))
		sqlroute_doubts(route, SQLROUTE_NOT_READ);
	sqlroute_level(route)->flags |= route->depth == 0 ? LEVEL_START : 0;
	return true;
}

static bool
sqlroute_begins(const struct sqlroute_word *key)
{
	return key != NULL && (key->action == ACT_QUERY ||
	    key->action == ACT_TABLE || key->action == ACT_WITH ||
	    key->action == ACT_EXPLAIN || key->action == ACT_COPY);
}

/* SELECT 1 AS anything: reserved or not. */
static bool
sqlroute_is_label(const struct sqlroute *route,
    const struct sqlroute_level *level)
{
	return route->after_as && level->flags & LEVEL_QUERY &&
	    !(level->flags & (LEVEL_FROM | LEVEL_WITH));
}

void
sqlroute_on_word(struct sqlroute *route, const char *word, size_t length,
    bool is_quoted)
{
	struct sqlroute_level	   *level = sqlroute_level(route);
	const struct sqlroute_word *key = NULL;
	bool			    is_dotted = route->after_dot, is_first;
	uint8_t			    distinct = route->distinct;

	if (sqlroute_is_done(route))
		return;
	/* One as long as this may have been cut. */
	if (length >= sizeof route->word - 1)
		sqlroute_doubts(route, SQLROUTE_TOO_MUCH);
	sqlroute_end_symbol(route);
	if (!is_dotted)
		sqlroute_settle(route, BEHIND_NOTHING);
	if (!is_dotted && !is_quoted && !sqlroute_is_label(route, level))
		key = sqlroute_word_find(word);
	route->after_dot = route->after_as = route->after_colon = false;
	route->distinct = route->last_digit = 0;
	is_first = level->flags & LEVEL_START;
	level->flags &= (uint8_t)~LEVEL_START;
	if ((!sqlroute_begins(key) || route->copies_to) &&
	    sqlroute_takes_early(route, word))
		return;
	if (key != NULL && !sqlroute_on_key(route, key, is_first, distinct)) {
		if (route->wants_type && key->kind == WORD_RESERVED &&
		    key->action != ACT_AS)
			sqlroute_doubts(route, SQLROUTE_UNCLEAR);
		route->wants_type &= key->action == ACT_AS;
		return;
	}
	route->is_quoted = is_quoted;
	route->is_loose = key != NULL;
	sqlroute_begin_pending(route, word, length, is_dotted);
}
