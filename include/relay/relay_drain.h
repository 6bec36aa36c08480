/*
 * A server whose client went away.
 */

#ifndef RELAY_RELAY_DRAIN_H
#define RELAY_RELAY_DRAIN_H

#include "relay/relay_private.h"

/*
 * Its client left in the middle of something: cancel what runs, end it, reset
 * the server and give it to its pool.
 */
void	relay_drain(struct server *, bool is_running, bool is_in_batch);
/* End a message that came in part; false: too long, or it could do harm. */
bool	relay_fill(struct server *, uint8_t type, size_t missing);

#endif
