/*
 * Writing messages.  Pure, into the caller's buf; any thread.
 *
 * put_begin() leaves room for the length, and put_end() fills it in, so no
 * length is ever worked out beforehand.
 */

#include <assert.h>
#include <string.h>

#include "wire/put.h"
#include "wire/startup.h"

size_t
put_begin(struct buf *buf, uint8_t type)
{
	size_t	mark;

	if (type != 0)
		put_u8(buf, type);
	mark = buf_length(buf);
	put_u32(buf, 0);
	return mark;
}

void
put_end(struct buf *buf, size_t mark)
{
	size_t	 length = buf_length(buf) - mark;
	uint8_t	*at = buf_bytes(buf) + mark;

	assert(length >= 4 && length <= MSG_BODY_BYTES_MAX + 4);
	at[0] = (uint8_t)(length >> 24);
	at[1] = (uint8_t)(length >> 16);
	at[2] = (uint8_t)(length >> 8);
	at[3] = (uint8_t)length;
}

void
put_u8(struct buf *buf, uint8_t value)
{
	*buf_reserve(buf, 1) = value;
	buf_commit(buf, 1);
}

void
put_u16(struct buf *buf, uint16_t value)
{
	uint8_t	*at = buf_reserve(buf, 2);

	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
	buf_commit(buf, 2);
}

void
put_u32(struct buf *buf, uint32_t value)
{
	uint8_t	*at = buf_reserve(buf, 4);

	at[0] = (uint8_t)(value >> 24);
	at[1] = (uint8_t)(value >> 16);
	at[2] = (uint8_t)(value >> 8);
	at[3] = (uint8_t)value;
	buf_commit(buf, 4);
}

void
put_string(struct buf *buf, const char *text)
{
	buf_add(buf, text, strlen(text) + 1);
}

void
put_bytes(struct buf *buf, const void *bytes, size_t n)
{
	buf_add(buf, bytes, n);
}

static uint16_t
put_count(size_t n)
{
	assert(n <= UINT16_MAX);
	return (uint16_t)n;
}

void
put_empty(struct buf *buf, uint8_t type)
{
	put_end(buf, put_begin(buf, type));
}

static void
put_text_message(struct buf *buf, uint8_t type, const char *text)
{
	size_t	mark = put_begin(buf, type);

	put_string(buf, text);
	put_end(buf, mark);
}

void
put_auth(struct buf *buf, enum msg_auth code, const void *data, size_t n)
{
	size_t	mark = put_begin(buf, MSG_AUTH);

	put_u32(buf, (uint32_t)code);
	put_bytes(buf, data, n);
	put_end(buf, mark);
}

static void
put_field(struct buf *buf, uint8_t type, const char *value)
{
	if (value == NULL)
		return;
	put_u8(buf, type);
	put_string(buf, value);
}

static void
put_fields(struct buf *buf, uint8_t type, const struct error_fields *fields)
{
	size_t		 mark = put_begin(buf, type);
	const char	*severity = fields->severity;

	if (severity == NULL)
		severity = type == MSG_NOTICE ? "NOTICE" : "ERROR";
	put_field(buf, 'S', severity);
	put_field(buf, 'V', severity);
	put_field(buf, 'C', fields->sqlstate != NULL ? fields->sqlstate :
	    type == MSG_NOTICE ? "00000" : "XX000");
	put_field(buf, 'M', fields->message);
	put_field(buf, 'D', fields->detail);
	put_field(buf, 'H', fields->hint);
	put_field(buf, 'W', fields->context);
	put_field(buf, 'F', fields->file);
	put_field(buf, 'L', fields->line);
	put_field(buf, 'R', fields->routine);
	put_u8(buf, 0);
	put_end(buf, mark);
}

void
put_error(struct buf *buf, const struct error_fields *fields)
{
	put_fields(buf, MSG_ERROR, fields);
}

void
put_notice(struct buf *buf, const struct error_fields *fields)
{
	put_fields(buf, MSG_NOTICE, fields);
}

void
put_parameter_status(struct buf *buf, const char *name, const char *value)
{
	size_t	mark = put_begin(buf, MSG_PARAMETER_STATUS);

	put_string(buf, name);
	put_string(buf, value);
	put_end(buf, mark);
}

void
put_backend_key(struct buf *buf, uint32_t pid, const void *key, size_t length)
{
	size_t	mark = put_begin(buf, MSG_BACKEND_KEY);

	put_u32(buf, pid);
	put_bytes(buf, key, length);
	put_end(buf, mark);
}

void
put_ready(struct buf *buf, uint8_t status)
{
	size_t	mark = put_begin(buf, MSG_READY);

	put_u8(buf, status);
	put_end(buf, mark);
}

void
put_notification(struct buf *buf, uint32_t pid, const char *channel,
    const char *payload)
{
	size_t	mark = put_begin(buf, MSG_NOTIFICATION);

	put_u32(buf, pid);
	put_string(buf, channel);
	put_string(buf, payload);
	put_end(buf, mark);
}

void
put_command_complete(struct buf *buf, const char *tag)
{
	put_text_message(buf, MSG_COMMAND_COMPLETE, tag);
}

