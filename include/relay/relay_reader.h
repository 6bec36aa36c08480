/*
 * Which replica serves a client's next read.
 */

#ifndef RELAY_RELAY_READER_H
#define RELAY_RELAY_READER_H

#include "relay/relay_message.h"

struct causal;
struct pool;
struct server;

/* The client's reads at replicas. */
struct relay_reads {
	struct pool		*pool;		/* served its last read */
	struct causal		*causal;	/* or NULL; joined at need */
	struct causal		*seen;		/* what it has read at replicas
						 * that it left, and at the
						 * primary; or NULL */
	bool			 has_left;	/* the pool's is in it */
	bool			 is_ahead;	/* that one must have it, too */
	bool			 heeds_writes;	/* the next transaction reads
						 * what was written before */
	bool			 is_awaiting;	/* a replica to catch up */
	bool			 is_tired;	/* and for long enough */
	int64_t			 patience_us;	/* so long */
	int64_t			 primary_us;	/* is_ahead: since when */
	int64_t			 stuck_us;	/* and it waits after that */
};

struct causal	*relay_causal(struct relay *);
/* A server that may serve a read; as relay_ask(). */
struct server	*relay_ask_for_reader(struct relay *);
/* LINKED now: it is counted where this transaction goes. */
void		 relay_note_route(struct relay *, bool is_replica);
/* One that was to read is over; perhaps it was served by the primary. */
void		 relay_note_read(struct relay *);
/* It is served by the pool of a replica. */
void		 relay_set_reader(struct relay *, struct pool *);
/* A deadline for ticket.awaits; and the end. */
void		 relay_watch_catching_up(struct relay *);
void		 relay_reader_done(struct relay *);

#endif
