/*
 * See session/words.h.
 *
 * A list is one block of memory: entries sorted by name, then the names.  Old
 * lists are kept until the process ends, for readers without a lock; a list
 * that says the same as the one in force is dropped.
 */

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "pool/pool.h"
#include "session/words.h"
#include "wire/get.h"
#include "wire/sqlscan.h"

#define WORDS_INTERVAL_US	(60 * US_PER_SECOND)
enum { WORDS_MAX = 100000, WORD_BYTES = 64 };

bool	words_are_followed;

/* Where a statement begins, also one in a string. */
#define BEGINS								\
	"(^|[;''\"$]|\\m(begin|then|else|loop|declare)\\M)\\s*"
#define SETS	BEGINS "(re)?set\\s+"
/* A name with a dot in it, as the first argument of set_config(). */
#define NAME	"[\\w$]+(?:\\.[\\w$]+)+"
#define LITERAL	"\\s*e?''+"

/*
 * SET LOCAL and set_config(..., true) end with the transaction, but for the
 * names of custom settings.  These come as rows of their own, in which a dot
 * tells them from words.  The numbers are sqlscan's: see the assertions below.
 */
const char	words_query[] =
    "WITH RECURSIVE source (name, raw, config, is_called) AS MATERIALIZED ("
    " SELECT pg_catalog.lower(p.proname::pg_catalog.text),"
    "  pg_catalog.regexp_replace(pg_catalog.lower("
    "  CASE WHEN p.prosrc = '' THEN pg_catalog.pg_get_functiondef(p.oid)"
    "  ELSE p.prosrc END), '--[^\n]*|/\\*.*?\\*/', ' ', 'g'),"
    " pg_catalog.array_to_string(p.proconfig, '\n'),"
    " p.prorettype <> 'pg_catalog.trigger'::pg_catalog.regtype"
    " FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l"
    " ON l.oid = p.prolang WHERE p.oid >= 16384 AND p.prokind IN ('f', 'p')"
    " AND l.lanname NOT IN ('c', 'internal')"
    "), stripped (name, text) AS MATERIALIZED ("
    " SELECT name, pg_catalog.regexp_replace(raw, 'set_config\\s*\\("
    "([^()]|\\([^()]*\\))*,\\s*true\\s*\\)', ' ', 'g') FROM source"
    "), named (name, custom) AS MATERIALIZED ("
    " SELECT name, n[1] FROM source, pg_catalog.regexp_matches(raw,"
    "  'set_config\\s*\\(" LITERAL "(" NAME ")''+\\s*,', 'g') n"
    " UNION SELECT name, pg_catalog.replace(n[1], '\"', '') FROM source,"
    "  pg_catalog.regexp_matches(raw, '\\m(?:re)?set\\s+(?:(?:session|local)"
    "\\s+)?(\"?[\\w$]+\"?(?:\\.\"?[\\w$]+\"?)+)', 'g') n"
    " UNION SELECT name, pg_catalog.lower(n[1]) FROM source,"
    "  pg_catalog.regexp_matches(config, '(?:^|\n)(" NAME ")=', 'g') n"
    "), base (name, touch) AS MATERIALIZED ("
    " SELECT name, 8192 FROM stripped WHERE text ~ 'pg_(try_)?advisory_lock'"
    " UNION SELECT name, 67108864 FROM stripped"
    "  WHERE text ~ 'pg_(try_)?advisory_xact_lock'"
    " UNION SELECT name, 1048576 FROM stripped"
    "  WHERE text ~ 'pg_advisory_unlock'"
    " UNION SELECT name, 1 FROM stripped WHERE text ~ '\\mset_config\\M'"
    "  OR text ~ '" SETS "(?!local\\M|constraints\\M|transaction\\M)'"
    "  OR text ~ '\\mset_limit\\M|\\mupdate\\s+(pg_catalog\\.)?pg_settings'"
    /* One that asks without drawing; a trigger asks what was drawn. */
    " UNION SELECT name, 4096 FROM source WHERE is_called"
    "  AND raw ~ '\\m(curr|last)val\\M' AND raw !~ '\\m(nextval|insert)\\M'"
    " UNION SELECT name, 8388608 FROM named"
    " UNION SELECT name, 262145 FROM stripped"
    "  WHERE text ~ 'set_config\\s*\\((?!" LITERAL "[\\w$.]+''+\\s*,)'"
    "  OR text ~ '" SETS "(session\\s+)?(''|%|\"?\\s*\\|\\|)'"
    " UNION SELECT name, 8 FROM stripped"
    "  WHERE text ~ '(create(\\s+or\\s+replace)?|into)\\s+"
    "((local|global)\\s+)?temp|create\\s[^;]*\\mpg_temp\\.'"
    " UNION SELECT name, 64 FROM stripped WHERE text ~ 'with\\s+hold\\M'"
    " UNION SELECT name, 4 FROM stripped"
    "  WHERE text ~ '" BEGINS "(un)?listen\\M'"
    "), caller (name, text) AS MATERIALIZED ("
    " SELECT name, raw FROM source"
    " UNION ALL SELECT pg_catalog.lower(c.relname::pg_catalog.text),"
    "  pg_catalog.lower(p.proname::pg_catalog.text)"
    "  FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c"
    "   ON c.oid = t.tgrelid JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid"
    "  WHERE NOT t.tgisinternal"
    " UNION ALL SELECT pg_catalog.lower(c.relname::pg_catalog.text),"
    "  pg_catalog.lower(pg_catalog.pg_get_viewdef(c.oid))"
    "  FROM pg_catalog.pg_class c WHERE c.relkind = 'v' AND c.oid >= 16384"
    "  AND EXISTS (SELECT FROM base)"
    "), uses (name, word) AS MATERIALIZED ("
    " SELECT DISTINCT c.name, w[1] FROM caller c,"
    "  pg_catalog.regexp_matches(c.text, '[[:alpha:]_][[:alnum:]_$]*', 'g')"
    "   w"
    " WHERE EXISTS (SELECT FROM base)"
    "  AND EXISTS (SELECT FROM caller k WHERE k.name = w[1])"
    "), touching (name, touch) AS ("
    " SELECT name, touch FROM base"
    " UNION SELECT u.name, t.touch FROM touching t JOIN uses u"
    "  ON u.word = t.name"
    ") SELECT name, pg_catalog.bit_or(touch) FROM touching GROUP BY name"
    " UNION ALL SELECT DISTINCT custom, 8388608 FROM named";

