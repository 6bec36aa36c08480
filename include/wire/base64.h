/*
 * Base64 as SCRAM has it (RFC 4648 section 4): no line breaks, padded, and
 * read strictly, so that every value has exactly one text.
 */

#ifndef WIRE_BASE64_H
#define WIRE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BASE64_CHARS(n)		(((n) + 2) / 3 * 4)	/* without NUL */

/* Writes BASE64_CHARS(n) characters and a NUL. */
void	base64_encode(const void *, size_t n, char *text);
/*
 * At most max bytes; false when that is too few, or the text is none.  What
 * is in bytes after false is undefined.
 */
bool	base64_decode(const char *text, size_t chars, uint8_t *bytes,
	    size_t max, size_t *n);

#endif
