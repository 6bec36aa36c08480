/*
 * What words mean: the verb a statement begins with, the words that change
 * it, and the functions whose names alone say that something is touched.
 */

#include <string.h>

#include "base/mem.h"
#include "wire/sqlscan_private.h"

/* Words that change the meaning of the next one. */
enum before {
	BEFORE_NOTHING,
	BEFORE_INTO,
	BEFORE_WITH,
	BEFORE_BEGIN,
};

/* Sorted by word.  What EXPLAIN can explain is marked. */
static const struct verb {
	const char	*word;
	uint8_t		 verb;
	bool		 is_explained;
} verbs[] = {
	{ "abort", SQL_ROLLBACK, false },
	{ "alter", SQL_ALTER, false },
	{ "analyse", SQL_ANALYZE, false },
	{ "analyze", SQL_ANALYZE, false },
	{ "begin", SQL_BEGIN, false },
	{ "call", SQL_CALL, false },
	{ "close", SQL_CLOSE, false },
	{ "commit", SQL_COMMIT, false },
	{ "copy", SQL_COPY, false },
	{ "create", SQL_CREATE, true },
	{ "deallocate", SQL_DEALLOCATE, false },
	{ "declare", SQL_DECLARE, true },
	{ "delete", SQL_DELETE, true },
	{ "discard", SQL_DISCARD_OTHER, false },
	{ "do", SQL_DO, false },
	{ "drop", SQL_DROP, false },
	{ "end", SQL_COMMIT, false },
	{ "execute", SQL_EXECUTE, true },
	{ "explain", SQL_EXPLAIN, false },
	{ "fetch", SQL_FETCH, false },
	{ "grant", SQL_GRANT, false },
	{ "insert", SQL_INSERT, true },
	{ "listen", SQL_LISTEN, false },
	{ "load", SQL_LOAD, false },
	{ "lock", SQL_LOCK, false },
	{ "merge", SQL_MERGE, true },
	{ "move", SQL_MOVE, false },
	{ "notify", SQL_NOTIFY, false },
	{ "prepare", SQL_PREPARE, false },
	{ "refresh", SQL_REFRESH, true },
	{ "release", SQL_RELEASE, false },
	{ "reset", SQL_RESET, false },
	{ "revoke", SQL_REVOKE, false },
	{ "rollback", SQL_ROLLBACK, false },
	{ "savepoint", SQL_SAVEPOINT, false },
	{ "select", SQL_SELECT, true },
	{ "set", SQL_SET, false },
	{ "show", SQL_SHOW, false },
	{ "start", SQL_START, false },
	{ "table", SQL_TABLE, true },
	{ "truncate", SQL_TRUNCATE, false },
	{ "unlisten", SQL_UNLISTEN, false },
	{ "update", SQL_UPDATE, true },
	{ "vacuum", SQL_VACUUM, false },
	{ "values", SQL_VALUES, true },
	{ "with", SQL_WITH, true },
};

/* A verb and a word behind it that make another verb. */
static const struct {
	uint8_t		 verb;
	const char	*word;
	uint8_t		 becomes;
} turns[] = {
	{ SQL_SET, "local", SQL_SET_LOCAL },
	{ SQL_SET, "session", SQL_SET_SESSION },
	{ SQL_SET, "transaction", SQL_SET_TRANSACTION },
	{ SQL_SET, "constraints", SQL_SET_CONSTRAINTS },
	{ SQL_SET, "role", SQL_SET_ROLE },
	{ SQL_SET_SESSION, "characteristics",
	    SQL_SET_SESSION_CHARACTERISTICS },
	{ SQL_SET_SESSION, "authorization", SQL_SET_SESSION_AUTHORIZATION },
	{ SQL_DISCARD_OTHER, "all", SQL_DISCARD_ALL },
	{ SQL_RESET, "all", SQL_RESET_ALL },
	{ SQL_DEALLOCATE, "all", SQL_DEALLOCATE_ALL },
	{ SQL_START, "transaction", SQL_BEGIN },
	{ SQL_COMMIT, "prepared", SQL_COMMIT_PREPARED },
	{ SQL_ROLLBACK, "prepared", SQL_ROLLBACK_PREPARED },
	{ SQL_ROLLBACK, "to", SQL_ROLLBACK_TO },
	{ SQL_PREPARE, "transaction", SQL_PREPARE_TRANSACTION },
};

