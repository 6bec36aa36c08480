/*
 * What ties a client to its server.
 */

#ifndef RELAY_RELAY_TIE_H
#define RELAY_RELAY_TIE_H

#include "relay/relay_message.h"

struct pool;

struct relay_ties {
	uint32_t		 pins;		/* base/pins.h */
	uint32_t		 counted;	/* of them, in the counters */
	struct pool		*place;		/* it has one of its max_pinned;
						 * or NULL */
	bool			 is_told;	/* the client heard of a tie */
};

/* Ties of which the server knows whether they are there. */
#define PINS_ASKED	(PIN_TEMP | PIN_HOLD | PIN_PREPARE | PIN_LOCK)

/* What a transaction that touched this leaves on its server. */
uint32_t	relay_pins_of(uint32_t touches);
/* Whether the server has to be asked what there is. */
bool		relay_asks_for_ties(const struct relay *, uint32_t touches);
/* LINKED: a statement that leaves this may be sent; false: it was refused. */
bool		relay_may_tie(struct relay *, struct relay_io *,
		    uint32_t pins, bool is_query);
/* The same by what the text touches, which is noted if it may be sent. */
bool		relay_note_touches(struct relay *, struct relay_io *,
		    const struct relay_message *, uint32_t touches,
		    bool is_query);
/* Between two transactions, when it is known what there is. */
enum relay_tie {
	RELAY_FREE,	/* nothing */
	RELAY_TIED,
	RELAY_UNCLEAN,	/* something, but nobody is to be tied */
	RELAY_ENDED,	/* it is one too many: the client was closed */
};
enum relay_tie	relay_settle_ties(struct relay *);
/* It has asked a sequence in vain: if there is a place. */
void		relay_tie_asker(struct relay *);
/* It has no server any more. */
void		relay_untie(struct relay *);

#endif
