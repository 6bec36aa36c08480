/*
 * Text for machines: JSON strings and Prometheus labels.
 *
 * What a peer said may be any bytes.  What is no UTF-8 becomes "?", as each
 * control character does in a label; quotes and backslashes are escaped, so
 * that no text can end its string.
 */

#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* The bytes of the character that a text begins with; 0: no UTF-8. */
size_t	json_utf8_bytes(const char *);

/*
 * What stands between the quotes of a JSON string, terminated, cut between
 * two characters where there is no room.  Returns its length.
 */
size_t	json_escape(char *to, size_t size, const char *from);

/* "text" with its quotes; NULL gives null. */
void	json_add(struct buf *, const char *text);

/* The value of a label, without its quotes. */
void	json_add_label(struct buf *, const char *text);

#endif