/* What a verb touches by itself, looked up when the statement has ended. */
static const uint32_t	verb_touches[SQL_WITH + 1] = {
	[SQL_SET] = SQL_TOUCHES_SETTINGS,
	[SQL_SET_ROLE] = SQL_TOUCHES_SETTINGS,
	[SQL_SET_SESSION] = SQL_TOUCHES_SETTINGS,
	[SQL_SET_SESSION_AUTHORIZATION] = SQL_TOUCHES_SETTINGS,
	[SQL_SET_SESSION_CHARACTERISTICS] = SQL_TOUCHES_SETTINGS,
	[SQL_SET_LOCAL] = SQL_TOUCHES_LOCAL,
	[SQL_SET_TRANSACTION] = SQL_TOUCHES_TRANSACTION,
	[SQL_RESET] = SQL_TOUCHES_SETTINGS | SQL_TOUCHES_RESETS,
	[SQL_RESET_ALL] = SQL_TOUCHES_RESET_ALL,
	[SQL_DISCARD_ALL] = SQL_TOUCHES_SETTINGS | SQL_TOUCHES_DISCARD_ALL |
	    SQL_TOUCHES_RESETS,
	[SQL_INSERT] = SQL_TOUCHES_DRAWS,
	[SQL_MERGE] = SQL_TOUCHES_DRAWS,
	[SQL_WITH] = SQL_TOUCHES_DRAWS,
	[SQL_DO] = SQL_TOUCHES_UNKNOWN | SQL_TOUCHES_DRAWS,
	[SQL_CALL] = SQL_TOUCHES_UNKNOWN | SQL_TOUCHES_DRAWS,
	[SQL_EXECUTE] = SQL_TOUCHES_EXECUTE | SQL_TOUCHES_DRAWS,
	[SQL_LISTEN] = SQL_TOUCHES_LISTEN,
	[SQL_UNLISTEN] = SQL_TOUCHES_UNLISTEN,
	[SQL_LOAD] = SQL_TOUCHES_LOAD,
	[SQL_PREPARE] = SQL_TOUCHES_PREPARE,
	[SQL_PREPARE_TRANSACTION] = SQL_TOUCHES_BLOCK,
	[SQL_DEALLOCATE] = SQL_TOUCHES_DEALLOCATE | SQL_TOUCHES_UNTIES,
	[SQL_DEALLOCATE_ALL] = SQL_TOUCHES_DEALLOCATE_ALL |
	    SQL_TOUCHES_UNTIES,
	[SQL_DROP] = SQL_TOUCHES_UNTIES,
	[SQL_CLOSE] = SQL_TOUCHES_UNTIES,
	[SQL_DISCARD_OTHER] = SQL_TOUCHES_UNTIES,
	[SQL_BEGIN] = SQL_TOUCHES_BLOCK,
	[SQL_COPY] = SQL_TOUCHES_COPY | SQL_TOUCHES_DRAWS,
};

static bool
verb_sets(uint8_t verb)
{
	return verb == SQL_SET || verb == SQL_SET_SESSION ||
	    verb == SQL_SET_LOCAL;
}

static bool
word_is(const struct sqlscan *scan, const char *word)
{
	return strcmp(scan->word, word) == 0;
}

