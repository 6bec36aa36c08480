/*
 * A batch that is run once more.
 */

#ifndef RELAY_RELAY_RETRY_H
#define RELAY_RELAY_RETRY_H

#include "relay/relay_private.h"

void	relay_keep_first(struct relay *, struct relay_io *,
	    const struct relay_message *);
/* What was used up to here is a part of the batch that grows. */
void	relay_keep(struct relay *, struct relay_io *, const uint8_t *end,
	    enum batch_state);

static inline bool
relay_keeps_batch(const struct relay *relay)
{
	return relay->state == RELAY_LINKED &&
	    relay->server->session->batch_state == BATCH_GROWS;
}

/* A message of the client was used; is_first: no request of its ran before. */
static inline void
relay_note_message(struct relay *relay, struct relay_io *io,
    const struct relay_message *message, bool is_first)
{
	if (is_first && relay->state == RELAY_LINKED)
		relay_keep_first(relay, io, message);
	if (!relay_keeps_batch(relay))
		return;
	if (message->here < message->total)
		relay->server->session->batch_state = BATCH_NONE;
	else if (message->at[0] == MSG_SYNC || message->at[0] == MSG_QUERY)
		relay_keep(relay, io, message->at + message->here,
		    BATCH_WHOLE);
}

/* This error is not for the client: its batch will be run again. */
bool	relay_meets_again(struct relay *, const struct expectation *,
	    const char *sqlstate);
/* The server is lost: the batch gets an error like any other. */
void	relay_forget_retry(struct relay *);
void	relay_retry(struct relay *);

#endif
