/*
 * The reads of a body that are more than a few instructions.  A get belongs
 * to one thread.
 */

#include <string.h>

#include "wire/get.h"
#include "wire/msg.h"

_Atomic uint32_t	msg_body_bytes_allowed = MSG_BODY_BYTES_MAX;

const uint8_t *
get_bytes(struct get *get, size_t n)
{
	const uint8_t	*at = get->at;

	if (get->bad || n > get_left(get)) {
		get_fail(get);
		return NULL;
	}
	get->at += n;
	return at;
}

const char *
get_string(struct get *get)
{
	const uint8_t	*at = get->at, *end;

	end = memchr(at, '\0', get_left(get));
	if (end == NULL) {
		get_fail(get);
		return NULL;
	}
	get->at = end + 1;
	return (const char *)at;
}
