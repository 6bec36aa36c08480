/*
 * Statements and batches that are answered here.
 */

#ifndef RELAY_RELAY_OWN_H
#define RELAY_RELAY_OWN_H

#include "relay/relay_private.h"
#include "session/own.h"

/* A statement that is answered here; false: it is not. */
bool	relay_own_query(struct relay *, struct relay_io *,
	    const char *text, size_t n);

/* Nothing of a block is ours but where no server has it. */
static inline bool
relay_owns_batch(const struct relay *relay, int may_own)
{
	return may_own != OWN_MAYBE_NOT && (may_own == OWN_MAYBE_ANY ||
	    (relay->state == RELAY_IDLE &&
	    relay->client->pool->set != NULL));
}
/* Parse, or Bind of that statement: the whole batch, if it is here. */
bool	relay_own_batch(struct relay *, struct relay_io *,
	    const struct relay_message *);

#endif