_Static_assert(SQL_TOUCHES_LOCK == 8192 && SQL_TOUCHES_UNTIES == 1048576 &&
    SQL_TOUCHES_LOCAL_LOCK == 67108864 &&
    SQL_TOUCHES_SETTINGS == 1 && SQL_TOUCHES_TEMP == 8 &&
    SQL_TOUCHES_SEQUENCE == 4096 &&
    (SQL_TOUCHES_CUSTOM | SQL_TOUCHES_SETTINGS) == 262145 &&
    SQL_TOUCHES_HOLD == 64 && SQL_TOUCHES_UNKNOWN == 4 &&
    SQL_TOUCHES_NAMES == 8388608,
    "the query has these numbers");

bool
words_are_due(struct pool *pool, int64_t now_us)
{
	int64_t	due_us = atomic_load_explicit(&pool->words_due_us,
		    memory_order_relaxed);

	return now_us >= due_us && words_are_followed &&
	    atomic_compare_exchange_strong(&pool->words_due_us, &due_us,
	    now_us + WORDS_INTERVAL_US);
}

void
words_expire(struct pool *pool)
{
	atomic_store(&pool->words_due_us, 0);
}

/*
 * Building.
 */

struct word {
	char		*name;
	uint32_t	 touches;
};

struct words_draft {
	struct word	*words;
	size_t		 count, size;
};

struct words_draft *
words_draft_new(void)
{
	return mem_new(sizeof(struct words_draft));
}

void
words_draft_free(struct words_draft *draft)
{
	if (draft == NULL)
		return;
	for (size_t i = 0; i < draft->count; i++)
		free(draft->words[i].name);
	free(draft->words);
	free(draft);
}

