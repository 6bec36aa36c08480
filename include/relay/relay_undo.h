/*
 * What was noted of requests that did not happen.
 */

#ifndef RELAY_RELAY_UNDO_H
#define RELAY_RELAY_UNDO_H

#include "relay/relay_private.h"

/*
 * Take back what a request did that PostgreSQL has skipped or refused; requests
 * from number `from` on were not.
 */
void	relay_undo(struct relay *, const struct expectation *, bool skipped,
	    uint32_t from);
/* This request ends the unnamed statement, if it happens. */
void	relay_end_unnamed(struct relay *, struct expectation *);
/* An error in a batch: all that is expected before its Sync is struck. */
void	relay_skip_batch(struct relay *);

#endif
