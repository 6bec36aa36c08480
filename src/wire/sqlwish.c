/*
 * See wire/sqlwish.h.
 *
 * A reader that gives one word, number or sign after the other; comments are
 * left out.  Words come folded to lower case; what does not fit into its
 * buffer, or is written in a way that is not foreseen, makes the text one that
 * is not understood.
 */

#include <string.h>
#include <strings.h>

#include "wire/sqlscan.h"
#include "wire/sqlwish.h"

struct reader {
	const char	*at, *end;
	char		 word[SQLWISH_VALUE_BYTES];	/* "" at the end */
	bool		 is_quoted;			/* 'word' or "word" */
	bool		 is_bad;
};

static bool
is_space(char c)
{
	return c != '\0' && strchr(" \t\r\n\f\v", c) != NULL;
}

static bool
is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '_' || c == '.';
}

static char
folded(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* A nested comment is not understood. */
static void
reader_skip_comment(struct reader *reader)
{
	reader->at += 2;
	while (reader->end - reader->at >= 2) {
		if (memcmp(reader->at, "*/", 2) == 0) {
			reader->at += 2;
			return;
		}
		if (memcmp(reader->at, "/*", 2) == 0)
			break;
		reader->at++;
	}
	reader->is_bad = true;
	reader->at = reader->end;
}

static void
reader_skip(struct reader *reader)
{
	while (reader->at < reader->end) {
		if (is_space(*reader->at))
			reader->at++;
		else if (reader->end - reader->at >= 2 &&
		    memcmp(reader->at, "/*", 2) == 0)
			reader_skip_comment(reader);
		else if (reader->end - reader->at >= 2 &&
		    memcmp(reader->at, "--", 2) == 0)
			while (reader->at < reader->end &&
			    *reader->at != '\n')
				reader->at++;
		else
			return;
	}
}

/* 'value' or "value" without escapes inside. */
static void
reader_quoted(struct reader *reader)
{
	char		 quote = *reader->at++;
	const char	*close = memchr(reader->at, quote,
			    (size_t)(reader->end - reader->at));
	size_t		 n = close == NULL ? sizeof reader->word :
			    (size_t)(close - reader->at);

	if (n >= sizeof reader->word ||
	    memchr(reader->at, '\\', n) != NULL ||
	    (close + 1 < reader->end && close[1] == quote)) {
		reader->is_bad = true;
		return;
	}
	memcpy(reader->word, reader->at, n);
	reader->word[n] = '\0';
	reader->is_quoted = true;
	reader->at = close + 1;
}

static const char *
reader_next(struct reader *reader)
{
	size_t	n = 0;

	reader->word[0] = '\0';
	reader->is_quoted = false;
	reader_skip(reader);
	if (reader->at >= reader->end || reader->is_bad)
		return reader->word;
	if (*reader->at == '\'' || *reader->at == '"') {
		reader_quoted(reader);
		return reader->word;
	}
	if (!is_word(*reader->at))
		reader->word[n++] = *reader->at++;
	else
		while (reader->at < reader->end && is_word(*reader->at) &&
		    n < sizeof reader->word - 1)
			reader->word[n++] = folded(*reader->at++);
	reader->word[n] = '\0';
	return reader->word;
}

static bool
reader_is(const struct reader *reader, const char *word)
{
	return !reader->is_quoted && strcmp(reader->word, word) == 0;
}

/* Nothing follows but semicolons. */
static bool
reader_ends(struct reader *reader)
{
	while (reader_is(reader, ";"))
		reader_next(reader);
	return !reader->is_bad && !reader->is_quoted &&
	    reader->word[0] == '\0' && reader->at >= reader->end;
}

static void
reader_init(struct reader *reader, const char *text, size_t n)
{
	memset(reader, 0, sizeof *reader);
	reader->at = text;
	reader->end = text + n;
}

bool
sqlwish_comment(const char *text, size_t n, const char *name,
    char value[SQLWISH_VALUE_BYTES])
{
	struct reader	 reader;
	const char	*end = text + n, *close;

	while (text < end && is_space(*text))
		text++;
	if (end - text < 4 || memcmp(text, "/*", 2) != 0)
		return false;
	close = memmem(text + 2, (size_t)(end - text) - 2, "*/", 2);
	if (close == NULL)
		return false;
	reader_init(&reader, text + 2, (size_t)(close - text) - 2);
	if (strcmp(reader_next(&reader), name) != 0 ||
	    strcmp(reader_next(&reader), "=") != 0)
		return false;
	memcpy(value, reader_next(&reader), SQLWISH_VALUE_BYTES);
	reader_next(&reader);
	return reader_ends(&reader);
}

enum sqlwish_set
sqlwish_set(const char *text, size_t n, const char *name,
    char value[SQLWISH_VALUE_BYTES])
{
	struct reader	 reader;
	bool		 is_reset, is_default;

	reader_init(&reader, text, n);
	reader_next(&reader);
	is_reset = reader_is(&reader, "reset");
	if (!is_reset && !reader_is(&reader, "set"))
		return SQLWISH_NO_SET;
	reader_next(&reader);
	if (!is_reset && reader_is(&reader, "session"))
		reader_next(&reader);
	if (strcasecmp(reader.word, name) != 0)
		return SQLWISH_NO_SET;
	reader_next(&reader);
	if (is_reset)
		return reader_ends(&reader) ? SQLWISH_RESET : SQLWISH_NO_SET;
	if (!reader_is(&reader, "=") && !reader_is(&reader, "to"))
		return SQLWISH_NO_SET;
	memcpy(value, reader_next(&reader), SQLWISH_VALUE_BYTES);
	is_default = reader_is(&reader, "default");
	reader_next(&reader);
	if (!reader_ends(&reader))
		return SQLWISH_NO_SET;
	return is_default ? SQLWISH_RESET : SQLWISH_SET;
}

bool
sqlwish_show(const char *text, size_t n, const char *name)
{
	struct reader	reader;

	reader_init(&reader, text, n);
	reader_next(&reader);
	if (!reader_is(&reader, "show"))
		return false;
	reader_next(&reader);
	if (strcasecmp(reader.word, name) != 0)
		return false;
	reader_next(&reader);
	return reader_ends(&reader);
}

enum sqlwish_end
sqlwish_end(const char *text, size_t n)
{
	struct sqlscan	scan;

	sqlscan_text(&scan, text, n);
	if (scan.statements > 1)
		return SQLWISH_MANY;
	switch (scan.first) {
	case SQL_COMMIT:
	case SQL_ROLLBACK:
		/* AND CHAIN: the end of one is the start of another. */
		if (strcmp(sqlscan_last_word(&scan), "chain") == 0)
			return SQLWISH_MANY;
		return scan.first == SQL_COMMIT ? SQLWISH_COMMIT :
		    SQLWISH_ROLLBACK;
	case SQL_PREPARE_TRANSACTION:
	case SQL_COMMIT_PREPARED:
		return SQLWISH_COMMIT;
	default:
		return SQLWISH_NO_END;
	}
}
