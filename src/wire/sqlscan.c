/*
 * The lexer: a state for each thing that can be cut by the end of a piece.
 *
 * What lies between tokens is skipped byte by byte with a table of classes,
 * strings and comments with memchr().
 */

#include <string.h>

#include "wire/sqlroute.h"
#include "wire/sqlscan_private.h"

enum state {
	IN_TEXT,
	IN_WORD,
	IN_STRING,		/* '...': only quotes count */
	IN_ESCAPES,		/* E'...': backslashes count too */
	IN_ESCAPES_BACKSLASH,
	IN_STRING_QUOTE,	/* behind a quote: doubled, or the end */
	IN_ESCAPES_QUOTE,
	IN_NAME,		/* "..." */
	IN_NAME_QUOTE,
	AFTER_DASH,
	AFTER_SLASH,
	IN_LINE,		/* -- comment */
	IN_COMMENT,
	IN_COMMENT_STAR,
	IN_COMMENT_SLASH,
	IN_TAG,			/* $tag of a dollar quote */
	IN_DOLLARS,
	IN_DOLLARS_TAG,		/* perhaps its end */
	IN_PARAMETER,		/* $1 */
};

const uint8_t	sqlscan_classes[256] = {
	[' '] = SPACE, ['\t'] = SPACE, ['\n'] = SPACE, ['\r'] = SPACE,
	['\f'] = SPACE, ['\v'] = SPACE,
	['A' ... 'Z'] = WORD, ['a' ... 'z'] = WORD, ['_'] = WORD,
	[0x80 ... 0xff] = WORD, ['0' ... '9'] = DIGIT,
	['\''] = QUOTE, ['"'] = NAME, ['$'] = DOLLAR, ['-'] = DASH,
	['/'] = SLASH, [';'] = SEMICOLON, ['('] = OPEN, [')'] = CLOSE,
};

void
sqlscan_init(struct sqlscan *scan, bool standard_strings)
{
	memset(scan, 0, sizeof *scan);
	scan->standard_strings = standard_strings;
}

static void
sqlscan_begin_word(struct sqlscan *scan, bool is_quoted)
{
	scan->word_length = 0;
	scan->word_is_quoted = is_quoted;
	scan->has_tokens = true;
}

/* A word longer than the room is no keyword and keeps its beginning. */
static void
sqlscan_add_to_word(struct sqlscan *scan, uint8_t byte)
{
	if (!scan->word_is_quoted && byte >= 'A' && byte <= 'Z')
		byte = (uint8_t)(byte - 'A' + 'a');
	if (scan->word_length < SQLSCAN_WORD_BYTES - 1)
		scan->word[scan->word_length++] = (char)byte;
}

static void
sqlscan_end_word(struct sqlscan *scan)
{
	scan->word[scan->word_length] = '\0';
	if (scan->route != NULL)
		sqlroute_on_word(scan->route, scan->word, scan->word_length,
		    scan->word_is_quoted);
	sqlscan_on_word(scan);
}

/* The first byte of what is no word, comment or white space. */
static void
sqlscan_on_mark(struct sqlscan *scan, uint8_t byte)
{
	if (scan->route != NULL)
		sqlroute_on_mark(scan->route, byte);
}

/* A quote begins a string; E right before it makes backslashes count. */
static uint8_t
sqlscan_string_state(const struct sqlscan *scan, bool after_word)
{
	if (!scan->standard_strings)
		return IN_ESCAPES;
	return after_word && scan->word_length == 1 &&
	    scan->word[0] == 'e' ? IN_ESCAPES : IN_STRING;
}

/* SET itself, or SET local.x, where the word was no keyword after all. */
static bool
sqlscan_names_setting(const struct sqlscan *scan)
{
	switch (scan->verb) {
	case SQL_SET:
	case SQL_SET_SESSION:
		return !scan->is_assigned;
	case SQL_RESET:
		/* PostgreSQL makes a custom name that it does not know. */
		return true;
	case SQL_SET_LOCAL:
	case SQL_SET_ROLE:
	case SQL_SET_TRANSACTION:
	case SQL_SET_CONSTRAINTS:
		return scan->words == 2;
	default:
		return false;
	}
}

