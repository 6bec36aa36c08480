/*
 * The relay: serves a client that has logged in, by linking it to a server
 * for each transaction and carrying messages between the two.
 *
 *	GREETING -> IDLE <-> WAITING -> LINKED -> IDLE
 *	IDLE -> LINKED (an idle server was there)
 *	any -> CLOSED
 *
 *	GREETING the client has not had its first ReadyForQuery; it may wait
 *		 for a server or be linked to one
 *	IDLE	 no server; nothing is expected; what comes is looked at
 *	WAITING	 in the pool's line; what comes is held back
 *	LINKED	 server is ours; while is_holding a query of ours must be
 *		 answered first and what comes is held back
 *	CLOSED	 the client has gone; only a ticket keeps the struct alive
 *
 * Everything happens in the thread of the client's loop.
 */

#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/pins.h"
#include "base/reason.h"
#include "client/client.h"
#include "net/deadline.h"
#include "pool/pool.h"
#include "session/parcel.h"
#include "session/prepared.h"
#include "session/session.h"
#include "session/settings.h"
#include "wire/sqlbegin.h"
#include "wire/sqlscan.h"

enum relay_state {
	RELAY_GREETING,
	RELAY_IDLE,
	RELAY_WAITING,
	RELAY_LINKED,
	RELAY_CLOSED,
};

/* What the client is saying; relay_client.c, held: relay_service.c. */
struct relay_input {
	struct buf		 held;		/* not used yet */
	struct sqlscan		*scan;		/* of a Query that streams */
	uint32_t		 skip;		/* bytes of the current message
						 * still to come */
	bool			 skip_passes;	/* they go to the server */
	uint8_t			 skip_type;	/* then: of the message */
	bool			 is_pausing;	/* what was asked has to be
						 * answered before more is */
};

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

/* What ties the client to its server; relay_tie.c. */
struct relay_ties {
	uint32_t		 pins;		/* base/pins.h */
	uint32_t		 counted;	/* of them, in the counters */
	struct pool		*place;		/* it has one of its max_pinned;
						 * or NULL */
	bool			 is_told;	/* the client heard of a tie */
};

/* What follows the client from server to server; relay_settings.c. */
struct relay_settings {
	const struct settings	*wanted;	/* now, held */
	const struct settings	*defaults;	/* from its startup, held */
	const struct settings	*naming; /* held: custom names beside those
						 * wanted, which its server may
						 * have now */
	const struct settings	*adopted; /* held, or NULL: with names that its
						 * first statement sets */
	bool			 has_reset;	/* what is read back now */
	bool			 is_person_first; /* role before the rest */
	bool			 has_tried_order; /* both, on this server */
	uint8_t			 dropped_servers; /* that refused them */
	bool			 are_told;	/* the client hears of what the
						 * next switch reports */
	bool			 have_changed;	/* the server's, which told so;
						 * we have not asked how */
};

/* What the client has prepared; relay_names.c, relay_learn.c. */
struct relay_prepared {
	struct names		 names;
	struct statement	*unnamed;	/* held, or NULL */
	const struct statement	*misfit;	/* its rows have changed, as was
						 * just found; not held */
	bool			 knows_shapes;	/* has ever described */
	bool			 keeps_unnamed;	/* has ever used one of another
						 * batch */
	uint32_t		 long_touches;	/* PIN_STATEMENT: of its text */
};

/* Where the next transaction goes, and why; relay_choose.c. */
struct relay_choice {
	enum need		 need;
	bool			 has_need;	/* it is known */
	bool			 keeps_place;	/* in line: what it got did not
						 * suit */
	bool			 is_batch;	/* of the extended protocol */
	bool			 wants_read;	/* it is proven to only read */
	uint8_t			 why;		/* wants_read or not: enum
						 * route_why */
	uint8_t			 primary_why;	/* not 0: it goes there, for
						 * this enum route_why */
	enum route		 route;		/* the client's; or default */
	enum route		 start_route;	/* of its startup */
};

/* The client's reads at replicas; relay_reader.c. */
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

