/*
 * Queries of our own: check, settings, read-back.
 */

#ifndef RELAY_RELAY_QUERY_H
#define RELAY_RELAY_QUERY_H

#include "relay/relay_private.h"

/* What must run before the client's statement; true: nothing, or it is sent
 * in front; false: wait. */
bool	relay_prepare_server(struct relay *, struct relay_io *);
void	relay_start_read_back(struct relay *, struct relay_io *,
	    enum expect_purpose, bool with_inventory);
/* The SQL that brings the server from one set of settings to the other. */
void	relay_send_switch(struct relay *, struct relay_io *,
	    const struct settings *from, const struct settings *to,
	    enum expect_purpose);
/* ReadyForQuery to a query of ours; and, if the client was held for it,
 * going on once all bytes were used. */
void	relay_query_done(struct relay *, enum expect_purpose);
void	relay_hold_over(struct relay *);
/* A query of ours, whose answer is not the client's. */
void	relay_send_own(struct relay *, struct relay_io *, const char *query,
	    enum expect_purpose);
/* The same; the buf, without a NUL, is done with. */
void	relay_send_own_buf(struct relay *, struct relay_io *, struct buf *query,
	    enum expect_purpose);
/* One of ours that must not be hit by a cancel of what stands behind it. */
bool	relay_is_in_front(const struct expectation *head);
/* Something of the client's own is expected. */
bool	relay_has_client_request(const struct relay *);

#endif