bool
words_draft_take_row(struct words_draft *draft, const uint8_t *body, size_t n)
{
	struct get	 get;
	const uint8_t	*name, *number;
	int32_t		 name_bytes, number_bytes;
	uint32_t	 touches = 0;

	get_init(&get, body, n);
	if (get_u16(&get) != 2 || (name_bytes = get_i32(&get)) <= 0)
		return false;
	name = get_bytes(&get, (size_t)name_bytes);
	if ((number_bytes = get_i32(&get)) <= 0)
		return false;
	number = get_bytes(&get, (size_t)number_bytes);
	if (!get_is_done(&get) || draft->count == WORDS_MAX)
		return false;
	for (int32_t i = 0; i < number_bytes; i++)
		touches = touches * 10 + (uint32_t)(number[i] - '0');
	if (name_bytes >= WORD_BYTES)
		return true;
	if (draft->count == draft->size) {
		draft->size = draft->size * 2 + 16;
		draft->words = mem_resize(draft->words,
		    draft->size * sizeof draft->words[0]);
	}
	draft->words[draft->count].name = mem_string_n((const char *)name,
	    (size_t)name_bytes);
	draft->words[draft->count++].touches = touches;
	return true;
}

static int
word_compare(const void *a, const void *b)
{
	return strcmp(((const struct word *)a)->name,
	    ((const struct word *)b)->name);
}

static struct pool_words *
words_make(struct words_draft *draft)
{
	struct pool_words	*words;
	size_t			 bytes = 0, entries_bytes;
	char			*to;

	if (draft->count > 1)
		qsort(draft->words, draft->count, sizeof draft->words[0],
		    word_compare);
	for (size_t i = 0; i < draft->count; i++)
		bytes += strlen(draft->words[i].name) + 1;
	entries_bytes = draft->count * sizeof words->entries[0];
	words = mem_new(sizeof *words + entries_bytes + bytes);
	words->count = (uint32_t)draft->count;
	words->bytes = entries_bytes + bytes;
	to = (char *)&words->entries[draft->count];
	for (size_t i = 0; i < draft->count; i++) {
		words->entries[i].name = (uint32_t)(to -
		    (char *)words->entries);
		words->entries[i].touches = draft->words[i].touches;
		bytes = strlen(draft->words[i].name) + 1;
		memcpy(to, draft->words[i].name, bytes);
		to += bytes;
	}
	return words;
}

void
words_replace(struct pool *pool, struct words_draft *draft)
{
	struct pool_words	*words = words_make(draft);
	struct pool_words	*old = atomic_load(&pool->words);

	words_draft_free(draft);
	if (old == NULL ? words->count == 0 : old->bytes == words->bytes &&
	    old->count == words->count &&
	    memcmp(old->entries, words->entries, words->bytes) == 0) {
		free(words);
		return;
	}
	do
		words->older = old;
	while (!atomic_compare_exchange_weak(&pool->words, &old, words));
}

/*
 * Looking up.
 */

static uint32_t
words_find(const struct pool_words *words, const char *name)
{
	size_t	low = 0, high = words->count, middle;
	int	order;

	while (low < high) {
		middle = (low + high) / 2;
		order = strcmp(name, (const char *)words->entries +
		    words->entries[middle].name);
		if (order == 0)
			return words->entries[middle].touches;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return 0;
}

static bool
word_has(uint8_t byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
	    byte == '_' || byte == '$' || byte >= 0x80;
}

/* Whatever looks like a word, in strings and comments too. */
uint32_t
words_touches(const struct pool *pool, const char *text, size_t n)
{
	const struct pool_words	*words = atomic_load_explicit(&pool->words,
				    memory_order_acquire);
	char			 word[WORD_BYTES];
	size_t			 length = 0;
	uint32_t		 touches = 0;
	uint8_t			 byte;

	if (words == NULL || words->count == 0)
		return 0;
	for (size_t i = 0; i <= n; i++) {
		byte = i < n ? (uint8_t)text[i] : 0;
		if (byte >= 'A' && byte <= 'Z')
			byte = (uint8_t)(byte | 0x20);
		if (word_has(byte)) {
			if (length < sizeof word - 1)
				word[length++] = (char)byte;
		} else if (length > 0) {
			word[length] = '\0';
			touches |= words_find(words, word);
			length = 0;
		}
	}
	return touches;
}

const char *
words_next_name(const struct pool *pool, size_t *at)
{
	const struct pool_words	*words = atomic_load_explicit(&pool->words,
				    memory_order_acquire);
	const char		*name;

	while (words != NULL && *at < words->count) {
		name = (const char *)words->entries +
		    words->entries[(*at)++].name;
		if (strchr(name, '.') != NULL)
			return name;
	}
	return NULL;
}
