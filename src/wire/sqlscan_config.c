/*
 * What may set a custom setting, whose name has a dot: PostgreSQL never
 * forgets such a name, and no query lists it, so the text must tell.
 *
 * Of set_config() the first argument says what is set, and a third one that
 * is the word "true" says that it ends with the transaction.  A first
 * argument that is neither a single literal nor a parameter might have a dot.
 *
 * The body of DO is no SQL yet, and may be of any language: it is looked
 * through byte by byte for SET and set_config(, whatever stands around them.
 */

#include <string.h>

#include "wire/sqlscan_private.h"

/*
 * Names.
 */

void
sqlscan_add_to_name(struct sqlscan *scan, const void *text, size_t n)
{
	if (scan->name_length + n >= sizeof scan->name - 1)
		scan->name_length = SQLSCAN_NAME_BYTES;
	else {
		memcpy(scan->name + scan->name_length, text, n);
		scan->name_length += (uint8_t)n;
	}
}

static bool
sqlscan_name_has_dot(const struct sqlscan *scan)
{
	return scan->name_length == SQLSCAN_NAME_BYTES ||
	    memchr(scan->name, '.', scan->name_length) != NULL;
}

/* scan->name is one. */
static void
sqlscan_tell_name(struct sqlscan *scan)
{
	struct sqlnames	*names = scan->names;

	if (scan->name_length == SQLSCAN_NAME_BYTES) {
		scan->touches |= SQL_TOUCHES_CUSTOM;
		return;
	}
	scan->touches |= SQL_TOUCHES_NAMES;
	if (names == NULL)
		return;
	if (names->count == SQLNAMES_MAX) {
		names->are_many = true;
		return;
	}
	memcpy(names->names[names->count], scan->name, scan->name_length);
	names->names[names->count++][scan->name_length] = '\0';
}

static void
sqlscan_tell_parameter(struct sqlscan *scan)
{
	struct sqlnames	*names = scan->names;

	scan->touches |= SQL_TOUCHES_NAMES;
	if (names == NULL)
		return;
	if (names->parameter_count == SQLNAMES_MAX)
		names->are_many = true;
	else
		names->parameters[names->parameter_count++] =
		    scan->config_parameter;
}

void
sqlscan_name_dot(struct sqlscan *scan)
{
	if (scan->name_state == NAME_NONE) {
		scan->name_length = 0;
		sqlscan_add_to_name(scan, scan->word, scan->word_length ==
		    SQLSCAN_WORD_BYTES - 1 ? SQLSCAN_NAME_BYTES :
		    scan->word_length);
	}
	sqlscan_add_to_name(scan, ".", 1);
	scan->name_state = NAME_DOT;
}

void
sqlscan_name_word(struct sqlscan *scan)
{
	if (scan->name_state == NAME_READ)
		scan->name_state = NAME_DONE;
	if (scan->name_state == NAME_DONE)
		return;
	if (scan->name_state == NAME_NONE)
		scan->name_length = 0;
	sqlscan_add_to_name(scan, scan->word, scan->word_length ==
	    SQLSCAN_WORD_BYTES - 1 ? SQLSCAN_NAME_BYTES : scan->word_length);
	scan->name_state = NAME_READ;
}

void
sqlscan_name_end(struct sqlscan *scan)
{
	sqlscan_tell_name(scan);
	scan->name_state = NAME_NONE;
}

/*
 * set_config().
 */

static void
sqlscan_config_close(struct sqlscan *scan)
{
	bool	is_local = scan->config == CONFIG_TRUE;

	scan->config = CONFIG_NONE;
	scan->config_count++;
	if (scan->config_is_custom) {
		scan->touches |= is_local ? SQL_TOUCHES_LOCAL :
		    SQL_TOUCHES_SETTINGS | SQL_TOUCHES_CUSTOM;
	} else if (scan->config_parameter != 0) {
		scan->touches |= is_local ? SQL_TOUCHES_LOCAL :
		    SQL_TOUCHES_SETTINGS;
		sqlscan_tell_parameter(scan);
	} else if (sqlscan_name_has_dot(scan)) {
		scan->touches |= is_local ? SQL_TOUCHES_TRANSACTION :
		    SQL_TOUCHES_SETTINGS;
		sqlscan_tell_name(scan);
	} else
		scan->touches |= is_local ? SQL_TOUCHES_LOCAL :
		    SQL_TOUCHES_SETTINGS;
}

