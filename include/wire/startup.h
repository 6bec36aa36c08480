/*
 * The first packets of a connection, which have no type byte (PostgreSQL
 * documentation 55.2.1 and 55.7): StartupMessage, SSLRequest, GSSENCRequest
 * and CancelRequest.
 *
 * startup_parse() checks the whole packet; whoever walks the parameters of
 * one that was STARTUP_PROTOCOL afterwards can meet nothing malformed.
 */

#ifndef WIRE_STARTUP_H
#define WIRE_STARTUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/get.h"

enum {
	/* With its length; PostgreSQL allows 10,000. */
	STARTUP_BYTES_MAX = 65536 + 8,
	STARTUP_KEY_BYTES_MIN = 4,
	STARTUP_KEY_BYTES_MAX = 256,
};

/* The codes that stand where the version stands. */
#define STARTUP_CODE_CANCEL	80877102u
#define STARTUP_CODE_SSL	80877103u
#define STARTUP_CODE_GSSENC	80877104u

enum startup_kind {
	STARTUP_MORE,		/* not all of it is here */
	STARTUP_BAD,		/* startup.error says why */
	STARTUP_PROTOCOL,	/* major, minor, parameters */
	STARTUP_SSL,
	STARTUP_GSSENC,
	STARTUP_CANCEL,		/* pid, key, key_length */
};

struct startup {
	uint32_t	 length;	/* of the whole packet, to consume;
					 * 0 until four bytes are here */
	const char	*error;		/* STARTUP_BAD: a sentence */
	uint16_t	 major, minor;
	/* For startup_next().  Empty when the major version is not 3. */
	struct get	 parameters;
	uint32_t	 pid;
	const uint8_t	*key;		/* points into the packet */
	size_t		 key_length;
};

enum startup_kind	startup_parse(const uint8_t *, size_t,
			    struct startup *);

/* The next pair, pointing into the packet; false after the last one. */
bool	startup_next(struct get *parameters, const char **name,
	    const char **value);

/* Whether a parameter is a protocol option, "_pq_." and more. */
bool	startup_is_protocol_option(const char *name);

/*
 * Whether the client begins with a TLS handshake (sslnegotiation=direct)
 * instead of a packet: the first byte is that of a TLS record, and would be a
 * length of more than 300 MB otherwise.
 */
static inline bool
startup_is_direct_tls(const uint8_t *data, size_t n)
{
	return n > 0 && data[0] == 0x16;
}

/*
 * The settings in the parameter "options", in place: "-c name=value",
 * "-cname=value" and "--name=value", separated by white space, where a
 * backslash takes away the meaning of the next character and "-" in a name
 * stands for "_".  *at begins as a terminated copy and moves on.
 *
 * A name may be anything: PostgreSQL judges it.  When it is neither END nor
 * OK, *name is the piece that is wrong, and the rest must not be read.
 */
enum startup_option {
	STARTUP_OPTION_END,
	STARTUP_OPTION_OK,
	STARTUP_OPTION_BAD,		/* none of this */
	STARTUP_OPTION_EMPTY,		/* -c without "=" */
	STARTUP_OPTION_LONG_EMPTY,	/* "--" without it */
};

enum startup_option	startup_next_option(char **at, const char **name,
			    const char **value);

#endif
