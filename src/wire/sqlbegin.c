/*
 * See wire/sqlbegin.h.  Words are compared one after the other with what the
 * grammar allows next; the text is not copied.
 */

#include <string.h>
#include <strings.h>

#include "wire/sqlbegin.h"

struct words {
	const char	*at, *end;
};

static void
words_skip_space(struct words *words)
{
	while (words->at < words->end &&
	    strchr(" \t\n\r\f\v", *words->at) != NULL && *words->at != '\0')
		words->at++;
}

/* The next word is this one: it is behind us. */
static bool
words_take(struct words *words, const char *word)
{
	size_t	n = strlen(word);

	words_skip_space(words);
	if ((size_t)(words->end - words->at) < n ||
	    strncasecmp(words->at, word, n) != 0)
		return false;
	/* What stands behind it must end it. */
	if (words->at + n < words->end && word[0] != ',' && word[0] != ';' &&
	    strchr(" \t\n\r\f\v,;", words->at[n]) == NULL)
		return false;
	words->at += n;
	return true;
}

static bool
words_end(struct words *words)
{
	while (words_take(words, ";"))
		;
	words_skip_space(words);
	return words->at == words->end;
}

static bool
begin_take_isolation(struct sqlbegin *begin, struct words *words)
{
	if (!words_take(words, "level"))
		return false;
	if (words_take(words, "serializable"))
		begin->isolation = SQLBEGIN_SERIALIZABLE;
	else if (words_take(words, "repeatable")) {
		begin->isolation = SQLBEGIN_REPEATABLE_READ;
		return words_take(words, "read");
	} else if (!words_take(words, "read"))
		return false;
	else if (words_take(words, "committed"))
		begin->isolation = SQLBEGIN_READ_COMMITTED;
	else if (words_take(words, "uncommitted"))
		begin->isolation = SQLBEGIN_READ_UNCOMMITTED;
	else
		return false;
	return true;
}

static bool
begin_take_mode(struct sqlbegin *begin, struct words *words)
{
	if (words_take(words, "isolation"))
		return begin_take_isolation(begin, words);
	if (words_take(words, "not")) {
		begin->is_deferrable = false;
		begin->says_deferrable = true;
		return words_take(words, "deferrable");
	}
	if (words_take(words, "deferrable")) {
		begin->is_deferrable = begin->says_deferrable = true;
		return true;
	}
	if (!words_take(words, "read"))
		return false;
	if (words_take(words, "only"))
		begin->access = SQLBEGIN_READ_ONLY;
	else if (words_take(words, "write"))
		begin->access = SQLBEGIN_READ_WRITE;
	else
		return false;
	return true;
}

/* Modes, with commas between them or not. */
static bool
begin_take_modes(struct sqlbegin *begin, struct words *words)
{
	if (words_end(words))
		return true;
	do {
		if (!begin_take_mode(begin, words))
			return false;
		if (words_take(words, ",") && words_end(words))
			return false;
	} while (!words_end(words));
	return true;
}

/* COMMIT AND NO CHAIN is what COMMIT is; AND CHAIN is not. */
static bool
begin_take_end(struct words *words)
{
	if (!words_take(words, "work"))
		words_take(words, "transaction");
	if (words_take(words, "and") && (!words_take(words, "no") ||
	    !words_take(words, "chain")))
		return false;
	return words_end(words);
}

static enum sqlbegin_kind
begin_parse(struct sqlbegin *begin, struct words *words)
{
	if (words_take(words, "begin")) {
		if (!words_take(words, "work"))
			words_take(words, "transaction");
		return begin_take_modes(begin, words) ? SQLBEGIN_BEGIN :
		    SQLBEGIN_OTHER;
	}
	if (words_take(words, "start")) {
		begin->is_start = true;
		return words_take(words, "transaction") &&
		    begin_take_modes(begin, words) ? SQLBEGIN_BEGIN :
		    SQLBEGIN_OTHER;
	}
	if (words_take(words, "set"))
		return words_take(words, "transaction") &&
		    !words_end(words) && begin_take_modes(begin, words) ?
		    SQLBEGIN_SET : SQLBEGIN_OTHER;
	if (words_take(words, "commit") || words_take(words, "end"))
		return begin_take_end(words) ? SQLBEGIN_COMMIT :
		    SQLBEGIN_OTHER;
	if (words_take(words, "rollback") || words_take(words, "abort"))
		return begin_take_end(words) ? SQLBEGIN_ROLLBACK :
		    SQLBEGIN_OTHER;
	return SQLBEGIN_OTHER;
}

void
sqlbegin_parse(struct sqlbegin *begin, const char *text, size_t n)
{
	struct words	words = { text, text + n };

	*begin = (struct sqlbegin){ .kind = SQLBEGIN_OTHER };
	begin->kind = (uint8_t)begin_parse(begin, &words);
}

void
sqlbegin_merge(struct sqlbegin *begin, const struct sqlbegin *set)
{
	if (set->access != SQLBEGIN_UNDECLARED)
		begin->access = set->access;
	if (set->isolation != SQLBEGIN_DEFAULT)
		begin->isolation = set->isolation;
	if (set->says_deferrable) {
		begin->says_deferrable = true;
		begin->is_deferrable = set->is_deferrable;
	}
}

void
sqlbegin_print(const struct sqlbegin *begin, char text[SQLBEGIN_TEXT_BYTES])
{
	static const char	*const levels[] = {
		[SQLBEGIN_READ_UNCOMMITTED] =
		    " ISOLATION LEVEL READ UNCOMMITTED",
		[SQLBEGIN_READ_COMMITTED] = " ISOLATION LEVEL READ COMMITTED",
		[SQLBEGIN_REPEATABLE_READ] =
		    " ISOLATION LEVEL REPEATABLE READ",
		[SQLBEGIN_SERIALIZABLE] = " ISOLATION LEVEL SERIALIZABLE",
	};
	static const char	*const accesses[] = {
		[SQLBEGIN_READ_ONLY] = " READ ONLY",
		[SQLBEGIN_READ_WRITE] = " READ WRITE",
	};

	text = stpcpy(text, "BEGIN");
	if (begin->isolation != SQLBEGIN_DEFAULT)
		text = stpcpy(text, levels[begin->isolation]);
	if (begin->access != SQLBEGIN_UNDECLARED)
		text = stpcpy(text, accesses[begin->access]);
	if (begin->says_deferrable)
		stpcpy(text, begin->is_deferrable ? " DEFERRABLE" :
		    " NOT DEFERRABLE");
}
