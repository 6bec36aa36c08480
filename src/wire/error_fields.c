/*
 * Reading ErrorResponse and NoticeResponse.
 *
 * A body is a run of fields, each a type byte and a string, ended by a zero
 * byte.  What comes after a field without an end is ignored, and so are
 * fields of unknown types; PostgreSQL asks for both.  Pure; any thread.
 */

#include <ctype.h>

#include "wire/error_fields.h"
#include "wire/get.h"

static int
error_fields_is_sqlstate(const char *text)
{
	size_t	n;

	for (n = 0; text[n] != '\0'; n++)
		if (n == 5 || !isalnum((unsigned char)text[n]))
			return 0;
	return n == 5;
}

void
error_fields_parse(const uint8_t *body, size_t n, struct error_fields *fields)
{
	struct get	 get;
	const char	*value, *localized = "ERROR";
	uint8_t		 type;

	*fields = (struct error_fields){
		.sqlstate = "XX000",
		.message = "no message",
	};
	get_init(&get, body, n);
	while ((type = get_u8(&get)) != 0) {
		if ((value = get_string(&get)) == NULL)
			break;
		if (*value == '\0')
			continue;
		if (type == 'S')
			localized = value;
		else if (type == 'V')
			fields->severity = value;
		else if (type == 'C' && error_fields_is_sqlstate(value))
			fields->sqlstate = value;
		else if (type == 'M')
			fields->message = value;
		else if (type == 'D')
			fields->detail = value;
		else if (type == 'H')
			fields->hint = value;
		else if (type == 'W')
			fields->context = value;
		else if (type == 'F')
			fields->file = value;
		else if (type == 'L')
			fields->line = value;
		else if (type == 'R')
			fields->routine = value;
	}
	if (fields->severity == NULL)
		fields->severity = localized;
}
