/*
 * The frame of a PostgreSQL message: one type byte, then four bytes of length
 * that count themselves but not the type (PostgreSQL documentation 55.2.1,
 * "Messaging Overview").  Startup packets have no type: see startup.h.
 *
 * msg_peek() looks at the head only.  The length in a head it calls MSG_OK is
 * in bounds, so MSG_HEAD_BYTES + length never overflows a uint32_t; the body
 * may not have come yet.
 */

#ifndef WIRE_MSG_H
#define WIRE_MSG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MSG_HEAD_BYTES		5
#define MSG_BODY_BYTES_MAX	0x3fffffffu

/* max_packet_size, which is at most that. */
extern _Atomic uint32_t	msg_body_bytes_allowed;

/* What an application says; PASSWORD carries SASL answers too. */
enum msg_client {
	MSG_BIND = 'B',
	MSG_CLOSE = 'C',
	MSG_DESCRIBE = 'D',
	MSG_EXECUTE = 'E',
	MSG_FUNCTION_CALL = 'F',
	MSG_FLUSH = 'H',
	MSG_PARSE = 'P',
	MSG_QUERY = 'Q',
	MSG_SYNC = 'S',
	MSG_TERMINATE = 'X',
	MSG_COPY_DATA = 'd',		/* in both directions */
	MSG_COPY_DONE = 'c',		/* in both directions */
	MSG_COPY_FAIL = 'f',
	MSG_PASSWORD = 'p',
};

/* What PostgreSQL says. */
enum msg_server {
	MSG_PARSE_COMPLETE = '1',
	MSG_BIND_COMPLETE = '2',
	MSG_CLOSE_COMPLETE = '3',
	MSG_NOTIFICATION = 'A',
	MSG_COMMAND_COMPLETE = 'C',
	MSG_DATA_ROW = 'D',
	MSG_ERROR = 'E',
	MSG_COPY_IN = 'G',
	MSG_COPY_OUT = 'H',
	MSG_EMPTY_QUERY = 'I',
	MSG_BACKEND_KEY = 'K',
	MSG_NOTICE = 'N',
	MSG_AUTH = 'R',
	MSG_PARAMETER_STATUS = 'S',
	MSG_ROW_DESCRIPTION = 'T',
	MSG_FUNCTION_RESULT = 'V',
	MSG_COPY_BOTH = 'W',
	MSG_READY = 'Z',
	MSG_NO_DATA = 'n',
	MSG_PORTAL_SUSPENDED = 's',
	MSG_PARAMETER_DESCRIPTION = 't',
	MSG_NEGOTIATE_VERSION = 'v',
};

/* The number that a MSG_AUTH body begins with. */
enum msg_auth {
	MSG_AUTH_OK = 0,
	MSG_AUTH_KERBEROS = 2,
	MSG_AUTH_CLEARTEXT = 3,
	MSG_AUTH_MD5 = 5,			/* then 4 bytes of salt */
	MSG_AUTH_GSS = 7,
	MSG_AUTH_GSS_CONTINUE = 8,
	MSG_AUTH_SSPI = 9,
	MSG_AUTH_SASL = 10,			/* then the mechanisms */
	MSG_AUTH_SASL_CONTINUE = 11,
	MSG_AUTH_SASL_FINAL = 12,
};

/* The byte in MSG_READY. */
enum msg_status {
	STATUS_IDLE = 'I',
	STATUS_TRANSACTION = 'T',
	STATUS_FAILED = 'E',
};

static inline bool
msg_is_status(uint8_t byte)
{
	return byte == STATUS_IDLE || byte == STATUS_TRANSACTION ||
	    byte == STATUS_FAILED;
}

struct msg_head {
	uint8_t		type;
	uint32_t	length;	/* body bytes, without type and length */
};

enum msg_result {
	MSG_SHORT,		/* fewer than MSG_HEAD_BYTES */
	MSG_OK,			/* the head is known */
	MSG_BAD,		/* no length that PostgreSQL would send, or
				 * more than is allowed */
};

static inline enum msg_result
msg_peek(const uint8_t *data, size_t n, struct msg_head *head)
{
	uint32_t	length;

	if (n < MSG_HEAD_BYTES)
		return MSG_SHORT;
	length = (uint32_t)data[1] << 24 | (uint32_t)data[2] << 16 |
	    (uint32_t)data[3] << 8 | data[4];
	head->type = data[0];
	/* Lengths below 4 wrap around to the top and are refused as well. */
	head->length = length - 4;
	return head->length <= atomic_load_explicit(&msg_body_bytes_allowed,
	    memory_order_relaxed) ? MSG_OK : MSG_BAD;
}

/* Its type, and how many bytes are behind the head. */
static inline void
msg_set_head(uint8_t head[MSG_HEAD_BYTES], uint8_t type, size_t body_bytes)
{
	uint32_t	length = (uint32_t)(MSG_HEAD_BYTES - 1 + body_bytes);

	head[0] = type;
	head[1] = (uint8_t)(length >> 24);
	head[2] = (uint8_t)(length >> 16);
	head[3] = (uint8_t)(length >> 8);
	head[4] = (uint8_t)length;
}

#endif
