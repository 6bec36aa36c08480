/*
 * The relay as its client sees it.
 */

#ifndef RELAY_RELAY_SERVICE_H
#define RELAY_RELAY_SERVICE_H

#include "relay/relay_private.h"

bool	relay_may_speak(const struct client *);
/* What was said before what is held back; the buf is done with. */
void	relay_hold_ahead(struct relay *, struct buf *);
/* Use what was held back, as far as that is possible now; behind what was
 * put into the parcels already. */
void	relay_go_on(struct relay *);
void	relay_go_on_with(struct relay *, struct relay_io *);
void	relay_on_server_event(struct server *, enum stream_event);

#endif