/* Neither word nor string: only a dot or an assignment in SET counts. */
static void
sqlscan_on_plain(struct sqlscan *scan, uint8_t byte)
{
	scan->has_tokens = true;
	sqlscan_on_mark(scan, byte);
	if (byte != '.') {
		scan->is_assigned |= byte == '=';
		if (scan->name_state == NAME_READ)
			scan->name_state = NAME_DONE;
	} else if (scan->name_state == NAME_READ)
		sqlscan_name_dot(scan);
	else if (scan->name_state == NAME_NONE &&
	    scan->verb == SQL_SET_LOCAL && scan->words == 3) {
		scan->is_dotted = true;
		sqlscan_name_dot(scan);
	} else if (scan->name_state == NAME_NONE &&
	    sqlscan_names_setting(scan)) {
		scan->touches |= SQL_TOUCHES_SETTINGS;
		sqlscan_name_dot(scan);
	}
}

/* U&"..." may spell any name: nothing is sure. */
static void
sqlscan_begin_name(struct sqlscan *scan)
{
	if (scan->previous == '&' && scan->word_length == 1 &&
	    scan->word[0] == 'u')
		scan->touches |= SQL_TOUCHES_SETTINGS |
		    SQL_TOUCHES_UNKNOWN | SQL_TOUCHES_CUSTOM;
	sqlscan_begin_word(scan, true);
}

/* SET "app.tenant": the dot is part of one word. */
static void
sqlscan_end_name(struct sqlscan *scan)
{
	bool	is_name = scan->name_state == NAME_NONE &&
		    sqlscan_names_setting(scan) &&
		    memchr(scan->word, '.', scan->word_length) != NULL;

	scan->is_dotted |= is_name && scan->verb == SQL_SET_LOCAL;
	sqlscan_end_word(scan);
	if (is_name)
		sqlscan_name_word(scan);
}

/* The first byte of something new. */
static uint8_t
sqlscan_step_text(struct sqlscan *scan, uint8_t byte)
{
	if (scan->config != CONFIG_NONE)
		sqlscan_follow_config(scan, byte);
	switch (sqlscan_classes[byte]) {
	case SPACE:
		return IN_TEXT;
	case WORD:
		sqlscan_begin_word(scan, false);
		sqlscan_add_to_word(scan, byte);
		return IN_WORD;
	case QUOTE:
		scan->has_tokens = true;
		sqlscan_on_mark(scan, byte);
		return sqlscan_string_state(scan, false);
	case NAME:
		sqlscan_begin_name(scan);
		return IN_NAME;
	case DOLLAR:
		scan->has_tokens = true;
		scan->tag_length = 0;
		sqlscan_on_mark(scan, byte);
		return IN_TAG;
	case DASH:
		return AFTER_DASH;
	case SLASH:
		return AFTER_SLASH;
	case SEMICOLON:
		sqlscan_on_mark(scan, byte);
		if (scan->parens == 0 && !sqlscan_is_atomic(scan))
			sqlscan_on_end(scan);
		return IN_TEXT;
	case OPEN:
		sqlscan_on_mark(scan, byte);
		scan->parens += scan->parens < UINT16_MAX;
		scan->opened += scan->opened < UINT16_MAX;
		scan->has_tokens = true;
		return IN_TEXT;
	case CLOSE:
		sqlscan_on_mark(scan, byte);
		scan->parens -= scan->parens > 0;
		return IN_TEXT;
	default:
		sqlscan_on_plain(scan, byte);
		return IN_TEXT;
	}
}

static uint8_t
sqlscan_step_word(struct sqlscan *scan, uint8_t byte)
{
	uint8_t	class = sqlscan_classes[byte];

	if (class == WORD || class == DIGIT || class == DOLLAR) {
		sqlscan_add_to_word(scan, byte);
		return IN_WORD;
	}
	sqlscan_end_word(scan);
	if (class == QUOTE) {
		if (scan->config == CONFIG_OPEN)
			scan->config = CONFIG_LITERAL;
		sqlscan_on_mark(scan, byte);
		return sqlscan_string_state(scan, true);
	}
	return sqlscan_step_text(scan, byte);
}

/* A digit of $1, which may stand for the name in set_config(). */
static uint8_t
sqlscan_step_parameter(struct sqlscan *scan, uint8_t byte)
{
	if (scan->config == CONFIG_PARAMETER)
		scan->config_parameter = (uint16_t)
		    (scan->config_parameter * 10 + byte - '0');
	return IN_PARAMETER;
}

