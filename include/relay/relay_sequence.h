/*
 * What clients draw from sequences: currval and lastval tell a session what
 * itself has drawn, and a server has had many sessions.
 *
 * Nobody gets another one's value: what others have drawn is forgotten in
 * front of the first who asks, and from then on, which is learned by database
 * and user, whenever a server changes hands.
 *
 * And whoever asks right behind what it has drawn gets that: where it is known
 * that somebody asks, a client keeps its server (PIN_DRAWN) until it says
 * something else, or for SEQUENCE_REST_US: long enough for an application's
 * next line, short enough for those who wait, and therefore without a place
 * among max_pinned.  Who asks at another time is told 55000, and tied from
 * then on (PIN_SEQUENCE).
 */

#ifndef RELAY_RELAY_SEQUENCE_H
#define RELAY_RELAY_SEQUENCE_H

#include "base/clock.h"
#include "relay/relay_message.h"

#define SEQUENCE_REST_US	(50 * US_PER_MS)

/* LINKED anew: the last one who had this server may have drawn. */
void		relay_disown_sequences(struct relay *, struct relay_io *);
/* A statement that asks is about to be sent. */
void		relay_forget_sequences(struct relay *, struct relay_io *);
/* One that may draw is about to be sent; to who is tied it will belong. */
void		relay_draw_tied(struct relay *, struct relay_io *);
/* What a statement that touches this ties by, in this transaction. */
uint32_t	relay_statement_pins(const struct relay *, uint32_t touches);
/* PIN_DRAWN, if that is what a transaction that touched this leaves. */
uint32_t	relay_drawn_pin(const struct relay *, uint32_t touches);
/* PIN_DRAWN: the client says this, and perhaps has no server any more. */
void		relay_end_drawn(struct relay *, struct relay_io *,
		    const struct relay_message *);
/* It has rested for too long. */
void		relay_on_drawn_rest(struct loop *, struct deadline *);

#endif
