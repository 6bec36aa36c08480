/*
 * What may set a custom setting, whose name has a dot: PostgreSQL never
 * forgets such a name, and no query lists it, so the text must tell.
 *
 * Of set_config() the first argument says what is set, and a third one that
 * is the word "true" says that it ends with the transaction.  A first
 * argument that is no single literal might have a dot.
 *
 * The body of DO is no SQL yet, and may be of any language: it is looked
 * through byte by byte for SET and set_config(, whatever stands around them.
 */

#include <string.h>

#include "wire/sqlscan_private.h"

static void
sqlscan_config_close(struct sqlscan *scan)
{
	if (scan->config_is_custom && scan->config != CONFIG_TRUE)
		scan->touches |= SQL_TOUCHES_CUSTOM;
	scan->config = CONFIG_NONE;
}

void
sqlscan_config_end(struct sqlscan *scan)
{
	if (scan->config > CONFIG_OPEN)
		sqlscan_config_close(scan);
	scan->config = CONFIG_NONE;
	scan->config_is_custom = false;
	scan->body = 0;
}

void
sqlscan_config_word(struct sqlscan *scan)
{
	if (strcmp(scan->word, "set_config") == 0) {
		/* One inside another: not worth telling apart. */
		if (scan->config > CONFIG_NAMED)
			scan->touches |= SQL_TOUCHES_CUSTOM;
		scan->config = CONFIG_NAMED;
		scan->config_is_custom = false;
	} else if (scan->config == CONFIG_THIRD)
		scan->config = !scan->word_is_quoted &&
		    strcmp(scan->word, "true") == 0 ? CONFIG_TRUE :
		    CONFIG_OTHER;
	else if (scan->config == CONFIG_TRUE)
		scan->config = CONFIG_OTHER;
}

/* Commas between its arguments, and the parenthesis that closes it. */
static bool
sqlscan_config_steps(struct sqlscan *scan, uint8_t byte)
{
	if (scan->config < CONFIG_READ || scan->parens != scan->config_parens)
		return false;
	if (byte == ')') {
		sqlscan_config_close(scan);
		return true;
	}
	if (byte != ',')
		return false;
	scan->config = scan->config <= CONFIG_FIRST ? CONFIG_SECOND :
	    scan->config == CONFIG_SECOND ? CONFIG_THIRD : CONFIG_OTHER;
	return true;
}

void
sqlscan_follow_config(struct sqlscan *scan, uint8_t byte)
{
	uint8_t	class = sqlscan_classes[byte];

	if (class == SPACE || class == DASH || class == SLASH ||
	    sqlscan_config_steps(scan, byte))
		return;
	switch (scan->config) {
	case CONFIG_NAMED:
		scan->config = class == OPEN ? CONFIG_OPEN : CONFIG_NONE;
		scan->config_parens = scan->parens + 1;
		break;
	case CONFIG_OPEN:
		if (class == QUOTE)
			scan->config = CONFIG_LITERAL;
		else if (byte != 'E' && byte != 'e') {
			scan->config_is_custom = true;
			scan->config = CONFIG_FIRST;
			/* Behind a word that began with an "e". */
			(void)sqlscan_config_steps(scan, byte);
		}
		break;
	case CONFIG_READ:
		scan->config_is_custom = true;
		scan->config = CONFIG_FIRST;
		break;
	case CONFIG_THIRD:
	case CONFIG_TRUE:
		/* Of a word we hear when it is complete. */
		if (class != WORD)
			scan->config = CONFIG_OTHER;
		break;
	}
}

/*
 * DO.
 */

enum {
	BODY_TEXT,
	BODY_WORD,
	BODY_SET,		/* behind SET */
	BODY_SET_NAME,
	BODY_CONFIG,		/* behind set_config */
	BODY_CONFIG_OPEN,
	BODY_CONFIG_LITERAL,
	BODY_CONFIG_READ,
};

