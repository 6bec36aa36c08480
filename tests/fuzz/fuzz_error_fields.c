/*
 * Fuzz entry: an error or notice from a server that speaks rubbish, and
 * whether what was understood can be passed on and understood again.
 */

#include <assert.h>
#include <string.h>

#include "wire/error_fields.h"
#include "wire/put.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct error_fields	fields, again;
	struct buf		out;

	error_fields_parse(data, n, &fields);
	assert(*fields.severity != '\0' && strlen(fields.sqlstate) == 5 &&
	    *fields.message != '\0');
	buf_init(&out);
	put_error(&out, &fields);
	error_fields_parse(buf_bytes(&out) + MSG_HEAD_BYTES,
	    buf_length(&out) - MSG_HEAD_BYTES, &again);
	assert(strcmp(fields.severity, again.severity) == 0 &&
	    strcmp(fields.sqlstate, again.sqlstate) == 0 &&
	    strcmp(fields.message, again.message) == 0 &&
	    (fields.detail == NULL) == (again.detail == NULL) &&
	    (fields.hint == NULL) == (again.hint == NULL));
	buf_done(&out);
	return 0;
}
