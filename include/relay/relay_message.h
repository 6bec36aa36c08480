/*
 * A message of the client on its way through the files of the relay.
 */

#ifndef RELAY_RELAY_MESSAGE_H
#define RELAY_RELAY_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/loop.h"
#include "session/parcel.h"
#include "wire/msg.h"

struct relay;

/* Both directions of one callback, on its stack. */
struct relay_io {
	struct parcel	 to_server;
	struct parcel	 to_client;
	const uint8_t	*unkept;	/* of a batch that grows: from here on
					 * it is not in session->batch */
};

/* What a handler made of a message. */
enum relay_verdict {
	RELAY_USED,	/* all of it that is here; the rest is skip */
	RELAY_OWN,	/* the same, and the batch it begins was answered */
	RELAY_LATER,	/* nothing: more bytes or a server are needed */
	RELAY_GONE,	/* the client was closed */
};

struct relay_message {
	uint8_t		*at;		/* the head */
	struct msg_head	 head;
	size_t		 here;		/* bytes at `at` that belong to it */
	size_t		 total;		/* head and body */
	size_t		 left;		/* bytes at `at`, of it or not */
};

/* Of one type of message. */
typedef enum relay_verdict relay_handler(struct relay *, struct relay_io *,
    const struct relay_message *);

/* A message that is nothing but its type. */
static inline void
relay_put_bare(struct parcel *parcel, uint8_t type)
{
	uint8_t	head[MSG_HEAD_BYTES];

	msg_set_head(head, type, 0);
	parcel_piece(parcel, head, sizeof head);
}

/*
 * What makes PostgreSQL do something is sent when it is here: half of it could
 * neither be taken back nor be ended if the client goes away.
 */
static inline bool
relay_is_half(const struct relay_message *message)
{
	return message->here < message->total &&
	    message->total <= LOOP_BUFFER_BYTES;
}

#endif