static uint8_t
body_custom(struct sqlscan *scan)
{
	scan->touches |= SQL_TOUCHES_CUSTOM;
	return BODY_TEXT;
}

static uint8_t
body_begin_word(struct sqlscan *scan, uint8_t byte, uint8_t state)
{
	scan->body_length = 0;
	scan->body_word[scan->body_length++] = (char)(byte | 0x20);
	return state;
}

static bool
body_word_is(const struct sqlscan *scan, const char *word)
{
	return scan->body_length == strlen(word) &&
	    memcmp(scan->body_word, word, scan->body_length) == 0;
}

/* More of a word; false: it has ended. */
static bool
body_add_to_word(struct sqlscan *scan, uint8_t byte)
{
	uint8_t	class = sqlscan_classes[byte];

	if (class != WORD && class != DIGIT)
		return false;
	/* "_" is its own small letter here. */
	if (scan->body_length < sizeof scan->body_word)
		scan->body_word[scan->body_length++] = (char)(byte >= 'A' &&
		    byte <= 'Z' ? byte | 0x20 : byte);
	return true;
}

/* Behind SET: a name, or a piece that a name is put together from. */
static uint8_t
body_step_set(struct sqlscan *scan, uint8_t byte)
{
	if (sqlscan_classes[byte] == SPACE)
		return BODY_SET;
	if (sqlscan_classes[byte] == WORD || byte == '"')
		return body_begin_word(scan, byte, BODY_SET_NAME);
	return strchr("'%|$", byte) != NULL ? body_custom(scan) : BODY_TEXT;
}

static uint8_t
body_step_set_name(struct sqlscan *scan, uint8_t byte)
{
	if (body_add_to_word(scan, byte) || byte == '"')
		return BODY_SET_NAME;
	if (byte == '.' || byte == '%' || byte == '\'')
		return body_custom(scan);
	return body_word_is(scan, "session") || body_word_is(scan, "local") ?
	    BODY_SET : BODY_TEXT;
}

/* The first argument of set_config(); quotes may be doubled. */
static uint8_t
body_step_config(struct sqlscan *scan, uint8_t byte)
{
	if (sqlscan_classes[byte] == SPACE)
		return scan->body;
	switch (scan->body) {
	case BODY_CONFIG:
		return byte == '(' ? BODY_CONFIG_OPEN : BODY_TEXT;
	case BODY_CONFIG_OPEN:
		scan->body_length = 0;
		return byte == '\'' ? BODY_CONFIG_LITERAL : body_custom(scan);
	case BODY_CONFIG_LITERAL:
		if (body_add_to_word(scan, byte))
			return BODY_CONFIG_LITERAL;
		if (byte != '\'')
			return body_custom(scan);
		return scan->body_length > 0 ? BODY_CONFIG_READ :
		    BODY_CONFIG_LITERAL;
	default:
		if (byte == '\'')
			return BODY_CONFIG_READ;
		return byte == ',' ? BODY_TEXT : body_custom(scan);
	}
}

void
sqlscan_on_body(struct sqlscan *scan, uint8_t byte)
{
	switch (scan->body) {
	case BODY_WORD:
		if (body_add_to_word(scan, byte))
			return;
		scan->body = BODY_TEXT;
		if (body_word_is(scan, "set"))
			scan->body = body_step_set(scan, byte);
		else if (body_word_is(scan, "set_config")) {
			scan->body = BODY_CONFIG;
			scan->body = body_step_config(scan, byte);
		}
		break;
	case BODY_TEXT:
		if (sqlscan_classes[byte] == WORD)
			scan->body = body_begin_word(scan, byte, BODY_WORD);
		break;
	case BODY_SET:
		scan->body = body_step_set(scan, byte);
		break;
	case BODY_SET_NAME:
		scan->body = body_step_set_name(scan, byte);
		break;
	default:
		scan->body = body_step_config(scan, byte);
		break;
	}
}