void
sqlscan_config_end(struct sqlscan *scan)
{
	if (scan->config > CONFIG_OPEN)
		sqlscan_config_close(scan);
	else if (scan->config != CONFIG_NONE)
		scan->touches |= SQL_TOUCHES_SETTINGS;
	scan->config = CONFIG_NONE;
	scan->config_is_custom = false;
	scan->body = 0;
}

/* Its first argument is more than can be read. */
static void
sqlscan_config_is_odd(struct sqlscan *scan)
{
	scan->config_is_custom = true;
	scan->config = CONFIG_FIRST;
}

void
sqlscan_config_word(struct sqlscan *scan)
{
	if (strcmp(scan->word, "set_config") == 0) {
		/* One inside another: not worth telling apart. */
		if (scan->config > CONFIG_NAMED)
			scan->touches |= SQL_TOUCHES_CUSTOM |
			    SQL_TOUCHES_SETTINGS;
		scan->config = CONFIG_NAMED;
		scan->config_is_custom = false;
		scan->config_parameter = 0;
		scan->name_length = 0;
	} else if (scan->config == CONFIG_PARAMETER) {
		if (strcmp(scan->word, "text") != 0 &&
		    strcmp(scan->word, "varchar") != 0)
			sqlscan_config_is_odd(scan);
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
	scan->config_is_custom |= scan->config == CONFIG_PARAMETER &&
	    scan->config_parameter == 0;
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
		if (class != OPEN)
			scan->touches |= SQL_TOUCHES_SETTINGS;
		scan->config_parens = scan->parens + 1;
		break;
	case CONFIG_OPEN:
		if (class == QUOTE)
			scan->config = CONFIG_LITERAL;
		else if (class == DOLLAR)
			scan->config = CONFIG_PARAMETER;
		else if (byte != 'E' && byte != 'e') {
			sqlscan_config_is_odd(scan);
			/* Behind a word that began with an "e". */
			(void)sqlscan_config_steps(scan, byte);
		}
		break;
	case CONFIG_READ:
		sqlscan_config_is_odd(scan);
		break;
	case CONFIG_PARAMETER:
		if (scan->config_parameter == 0 ||
		    (byte != ':' && class != WORD))
			sqlscan_config_is_odd(scan);
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

/* What is read of a setting's name, with a dot in it, is all of it. */
static uint8_t
body_named(struct sqlscan *scan)
{
	if (sqlscan_name_has_dot(scan))
		sqlscan_tell_name(scan);
	return BODY_TEXT;
}

/* More of a word; false: it has ended. */
static bool
body_add_to_word(struct sqlscan *scan, uint8_t byte)
{
	uint8_t	class = sqlscan_classes[byte];

	if (class != WORD && class != DIGIT)
		return false;
	if (scan->body == BODY_SET_NAME && byte >= 'A' && byte <= 'Z')
		byte = (uint8_t)(byte | 0x20);
	if (scan->body != BODY_WORD)
		sqlscan_add_to_name(scan, &byte, 1);
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
	if (sqlscan_classes[byte] == WORD || byte == '"') {
		scan->name_length = 0;
		if (byte >= 'A' && byte <= 'Z')
			byte = (uint8_t)(byte | 0x20);
		if (byte != '"')
			sqlscan_add_to_name(scan, &byte, 1);
		return body_begin_word(scan, byte, BODY_SET_NAME);
	}
	return strchr("'%|$", byte) != NULL ? body_custom(scan) : BODY_TEXT;
}

static uint8_t
body_step_set_name(struct sqlscan *scan, uint8_t byte)
{
	if (body_add_to_word(scan, byte) || byte == '"')
		return BODY_SET_NAME;
	if (byte == '.') {
		sqlscan_add_to_name(scan, &byte, 1);
		return BODY_SET_NAME;
	}
	if (byte == '%' || byte == '\'' || byte == '|')
		return body_custom(scan);
	if (sqlscan_name_has_dot(scan))
		return body_named(scan);
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
		scan->body_length = scan->name_length = 0;
		return byte == '\'' ? BODY_CONFIG_LITERAL : body_custom(scan);
	case BODY_CONFIG_LITERAL:
		if (body_add_to_word(scan, byte))
			return BODY_CONFIG_LITERAL;
		if (byte == '.') {
			sqlscan_add_to_name(scan, &byte, 1);
			return BODY_CONFIG_LITERAL;
		}
		if (byte != '\'')
			return body_custom(scan);
		return scan->body_length > 0 ? BODY_CONFIG_READ :
		    BODY_CONFIG_LITERAL;
	default:
		if (byte == '\'')
			return BODY_CONFIG_READ;
		return byte == ',' ? body_named(scan) : body_custom(scan);
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
