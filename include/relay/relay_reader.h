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
						 * that it left; or NULL */
	bool			 has_left;	/* the pool's is in it */
	bool			 heeds_writes;	/* the next transaction reads
						 * what was written before */
	bool			 is_awaiting;	/* a replica to catch up */
	bool			 is_tired;	/* and for long enough */
};

struct causal	*relay_causal(struct relay *);
/* A server that may serve a read; as relay_ask(). */
struct server	*relay_ask_for_reader(struct relay *);
/* The pool for a read, or NULL: only the primary has what it may see. */
struct pool	*relay_reader(struct relay *);
/* LINKED now: it is counted where this transaction goes. */
void		 relay_note_route(struct relay *, bool is_replica);
/* A deadline for ticket.awaits; and the end. */
void		 relay_watch_catching_up(struct relay *);
void		 relay_reader_done(struct relay *);

#endif
