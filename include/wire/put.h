/*
 * Writing messages into a buf (PostgreSQL documentation 55.7, "Message
 * Formats").
 *
 * A message is put_begin(), its parts, put_end(); everything else here writes
 * one whole message.  The mark that put_begin() returns is relative to the
 * first unread byte, so the buf may move in memory in between, but nothing
 * may be consumed from it.  What is written comes from pgweir itself, or was
 * bounded when it was read: a message of more than 1 GiB is a bug.
 */

#ifndef WIRE_PUT_H
#define WIRE_PUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "wire/error_fields.h"
#include "wire/msg.h"

/* A type of 0 begins a packet without a type byte. */
size_t	put_begin(struct buf *, uint8_t type);
void	put_end(struct buf *, size_t mark);

void	put_u8(struct buf *, uint8_t);
void	put_u16(struct buf *, uint16_t);
void	put_u32(struct buf *, uint32_t);
void	put_string(struct buf *, const char *);		/* with its NUL */
void	put_bytes(struct buf *, const void *, size_t);

/*
 * What a server says.
 */

/* An Authentication message: its code, then data as it is. */
void	put_auth(struct buf *, enum msg_auth, const void *, size_t);
/* Fields that are NULL are left out, but for severity and sqlstate. */
void	put_error(struct buf *, const struct error_fields *);
void	put_notice(struct buf *, const struct error_fields *);
void	put_parameter_status(struct buf *, const char *name,
	    const char *value);
void	put_backend_key(struct buf *, uint32_t pid, const void *key,
	    size_t length);
void	put_ready(struct buf *, uint8_t status);
void	put_notification(struct buf *, uint32_t pid, const char *channel,
	    const char *payload);
void	put_command_complete(struct buf *, const char *tag);
/* A message that is nothing but its type: MSG_PARSE_COMPLETE, ... */
void	put_empty(struct buf *, uint8_t type);
/* The newest minor version we speak, and the options we do not know. */
void	put_negotiate_version(struct buf *, uint32_t minor,
	    const char *const *names, size_t n);

/* The types of our own columns; the numbers are PostgreSQL's. */
enum put_type {
	PUT_BYTEA = 17,
	PUT_INT8 = 20,
	PUT_INT4 = 23,
	PUT_TEXT = 25,
	PUT_NUMERIC = 1700,
};

struct put_column {
	const char	*name;
	enum put_type	 type;
};

void	put_row_description(struct buf *, const struct put_column *,
	    size_t n);
/* Values as text; NULL is null. */
void	put_data_row(struct buf *, const char *const *values, size_t n);
/* Types of the parameters of a statement. */
void	put_parameter_description(struct buf *, const uint32_t *types,
	    size_t n);

/*
 * What an application says.
 */

/* n pairs of name and value, one after the other: 2 n strings. */
void	put_startup(struct buf *, uint16_t major, uint16_t minor,
	    const char *const *pairs, size_t n);
void	put_ssl_request(struct buf *);
void	put_gssenc_request(struct buf *);
void	put_cancel_request(struct buf *, uint32_t pid, const void *key,
	    size_t length);
void	put_password(struct buf *, const char *);
void	put_sasl_initial(struct buf *, const char *mechanism, const void *,
	    size_t);
void	put_sasl_response(struct buf *, const void *, size_t);
void	put_query(struct buf *, const char *text);
void	put_parse(struct buf *, const char *name, const char *text,
	    const uint32_t *types, size_t n);
/* Parameters and results as text; a NULL value is null. */
void	put_bind(struct buf *, const char *portal, const char *statement,
	    const char *const *values, size_t n);
/* kind: 'S' for a statement, 'P' for a portal */
void	put_describe(struct buf *, char kind, const char *name);
void	put_execute(struct buf *, const char *portal, uint32_t rows_max);
void	put_close(struct buf *, char kind, const char *name);
void	put_sync(struct buf *);
void	put_flush(struct buf *);
void	put_terminate(struct buf *);

#endif
