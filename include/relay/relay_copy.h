/*
 * COPY in of an Execute: which Syncs PostgreSQL has ignored.  What is known of
 * it is the server's session's.
 */

#ifndef RELAY_RELAY_COPY_H
#define RELAY_RELAY_COPY_H

#include "relay/relay_private.h"

/* CopyInResponse to the head. */
void	relay_copy_begin(struct relay *);
/* The head has failed; true: relay_copy_ask() when its batch is struck. */
bool	relay_copy_fails(struct relay *, const char *sqlstate);
void	relay_copy_ask(struct relay *, struct relay_io *);
/* This is what was asked: ReadyForQuery, and the empty query's answer. */
bool	relay_copy_is_asked(const struct expectation *head);
void	relay_copy_ready(struct relay *);
void	relay_copy_told(struct relay *, struct relay_io *);

#endif
