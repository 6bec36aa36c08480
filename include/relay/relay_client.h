/*
 * What the client says.
 */

#ifndef RELAY_RELAY_CLIENT_H
#define RELAY_RELAY_CLIENT_H

#include "base/buf.h"
#include "relay/relay_message.h"

struct sqlscan;

/* What the client is saying; held is relay_service.c's. */
struct relay_input {
	struct buf		 held;		/* not used yet */
	struct sqlscan		*scan;		/* of a Query that streams */
	uint32_t		 skip;		/* bytes of the current message
						 * still to come */
	bool			 skip_passes;	/* they go to the server */
	uint8_t			 skip_type;	/* then: of the message */
	bool			 is_pausing;	/* what was asked has to be
						 * answered before more is */
};

/* A statement begins: its time counts, and the idle limits do not. */
void	relay_begin_query(struct relay *);
/* Use client bytes; returns how many. */
size_t	relay_read_client(struct relay *, struct relay_io *, uint8_t *,
	    size_t);
/* Pass the message on as it is, the rest of it when it comes. */
void	relay_pass(struct relay *, struct relay_io *,
	    const struct relay_message *);
/* Of a message that was begun: the rest passes when it comes. */
void	relay_pass_rest(struct relay *, const struct relay_message *);
/* Drop the rest of the message. */
void	relay_drop(struct relay *, const struct relay_message *);
/* True: it may begin a transaction block, and pool_mode is statement. */
bool	relay_refuse_block(struct relay *, struct relay_io *,
	    const struct relay_message *, uint32_t touches, bool is_query);
enum relay_verdict	relay_bad_message(struct relay *,
			    const struct relay_message *, const char *what);

#endif
