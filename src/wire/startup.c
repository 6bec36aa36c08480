/*
 * The first packets of a connection.
 *
 *	length (4, counts itself)   code (4)
 *	  major, minor			pairs of strings, then a zero byte
 *	  CANCEL			pid (4), key (4 to 256)
 *	  SSL, GSSENC			nothing
 *
 * The length comes from somebody who is not known yet, so nothing is said
 * about a packet that is longer than STARTUP_BYTES_MAX but that it is bad;
 * it need not be waited for.  Pure; any thread.
 */

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "wire/startup.h"

enum { STARTUP_BYTES_MIN = 8 };

static enum startup_kind
startup_bad(struct startup *startup, const char *error)
{
	startup->error = error;
	return STARTUP_BAD;
}

/* Pairs up to a zero byte that is the last of the packet. */
static bool
startup_pairs_are_sound(struct get get)
{
	const char	*name;

	while ((name = get_string(&get)) != NULL && *name != '\0')
		if (get_string(&get) == NULL)
			return false;
	return get_is_done(&get);
}

static enum startup_kind
startup_parse_protocol(struct startup *startup, uint32_t code,
    const struct get *get)
{
	startup->major = (uint16_t)(code >> 16);
	startup->minor = (uint16_t)code;
	/* The layout of other versions is not ours to know. */
	if (startup->major != 3)
		return STARTUP_PROTOCOL;
	if (!startup_pairs_are_sound(*get))
		return startup_bad(startup, "invalid startup packet layout: "
		    "expected pairs of strings and a terminator as last byte");
	startup->parameters = *get;
	return STARTUP_PROTOCOL;
}

static enum startup_kind
startup_parse_cancel(struct startup *startup, struct get *get)
{
	startup->pid = get_u32(get);
	startup->key_length = get_left(get);
	startup->key = get_bytes(get, startup->key_length);
	if (get->bad || startup->key_length < STARTUP_KEY_BYTES_MIN ||
	    startup->key_length > STARTUP_KEY_BYTES_MAX)
		return startup_bad(startup, "invalid length of cancel request");
	return STARTUP_CANCEL;
}

enum startup_kind
startup_parse(const uint8_t *data, size_t n, struct startup *startup)
{
	struct get	get;
	uint32_t	length, code;

	*startup = (struct startup){ 0 };
	get_init(&startup->parameters, NULL, 0);
	get_init(&get, data, n);
	if (n < 4)
		return STARTUP_MORE;
	length = get_u32(&get);
	if (length < STARTUP_BYTES_MIN || length > STARTUP_BYTES_MAX)
		return startup_bad(startup, "invalid length of startup packet");
	startup->length = length;
	if (n < length)
		return STARTUP_MORE;
	get_init(&get, data + 4, length - 4);
	code = get_u32(&get);
	switch (code) {
	case STARTUP_CODE_CANCEL:
		return startup_parse_cancel(startup, &get);
	case STARTUP_CODE_SSL:
	case STARTUP_CODE_GSSENC:
		if (!get_is_done(&get))
			return startup_bad(startup,
			    "invalid length of encryption request");
		return code == STARTUP_CODE_SSL ? STARTUP_SSL : STARTUP_GSSENC;
	default:
		return startup_parse_protocol(startup, code, &get);
	}
}

bool
startup_next(struct get *parameters, const char **name, const char **value)
{
	if (get_left(parameters) == 0)
		return false;
	*name = get_string(parameters);
	if (*name == NULL || **name == '\0')
		return false;
	*value = get_string(parameters);
	return *value != NULL;
}

bool
startup_is_protocol_option(const char *name)
{
	return strncmp(name, "_pq_.", 5) == 0;
}

/*
 * Cut the next piece off at white space that no backslash stands before, and
 * take the backslashes out.  NULL at the end.
 */
static char *
startup_next_piece(char **at)
{
	char	*from = *at, *to, *piece;

	while (isspace((unsigned char)*from))
		from++;
	if (*from == '\0') {
		*at = from;
		return NULL;
	}
	piece = to = from;
	while (*from != '\0' && !isspace((unsigned char)*from)) {
		if (*from == '\\' && from[1] != '\0')
			from++;
		*to++ = *from++;
	}
	*at = *from != '\0' ? from + 1 : from;
	*to = '\0';
	return piece;
}

static void
startup_name_dashes(char *name, const char *end)
{
	for (; name < end; name++)
		if (*name == '-')
			*name = '_';
}

enum startup_option
startup_next_option(char **at, const char **name, const char **value)
{
	char	*piece, *setting, *equals;
	bool	 is_long;

	if ((piece = startup_next_piece(at)) == NULL)
		return STARTUP_OPTION_END;
	*name = piece;
	*value = NULL;
	is_long = strncmp(piece, "--", 2) == 0;
	if (!is_long && strncmp(piece, "-c", 2) != 0)
		return STARTUP_OPTION_BAD;
	if (is_long || piece[2] != '\0')
		setting = piece + 2;
	else if ((setting = startup_next_piece(at)) == NULL)
		return STARTUP_OPTION_BAD;
	*name = setting;
	if ((equals = strchr(setting, '=')) == NULL)
		return is_long ? STARTUP_OPTION_LONG_EMPTY :
		    STARTUP_OPTION_EMPTY;
	*equals = '\0';
	startup_name_dashes(setting, equals);
	*value = equals + 1;
	return STARTUP_OPTION_OK;
}