/* Behind "$": a tag, its end, or a parameter. */
static uint8_t
sqlscan_step_tag(struct sqlscan *scan, uint8_t byte)
{
	uint8_t	class = sqlscan_classes[byte];

	if (class == DOLLAR)
		return IN_DOLLARS;
	if (class == DIGIT && scan->tag_length == 0)
		return sqlscan_step_parameter(scan, byte);
	if (class != WORD && class != DIGIT)
		return sqlscan_step_text(scan, byte);
	if (scan->tag_length == SQLSCAN_TAG_BYTES) {
		/* Too long to be kept: from here on nothing is sure. */
		scan->touches |= SQL_TOUCHES_UNKNOWN | SQL_TOUCHES_SETTINGS;
		return IN_TAG;
	}
	scan->tag[scan->tag_length++] = (char)byte;
	return IN_TAG;
}

/* Inside "$tag$ ... $tag$", at a byte that may belong to the end. */
static uint8_t
sqlscan_step_dollars(struct sqlscan *scan, uint8_t byte)
{
	if (byte == '$') {
		if (scan->state == IN_DOLLARS_TAG &&
		    scan->tag_match == scan->tag_length)
			return IN_TEXT;
		scan->tag_match = 0;
		return IN_DOLLARS_TAG;
	}
	if (scan->state == IN_DOLLARS_TAG &&
	    scan->tag_match < scan->tag_length &&
	    (uint8_t)scan->tag[scan->tag_match] == byte) {
		scan->tag_match++;
		return IN_DOLLARS_TAG;
	}
	return IN_DOLLARS;
}

static uint8_t
sqlscan_step_comment(struct sqlscan *scan, uint8_t byte)
{
	if (scan->state == IN_COMMENT_STAR && byte == '/')
		return --scan->comment_depth == 0 ? IN_TEXT : IN_COMMENT;
	if (scan->state == IN_COMMENT_SLASH && byte == '*') {
		/* Deeper than is counted: where it ends is not sure. */
		if (++scan->comment_depth == UINT16_MAX)
			scan->touches |= SQL_TOUCHES_SETTINGS |
			    SQL_TOUCHES_UNKNOWN;
		return IN_COMMENT;
	}
	if (byte == '*')
		return IN_COMMENT_STAR;
	return byte == '/' ? IN_COMMENT_SLASH : IN_COMMENT;
}

/* Behind what may be the closing quote. */
static uint8_t
sqlscan_step_quote(struct sqlscan *scan, uint8_t byte)
{
	if (scan->state == IN_NAME_QUOTE) {
		if (byte == '"') {
			sqlscan_add_to_word(scan, byte);
			return IN_NAME;
		}
		sqlscan_end_name(scan);
		return sqlscan_step_text(scan, byte);
	}
	if (byte == '\'') {
		scan->config_is_custom |= scan->config == CONFIG_LITERAL;
		return scan->state == IN_STRING_QUOTE ? IN_STRING :
		    IN_ESCAPES;
	}
	if (scan->config == CONFIG_LITERAL)
		scan->config = CONFIG_READ;
	return sqlscan_step_text(scan, byte);
}