/* The transaction that runs, under route = split; relay_split.c. */
struct relay_split {
	bool			 is_reading;	/* it is proven to only read */
	bool			 has_told;	/* the client has heard of what
						 * it reads now */
	bool			 waits_for_end;	/* what comes is no read, and is
						 * held until that one ends */
	bool			 alters;	/* DDL was sent */
	struct task		 resume;
};

/* A transaction block of a client under route = split; relay_begin.c. */
enum begin_state {
	BEGIN_NONE,		/* nothing is known of one */
	BEGIN_HELD,		/* the client has begun it, no server has */
	BEGIN_FIRST,		/* a server has; the first statement runs */
	BEGIN_READS,		/* at a replica, where it stays */
	BEGIN_MOVES,		/* at a replica, until something may write */
	BEGIN_ENDS,		/* at a replica; its end was sent */
};

struct relay_block {
	uint8_t			 state;		/* enum begin_state */
	bool			 is_at_replica;	/* LINKED, of several hosts */
	bool			 is_opening;	/* BEGIN_FIRST at a replica,
						 * which may refuse */
	bool			 reopens;	/* it has */
	struct sqlbegin		 begin;		/* unless BEGIN_NONE */
};

/* A transaction whose server is gone; IDLE or refusing; relay_lost.c. */
enum lost {
	LOST_NOTHING,
	LOST_UNTOLD,		/* the client has not heard of it yet */
	LOST_TOLD,		/* it has, and must end the transaction */
};

struct relay_loss {
	enum lost		 state;
	bool			 ends;		/* Bind of what ends it */
	bool			 commits;	/* that is a COMMIT */
	bool			 may_commit;	/* what is in flight */
};

/* What the client listens to; relay_listen.c. */
struct relay_listen {
	struct hearer		*hearer;	/* NULL: it never listened */
	bool			 owes_ready;	/* the client's ReadyForQuery:
						 * the hub has to listen */
	bool			 has_baseline;	/* its server listens to what
						 * it listens to */
};

/* relay_timeouts.c */
struct relay_times {
	int64_t			 linked_us;	/* transaction began */
	int64_t			 query_us;	/* query began; 0: none runs */
	struct deadline		 deadline;	/* of the transaction */
};

/* A cancel that waits for the settings in front; done NULL: there is none. */
struct relay_cancel {
	void			(*done)(struct loop *, void *);
	void			*arg;
};

/* How the client will be closed. */
struct relay_ending {
	enum reason		 reason;	/* at the boundary */
	char			*text;
	bool			 is_leaving;	/* said X: when answered */
	bool			 is_cut_off;	/* it has had a part of a
						 * message, and no more of it
						 * will come */
};

struct relay {
	struct client		*client;	/* NULL: CLOSED */
	struct server		*server;	/* LINKED, or greeting */
	enum relay_state	 state;
	bool			 is_holding; /* a query of ours comes first */
	uint32_t		 touches;	/* sqlscan's, of what was sent
						 * in this transaction */
	struct relay_input	 input;
	struct relay_batch	 batch;
	struct relay_prepared	 prepared;
	struct relay_settings	 settings;
	struct relay_ties	 ties;
	struct relay_choice	 choice;
	struct ticket		 ticket;
	struct relay_times	 times;
	struct relay_split	 split;
	struct relay_reads	 reads;
	struct relay_block	 block;
	struct relay_loss	 loss;
	struct relay_listen	 listen;
	struct relay_cancel	 cancel;
	struct relay_ending	 ending;
};

/* Both directions of one callback, on its stack. */
struct relay_io {
	struct parcel	 to_server;
	struct parcel	 to_client;
	const uint8_t	*unkept;	/* of a batch that grows: from here on
					 * it is not in session->batch */
};

extern const struct client_service	relay_service;
void		 relay_init(void);	/* before any thread: hooks */

/* max_prepared_statements: main's to set, at start and at a reload. */
extern size_t	 relay_prepared_max;
/* max_client_statements; 0: unlimited. */
extern size_t	 relay_names_max;

/* retry_buffer: a longer request is not kept to be run again. */
extern size_t	 relay_retry_bytes;

/* log_slow, 0: off; the same. */
extern _Atomic int64_t	 relay_slow_us;

#endif
