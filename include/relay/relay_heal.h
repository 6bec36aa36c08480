/*
 * A read that a replica has refused runs on the primary.
 */

#ifndef RELAY_RELAY_HEAL_H
#define RELAY_RELAY_HEAL_H

#include "relay/relay_private.h"

/* True: the request runs on the primary, its client hears nothing of this. */
bool	relay_heal(struct relay *, struct relay_io *,
	    const struct error_fields *);
/* The server is lost, by what it said last: the same. */
bool	relay_heal_lost(struct relay *);

#endif