static uint8_t
sqlscan_step(struct sqlscan *scan, uint8_t byte)
{
	switch (scan->state) {
	case IN_TEXT:
		return sqlscan_step_text(scan, byte);
	case IN_WORD:
		return sqlscan_step_word(scan, byte);
	case IN_STRING:
		/*
		 * Were standard_conforming_strings off, a backslash here
		 * would hide the quote: then nothing behind it is sure.
		 */
		if (byte == '\'' && scan->previous == '\\')
			scan->touches |= SQL_TOUCHES_SETTINGS |
			    SQL_TOUCHES_UNKNOWN;
		return byte == '\'' ? IN_STRING_QUOTE : IN_STRING;
	case IN_ESCAPES:
		if (scan->config == CONFIG_LITERAL && byte != '\'') {
			scan->config_is_custom |= byte == '\\';
			sqlscan_add_to_name(scan, &byte, 1);
		}
		if (byte == '\\') {
			/* In SJIS and the like half of a character. */
			if (scan->previous >= 0x80)
				scan->touches |= SQL_TOUCHES_SETTINGS |
				    SQL_TOUCHES_UNKNOWN;
			return IN_ESCAPES_BACKSLASH;
		}
		return byte == '\'' ? IN_ESCAPES_QUOTE : IN_ESCAPES;
	case IN_ESCAPES_BACKSLASH:
		return IN_ESCAPES;
	case IN_STRING_QUOTE:
	case IN_ESCAPES_QUOTE:
	case IN_NAME_QUOTE:
		return sqlscan_step_quote(scan, byte);
	case IN_NAME:
		if (byte == '"')
			return IN_NAME_QUOTE;
		sqlscan_add_to_word(scan, byte);
		return IN_NAME;
	case AFTER_DASH:
		if (byte == '-')
			return IN_LINE;
		scan->has_tokens = true;
		sqlscan_on_mark(scan, '-');
		return sqlscan_step_text(scan, byte);
	case AFTER_SLASH:
		if (byte == '*') {
			scan->comment_depth = 1;
			return IN_COMMENT;
		}
		scan->has_tokens = true;
		sqlscan_on_mark(scan, '/');
		return sqlscan_step_text(scan, byte);
	case IN_LINE:
		return byte == '\n' || byte == '\r' ? IN_TEXT : IN_LINE;
	case IN_COMMENT:
	case IN_COMMENT_STAR:
	case IN_COMMENT_SLASH:
		return sqlscan_step_comment(scan, byte);
	case IN_TAG:
		return sqlscan_step_tag(scan, byte);
	case IN_DOLLARS:
	case IN_DOLLARS_TAG:
		return sqlscan_step_dollars(scan, byte);
	case IN_PARAMETER:
		return sqlscan_classes[byte] == DIGIT ?
		    sqlscan_step_parameter(scan, byte) :
		    sqlscan_step_text(scan, byte);
	}
	return IN_TEXT;
}

/* Inside strings and comments: on to the next byte that can matter. */
static const uint8_t *
sqlscan_leap(struct sqlscan *scan, const uint8_t *at, const uint8_t *end)
{
	const uint8_t	*to = NULL;

	switch (scan->state) {
	case IN_STRING:
		to = memchr(at, '\'', (size_t)(end - at));
		break;
	case IN_COMMENT:
		while (at < end && *at != '*' && *at != '/')
			at++;
		return at;
	case IN_DOLLARS:
		to = memchr(at, '$', (size_t)(end - at));
		break;
	default:
		return at;
	}
	if (to == NULL)
		to = end;
	if (scan->config == CONFIG_LITERAL)
		sqlscan_add_to_name(scan, at, (size_t)(to - at));
	if (to > at)
		scan->previous = to[-1];
	return to;
}

void
sqlscan_feed(struct sqlscan *scan, const void *bytes, size_t n)
{
	const uint8_t	*at = bytes, *end = at + n;

	while (at < end) {
		if (scan->verb == SQL_DO)
			sqlscan_on_body(scan, *at);
		else if (scan->state == IN_STRING ||
		    scan->state == IN_COMMENT || scan->state == IN_DOLLARS) {
			at = sqlscan_leap(scan, at, end);
			if (at == end)
				return;
		}
		scan->state = sqlscan_step(scan, *at);
		scan->previous = *at++;
	}
}

void
sqlscan_end(struct sqlscan *scan)
{
	if (scan->state == IN_WORD)
		sqlscan_end_word(scan);
	else if (scan->state == IN_NAME_QUOTE)
		sqlscan_end_name(scan);
	scan->state = IN_TEXT;
	sqlscan_on_end(scan);
}

const char *
sqlscan_last_word(const struct sqlscan *scan)
{
	return scan->word;
}

void
sqlscan_text(struct sqlscan *scan, const void *text, size_t n)
{
	sqlscan_init(scan, true);
	sqlscan_feed(scan, text, n);
	sqlscan_end(scan);
}

void
sqlscan_names(struct sqlnames *names, const void *text, size_t n)
{
	struct sqlscan	scan;

	memset(names, 0, sizeof *names);
	sqlscan_init(&scan, true);
	scan.names = names;
	sqlscan_feed(&scan, text, n);
	sqlscan_end(&scan);
}