static const struct verb *
verb_find(const struct sqlscan *scan)
{
	size_t	low = 0, high = ARRAY_LENGTH(verbs), middle;
	int	order;

	while (low < high) {
		middle = (low + high) / 2;
		order = strcmp(scan->word, verbs[middle].word);
		if (order == 0)
			return &verbs[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* Functions, quoted or not, whose names say it all. */
static uint32_t
word_touches(const struct sqlscan *scan)
{
	const char	*word = scan->word;

	switch (word[0]) {
	case 'n':
		return word_is(scan, "nextval") ? SQL_TOUCHES_DRAWS : 0;
	case 's':
		if (word_is(scan, "setval"))
			return SQL_TOUCHES_DRAWS;
		/* pg_trgm's. */
		return word_is(scan, "set_limit") ? SQL_TOUCHES_SETTINGS : 0;
	case 'c':
		return word_is(scan, "currval") ? SQL_TOUCHES_SEQUENCE : 0;
	case 'l':
		return word_is(scan, "lastval") ? SQL_TOUCHES_SEQUENCE : 0;
	case 'p':
		if (strncmp(word, "pg_temp", 7) == 0)
			return SQL_TOUCHES_TEMP;
		/* A view whose UPDATE sets. */
		if (word_is(scan, "pg_settings"))
			return scan->verb == SQL_SELECT ? 0 :
			    SQL_TOUCHES_SETTINGS;
		if (strncmp(word, "pg_advisory_lock", 16) == 0 ||
		    strncmp(word, "pg_try_advisory_lock", 20) == 0)
			return SQL_TOUCHES_LOCK;
		if (strncmp(word, "pg_advisory_xact_lock", 21) == 0 ||
		    strncmp(word, "pg_try_advisory_xact_lock", 25) == 0)
			return SQL_TOUCHES_LOCAL_LOCK;
		if (strncmp(word, "pg_advisory_unlock", 18) == 0)
			return SQL_TOUCHES_UNTIES;
		return 0;
	default:
		return 0;
	}
}

static void
sqlscan_first_word(struct sqlscan *scan)
{
	const struct verb	*verb = scan->word_is_quoted ? NULL :
				    verb_find(scan);

	scan->verb = scan->inner = verb == NULL ? SQL_OTHER : verb->verb;
}

/* EXPLAIN (options) ANALYZE ... what? */
static void
sqlscan_explained_word(struct sqlscan *scan)
{
	const struct verb	*verb;

	if (scan->parens > 0 || (verb = verb_find(scan)) == NULL ||
	    !verb->is_explained)
		return;
	scan->inner = verb->verb;
	scan->words = 1;
}

static void
sqlscan_turn(struct sqlscan *scan)
{
	/* A name may stand between: ROLLBACK WORK TO, DEALLOCATE PREPARE. */
	if (scan->words > 3 || scan->word_is_quoted)
		return;
	for (size_t i = 0; i < ARRAY_LENGTH(turns); i++)
		if (turns[i].verb == scan->verb &&
		    word_is(scan, turns[i].word)) {
			if (scan->words > 2 && scan->verb != SQL_ROLLBACK &&
			    scan->verb != SQL_DEALLOCATE &&
			    scan->verb != SQL_SET_SESSION)
				return;
			scan->verb = scan->inner = turns[i].becomes;
			return;
		}
}

static bool
word_is_temp(const struct sqlscan *scan)
{
	return !scan->word_is_quoted &&
	    (word_is(scan, "temp") || word_is(scan, "temporary"));
}

static bool
word_defines(const struct sqlscan *scan)
{
	return !scan->word_is_quoted && (word_is(scan, "function") ||
	    word_is(scan, "procedure") || word_is(scan, "trigger") ||
	    word_is(scan, "extension") || word_is(scan, "view"));
}

/*
 * What of DDL is nobody's business but the client's, or changes no statement's
 * meaning for the worse: temporary relations, indexes, and a table's end.
 */
static void
sqlscan_follow_ddl(struct sqlscan *scan)
{
	static const char *const	adjectives[] = { "or", "replace",
	    "local", "global", "unique" };

	if (scan->word_is_quoted || scan->words != scan->adjectives + 2)
		return;
	scan->is_private = word_is(scan, "index") || (scan->verb ==
	    SQL_CREATE ? word_is_temp(scan) : word_is(scan, "table"));
	for (size_t i = 0; i < ARRAY_LENGTH(adjectives); i++)
		if (word_is(scan, adjectives[i]))
			scan->adjectives++;
}

/* BEGIN ATOMIC ... END, with CASE ... END inside, in CREATE FUNCTION. */
static void
sqlscan_follow_atomic(struct sqlscan *scan)
{
	if (scan->inner != SQL_CREATE || scan->word_is_quoted)
		return;
	if (scan->before == BEFORE_BEGIN && word_is(scan, "atomic"))
		scan->atomic = 1;
	else if (scan->atomic > 0 && scan->atomic < UINT8_MAX &&
	    word_is(scan, "case"))
		scan->atomic++;
	else if (scan->atomic > 0 && word_is(scan, "end"))
		scan->atomic--;
}

/* TO DEFAULT; SET TIME ZONE LOCAL, or DEFAULT. */
static bool
word_says_default(const struct sqlscan *scan)
{
	if (scan->is_assigned)
		return word_is(scan, "default");
	return (scan->words == 4 || scan->words == 5) &&
	    (word_is(scan, "local") || word_is(scan, "default"));
}

static void
sqlscan_later_word(struct sqlscan *scan)
{
	if (scan->inner == SQL_EXPLAIN)
		sqlscan_explained_word(scan);
	else
		sqlscan_turn(scan);
	if (word_is_temp(scan) && (scan->before == BEFORE_INTO ||
	    (scan->inner == SQL_CREATE && scan->words <= 5 &&
	    scan->parens == 0)))
		scan->touches |= SQL_TOUCHES_TEMP;
	if (scan->inner == SQL_CREATE && scan->words <= 5 &&
	    scan->parens == 0 && word_defines(scan))
		scan->touches |= SQL_TOUCHES_DEFINES;
	if (scan->inner == SQL_DECLARE && scan->before == BEFORE_WITH &&
	    word_is(scan, "hold"))
		scan->touches |= SQL_TOUCHES_HOLD;
	if (verb_sets(scan->verb) && !scan->word_is_quoted &&
	    word_says_default(scan))
		scan->touches |= scan->verb == SQL_SET_LOCAL ?
		    SQL_TOUCHES_LOCAL_RESETS : SQL_TOUCHES_RESETS;
	if (scan->inner == SQL_CLOSE && scan->words == 2 &&
	    word_is(scan, "all"))
		scan->touches |= SQL_TOUCHES_CLOSE_ALL;
	sqlscan_follow_atomic(scan);
	if (scan->verb == SQL_CREATE || scan->verb == SQL_DROP)
		sqlscan_follow_ddl(scan);
}

void
sqlscan_on_word(struct sqlscan *scan)
{
	scan->words += scan->words < UINT16_MAX;
	if (scan->verb == SQL_EMPTY)
		sqlscan_first_word(scan);
	else {
		scan->touches |= word_touches(scan);
		if (scan->name_state != NAME_NONE)
			sqlscan_name_word(scan);
		sqlscan_config_word(scan);
		sqlscan_later_word(scan);
	}
	/* INTO LOCAL TEMP */
	if (scan->before == BEFORE_INTO && !scan->word_is_quoted &&
	    (word_is(scan, "local") || word_is(scan, "global")))
		return;
	scan->before = BEFORE_NOTHING;
	if (scan->word_is_quoted)
		return;
	switch (scan->word[0]) {
	case 't':
		scan->is_assigned |= word_is(scan, "to");
		break;
	case 'i':
		if (word_is(scan, "into"))
			scan->before = BEFORE_INTO;
		break;
	case 'w':
		if (word_is(scan, "with"))
			scan->before = BEFORE_WITH;
		break;
	case 'b':
		if (word_is(scan, "begin"))
			scan->before = BEFORE_BEGIN;
		break;
	}
}

bool
sqlscan_is_atomic(const struct sqlscan *scan)
{
	return scan->atomic > 0;
}

/*
 * The names so far are set by the first statement but BEGIN, and nothing in it
 * was evaluated before that: it calls no function but set_config().
 */
static void
sqlscan_tell_leading(struct sqlscan *scan)
{
	if (scan->verb == SQL_EMPTY || scan->verb == SQL_BEGIN)
		return;
	if (scan->names != NULL && !scan->is_led && (verb_sets(scan->verb) ||
	    (scan->verb == SQL_SELECT && scan->config_count > 0 &&
	    scan->opened == scan->config_count)))
		scan->names->leading = scan->names->count;
	scan->is_led = true;
}

void
sqlscan_on_end(struct sqlscan *scan)
{
	uint32_t	before;

	if (scan->has_tokens) {
		if (scan->verb == SQL_EMPTY)
			scan->verb = SQL_OTHER;
		if (scan->verb == SQL_START)
			scan->verb = SQL_OTHER;
		before = scan->touches;
		scan->touches |= verb_touches[scan->verb] |
		    verb_touches[scan->inner];
		if (scan->is_dotted)
			scan->touches = before | SQL_TOUCHES_TRANSACTION;
		if (scan->name_state != NAME_NONE)
			sqlscan_name_end(scan);
		/* Or a statement of that name. */
		if (scan->verb == SQL_PREPARE_TRANSACTION && scan->words > 2)
			scan->touches |= SQL_TOUCHES_PREPARE;
		scan->alters |= !scan->is_private &&
		    (scan->verb == SQL_CREATE || scan->verb == SQL_ALTER ||
		    scan->verb == SQL_DROP);
		if (scan->statements++ == 0)
			scan->first = scan->verb;
		scan->last = scan->verb;
	}
	sqlscan_config_end(scan);
	sqlscan_tell_leading(scan);
	scan->is_assigned = scan->is_dotted = false;
	scan->verb = scan->inner = SQL_EMPTY;
	scan->name_state = NAME_NONE;
	scan->config_count = scan->opened = 0;
	scan->has_tokens = false;
	scan->before = BEFORE_NOTHING;
	scan->atomic = 0;
	scan->words = scan->adjectives = scan->parens = 0;
	scan->is_private = false;
}
