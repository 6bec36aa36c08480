/*
 * A batch that is run once more.
 */

#ifndef RELAY_RELAY_RETRY_H
#define RELAY_RELAY_RETRY_H

#include "relay/relay_private.h"

void	relay_keep_message(struct relay *, const struct relay_message *,
	    bool is_first);

/* A message of the client was used; is_first: no request of its ran before. */
static inline void
relay_note_message(struct relay *relay, const struct relay_message *message,
    bool is_first)
{
	if (relay->state == RELAY_LINKED && (is_first ||
	    relay->server->session->batch_state == BATCH_GROWS))
		relay_keep_message(relay, message, is_first);
}
/* This error is not for the client: its batch will be run again. */
bool	relay_meets_again(struct relay *, const struct expectation *,
	    const char *sqlstate);
/* The server is lost: the batch gets an error like any other. */
void	relay_forget_retry(struct relay *);
void	relay_retry(struct relay *);

#endif