void
put_negotiate_version(struct buf *buf, uint32_t minor,
    const char *const *names, size_t n)
{
	size_t	mark = put_begin(buf, MSG_NEGOTIATE_VERSION);

	/*
	 * The documentation calls this the newest minor version, but
	 * PostgreSQL sends, and libpq reads, the whole protocol number.
	 */
	put_u32(buf, UINT32_C(3) << 16 | minor);
	put_u32(buf, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		put_string(buf, names[i]);
	put_end(buf, mark);
}

void
put_row_description(struct buf *buf, const struct put_column *columns,
    size_t n)
{
	size_t		mark = put_begin(buf, MSG_ROW_DESCRIPTION);
	enum put_type	type;

	put_u16(buf, put_count(n));
	for (size_t i = 0; i < n; i++) {
		type = columns[i].type;
		put_string(buf, columns[i].name);
		put_u32(buf, 0);			/* of no table */
		put_u16(buf, 0);
		put_u32(buf, type);
		put_u16(buf, type == PUT_INT4 ? 4 : type == PUT_INT8 ? 8 :
		    (uint16_t)-1);			/* its size */
		put_u32(buf, (uint32_t)-1);		/* no modifier */
		put_u16(buf, 0);			/* text format */
	}
	put_end(buf, mark);
}

static void
put_value(struct buf *buf, const char *value)
{
	size_t	length;

	if (value == NULL) {
		put_u32(buf, (uint32_t)-1);
		return;
	}
	length = strlen(value);
	assert(length <= MSG_BODY_BYTES_MAX);
	put_u32(buf, (uint32_t)length);
	put_bytes(buf, value, length);
}

void
put_data_row(struct buf *buf, const char *const *values, size_t n)
{
	size_t	mark = put_begin(buf, MSG_DATA_ROW);

	put_u16(buf, put_count(n));
	for (size_t i = 0; i < n; i++)
		put_value(buf, values[i]);
	put_end(buf, mark);
}

static void
put_types(struct buf *buf, const uint32_t *types, size_t n)
{
	put_u16(buf, put_count(n));
	for (size_t i = 0; i < n; i++)
		put_u32(buf, types[i]);
}

void
put_parameter_description(struct buf *buf, const uint32_t *types, size_t n)
{
	size_t	mark = put_begin(buf, MSG_PARAMETER_DESCRIPTION);

	put_types(buf, types, n);
	put_end(buf, mark);
}

void
put_startup(struct buf *buf, uint16_t major, uint16_t minor,
    const char *const *pairs, size_t n)
{
	size_t	mark = put_begin(buf, 0);

	put_u16(buf, major);
	put_u16(buf, minor);
	for (size_t i = 0; i < 2 * n; i++)
		put_string(buf, pairs[i]);
	put_u8(buf, 0);
	put_end(buf, mark);
}

static void
put_code(struct buf *buf, uint32_t code)
{
	size_t	mark = put_begin(buf, 0);

	put_u32(buf, code);
	put_end(buf, mark);
}

void
put_ssl_request(struct buf *buf)
{
	put_code(buf, STARTUP_CODE_SSL);
}

void
put_gssenc_request(struct buf *buf)
{
	put_code(buf, STARTUP_CODE_GSSENC);
}

void
put_cancel_request(struct buf *buf, uint32_t pid, const void *key,
    size_t length)
{
	size_t	mark = put_begin(buf, 0);

	put_u32(buf, STARTUP_CODE_CANCEL);
	put_u32(buf, pid);
	put_bytes(buf, key, length);
	put_end(buf, mark);
}

void
put_password(struct buf *buf, const char *password)
{
	put_text_message(buf, MSG_PASSWORD, password);
}

void
put_sasl_initial(struct buf *buf, const char *mechanism, const void *data,
    size_t n)
{
	size_t	mark = put_begin(buf, MSG_PASSWORD);

	assert(n <= MSG_BODY_BYTES_MAX);
	put_string(buf, mechanism);
	put_u32(buf, (uint32_t)n);
	put_bytes(buf, data, n);
	put_end(buf, mark);
}

void
put_sasl_response(struct buf *buf, const void *data, size_t n)
{
	size_t	mark = put_begin(buf, MSG_PASSWORD);

	put_bytes(buf, data, n);
	put_end(buf, mark);
}

void
put_query(struct buf *buf, const char *text)
{
	put_text_message(buf, MSG_QUERY, text);
}

void
put_parse(struct buf *buf, const char *name, const char *text,
    const uint32_t *types, size_t n)
{
	size_t	mark = put_begin(buf, MSG_PARSE);

	put_string(buf, name);
	put_string(buf, text);
	put_types(buf, types, n);
	put_end(buf, mark);
}

void
put_bind(struct buf *buf, const char *portal, const char *statement,
    const char *const *values, size_t n)
{
	size_t	mark = put_begin(buf, MSG_BIND);

	put_string(buf, portal);
	put_string(buf, statement);
	put_u16(buf, 0);		/* no formats: all text */
	put_u16(buf, put_count(n));
	for (size_t i = 0; i < n; i++)
		put_value(buf, values[i]);
	put_u16(buf, 0);
	put_end(buf, mark);
}

static void
put_named(struct buf *buf, uint8_t type, char kind, const char *name)
{
	size_t	mark = put_begin(buf, type);

	put_u8(buf, (uint8_t)kind);
	put_string(buf, name);
	put_end(buf, mark);
}

void
put_describe(struct buf *buf, char kind, const char *name)
{
	put_named(buf, MSG_DESCRIBE, kind, name);
}

void
put_close(struct buf *buf, char kind, const char *name)
{
	put_named(buf, MSG_CLOSE, kind, name);
}

void
put_execute(struct buf *buf, const char *portal, uint32_t rows_max)
{
	size_t	mark = put_begin(buf, MSG_EXECUTE);

	put_string(buf, portal);
	put_u32(buf, rows_max);
	put_end(buf, mark);
}

void
put_sync(struct buf *buf)
{
	put_empty(buf, MSG_SYNC);
}

void
put_flush(struct buf *buf)
{
	put_empty(buf, MSG_FLUSH);
}

void
put_terminate(struct buf *buf)
{
	put_empty(buf, MSG_TERMINATE);
}
