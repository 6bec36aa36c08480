/*
 * DEALLOCATE of what was prepared through the protocol.
 */

#ifndef RELAY_RELAY_DEALLOCATE_H
#define RELAY_RELAY_DEALLOCATE_H

#include "relay/relay_private.h"

/* False: let PostgreSQL answer.  Holding: it waits. */
bool	relay_query_deallocate(struct relay *, struct relay_io *,
	    const char *text, size_t);
/* The unnamed portal is session->deallocate. */
bool	relay_execute_deallocate(struct relay *, struct relay_io *,
	    const struct relay_message *);

#endif
