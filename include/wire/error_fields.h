/*
 * The fields of ErrorResponse and NoticeResponse that pgweir uses
 * (PostgreSQL documentation 55.8, "Error and Notice Message Fields").
 */

#ifndef WIRE_ERROR_FIELDS_H
#define WIRE_ERROR_FIELDS_H

#include <stddef.h>
#include <stdint.h>

struct error_fields {
	const char	*severity;	/* "ERROR", "FATAL", "NOTICE", ... */
	const char	*sqlstate;	/* five characters */
	const char	*message;
	const char	*detail;	/* NULL: none */
	const char	*hint;		/* NULL: none; so the rest */
	const char	*context;
	const char	*file;		/* of PostgreSQL's source */
	const char	*line;
	const char	*routine;
};

/*
 * Read a body as a server may have sent it, which is to say any bytes.  After
 * this severity, sqlstate and message are never NULL: what is missing, empty
 * or unterminated becomes "ERROR", "XX000" and "no message", and so does an
 * SQLSTATE that is not five letters and digits.  The severity is the one that
 * is not translated (V) where there is one.  Strings point into the body or
 * are constants.
 */
void	error_fields_parse(const uint8_t *body, size_t n,
	    struct error_fields *);

#endif
