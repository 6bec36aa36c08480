/*
 * The extended query protocol.
 */

#ifndef RELAY_RELAY_BATCH_H
#define RELAY_RELAY_BATCH_H

#include "relay/relay_message.h"

struct buf;

/* What a batch has done with the unnamed statement. */
enum {
	UNNAMED_OLD,		/* not parsed it */
	UNNAMED_PARSED,
	UNNAMED_BOUND,		/* and used it */
	UNNAMED_TOLD,		/* described it, whatever came then */
};

/* A batch of the extended query protocol: what comes up to its Sync. */
struct relay_batch {
	bool			 is_unsynced;	/* its Sync is to come */
	bool			 is_refusing;	/* after an error of ours: what
						 * comes is dropped to Sync */
	bool			 has_parsed;	/* without a name */
	uint8_t			 unnamed_use;	/* UNNAMED_ */
	uint8_t			 why;		/* WHY_READ: the one that
						 * begins only reads */
	bool			 begins_inside;	/* BEGIN is in it */
	bool			 fetches;	/* by name, or in parts */
};

relay_handler	relay_on_bind, relay_on_describe, relay_on_close;
/* Forget the name, and tell in its turn; an error before takes it back. */
enum relay_verdict	relay_close_name(struct relay *, struct relay_io *,
			    const struct relay_message *, const char *name,
			    struct buf *answer);

#endif
