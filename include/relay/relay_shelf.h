/*
 * What a server lacks is prepared on it.
 */

#ifndef RELAY_RELAY_SHELF_H
#define RELAY_RELAY_SHELF_H

#include "relay/relay_private.h"

/* Close on the server what was prepared under settings that did not last. */
void	relay_close_private(struct relay *, struct relay_io *);
/*
 * They go with DISCARD ALL and DEALLOCATE ALL; a first temporary table may be
 * in the place of one of theirs.
 */
void	relay_forget_shelf(struct relay *, uint32_t touches);
/* Send Parse for this statement under a name of the server's own. */
struct expectation	*relay_shelve(struct relay *, struct relay_io *,
			    struct statement *, enum expect_fate);
/* Close on the server, and forget, what is there. */
void	relay_close_shelved(struct server_session *, struct relay_io *,
	    struct shelf_entry *);
/* The server's unnamed statement is this client's, or becomes it. */
void	relay_ensure_unnamed(struct relay *, struct relay_io *);

#endif
