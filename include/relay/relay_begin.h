/*
 * BEGIN, held back until it is known where its transaction goes.
 */

#ifndef RELAY_RELAY_BEGIN_H
#define RELAY_RELAY_BEGIN_H

#include "relay/relay_message.h"
#include "route/route.h"
#include "wire/sqlbegin.h"

/* A transaction block of a client under route = split. */
enum begin_state {
	BEGIN_NONE,		/* nothing is known of one */
	BEGIN_HELD,		/* the client has begun it, no server has */
	BEGIN_FIRST,		/* a server has; the first statement runs */
	BEGIN_READS,		/* at a replica, where it stays */
	BEGIN_MOVES,		/* at a replica, until something may write;
				 * or, READ ONLY, a function may do something */
	BEGIN_ENDS,		/* at a replica; its end was sent */
};

struct relay_block {
	uint8_t			 state;		/* enum begin_state */
	bool			 is_at_replica;	/* LINKED, of several hosts */
	bool			 is_opening;	/* BEGIN_FIRST at a replica,
						 * which may refuse */
	bool			 reopens;	/* it has */
	bool			 stays;		/* declared READ ONLY, and has
						 * left something there */
	struct sqlbegin		 begin;		/* unless BEGIN_NONE */
};

/* Of a client that is IDLE or LINKED: its transaction fails, as by an error. */
void	relay_begin_fail(struct relay *);
void	relay_begin_hold(struct relay *, const struct sqlbegin *);
/* BEGIN_HELD: COMMIT or ROLLBACK.  Or it has ended, and the server stays. */
void	relay_begin_end(struct relay *);
/* LINKED, in front of the client's bytes: the BEGIN that was held. */
void	relay_begin_send(struct relay *, struct relay_io *);
/* Linked: the batch that comes has its BEGIN inside. */
void	relay_begin_linked(struct relay *, bool is_replica);
/* PostgreSQL has refused it; the server is gone then. */
void	relay_begin_refused(struct relay *, struct relay_io *);
/* ReadyForQuery to what followed it. */
void	relay_begin_answered(struct relay *);
/* The replica has refused what followed it, and is at rest. */
void	relay_begin_again(struct relay *);
/*
 * Why a block goes where it goes, if its first statement is that: WHY_READ is
 * what was proven.
 */
enum route_why	relay_begin_why(const struct relay *, enum route_why);
/*
 * A block at a replica: whether this message may go there.  False: it waits.
 * The relay may be IDLE afterwards: the block goes on elsewhere.
 */
bool	relay_begin_follows(struct relay *, const struct relay_message *);

#endif
