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
#include "relay/parcel.h"
#include "relay/prepared.h"
#include "relay/session.h"
#include "relay/settings.h"
#include "wire/sqlbegin.h"
#include "wire/sqlscan.h"

enum relay_state {
	RELAY_GREETING,
	RELAY_IDLE,
	RELAY_WAITING,
	RELAY_LINKED,
	RELAY_CLOSED,
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

/* A transaction whose server is gone; IDLE or refusing what comes. */
enum lost {
	LOST_NOTHING,
	LOST_UNTOLD,		/* the client has not heard of it yet */
	LOST_TOLD,		/* it has, and must end the transaction */
};

/* What a batch has done with the unnamed statement. */
enum {
	UNNAMED_OLD,		/* not parsed it */
	UNNAMED_PARSED,
	UNNAMED_BOUND,		/* and used it */
	UNNAMED_TOLD,		/* described it, whatever came then */
};

struct relay {
	struct client		*client;	/* NULL: CLOSED */
	struct server		*server;	/* LINKED, or greeting */
	enum relay_state	 state;
	uint32_t		 pins;		/* base/pins.h */
	uint32_t		 counted_pins;	/* of them, in the counters */
	uint32_t		 touches; /* sqlscan's, of what was sent in
						 * this transaction */
	struct buf		 held; /* from the client, not used yet */
	uint32_t		 skip;		/* bytes of the client's current
						 * message still to come */
	bool			 skip_passes;	/* they go to the server */
	uint8_t			 skip_type;	/* then: of the message */
	bool			 is_holding; /* a query of ours comes first */
	bool			 is_unsynced;	/* a batch without its Sync */
	bool			 has_parsed;	/* that batch, without a name */
	bool			 is_refusing;	/* after an error of ours: what
						 * comes is dropped to Sync */
	bool			 is_leaving; /* said X: close when answered */
	bool			 tells_settings;/* the client hears of what the
						 * next switch reports */
	bool			 has_changed;	/* its server, and was told so;
						 * we have not asked how */
	bool			 is_pausing;	/* what was asked has to be
						 * answered before more is */
	bool			 owes_ready;	/* the client's ReadyForQuery:
						 * the hub has to listen */
	bool			 has_baseline;	/* its server listens to what
						 * it listens to */
	bool			 has_pin_notice;/* it was told of a tie */
	bool			 is_cut_off;	/* the client has had a part of
						 * a message, and no more of
						 * it will come */
	struct pool		*pin_place;	/* it has one of its max_pinned;
						 * or NULL */
	struct hearer		*hearer;	/* NULL: it never listened */
	struct sqlscan		*scan;		/* of a Query that streams */
	const struct settings	*settings;	/* wanted now, held */
	const struct settings	*defaults;	/* from its startup, held */
	const struct settings	*naming; /* held: custom names beside those
						 * in settings, which its
						 * server may have now */
	const struct settings	*adopted; /* held, or NULL: settings with
						 * names that its first
						 * statement sets */
	bool			 has_reset;	/* what is read back now */
	bool			 is_person_first; /* role before the rest */
	bool			 has_tried_order; /* both, on this server */
	uint8_t			 dropped_servers; /* that refused settings */
	bool			 keeps_place;	/* in line: what it got did not
						 * suit */
	struct names		 names;
	struct statement	*unnamed;	/* held, or NULL */
	const struct statement	*misfit;	/* its rows have changed, as was
						 * just found; not held */
	bool			 knows_shapes;	/* has ever described */
	uint8_t			 unnamed_use;	/* the unnamed statement in the
						 * batch: these */
	bool			 keeps_unnamed;	/* has ever used one of another
						 * batch */
	uint32_t		 long_touches;	/* PIN_STATEMENT: of its text */
	struct ticket		 ticket;
	enum need		 need;		/* of the next transaction */
	bool			 has_need;	/* it is known */
	enum route		 route;		/* the client's; or default */
	enum route		 start_route;	/* of its startup */
	struct pool		*reader;	/* served its last read */
	struct causal		*causal;	/* or NULL; joined at need */
	struct causal		*seen;	/* what it has read at replicas that
						 * it has left; or NULL */
	bool			 has_left;	/* the reader's is in it */
	bool			 heeds_writes;	/* the next transaction reads
						 * what was written before */
	bool			 is_awaiting;	/* a replica to catch up */
	bool			 is_tired;	/* and for long enough */
	bool			 wants_read;	/* the next transaction is
						 * proven to only read */
	bool			 is_reading;	/* the one that runs is */
	bool			 waits_for_end;	/* what comes is not, and is
						 * held until that one ends */
	bool			 is_batch;	/* of the extended protocol */
	uint8_t			 batch_why;	/* WHY_READ: the batch that
						 * begins only reads */
	uint8_t			 why;		/* wants_read or not: enum
						 * route_why */
	uint8_t			 primary_why;	/* not 0: it goes there, for
						 * this enum route_why */
	uint8_t			 begin_state;	/* enum begin_state */
	struct sqlbegin		 begin;		/* unless BEGIN_NONE */
	bool			 begins_inside;	/* BEGIN is in the batch */
	bool			 batch_fetches;	/* by name, or in parts */
	bool			 is_at_replica;	/* LINKED, of several hosts */
	bool			 is_opening;	/* BEGIN_FIRST at a replica,
						 * which may refuse */
	bool			 reopens;	/* it has */
	bool			 alters;	/* DDL was sent */
	struct task		 resume;
	bool			 has_told;	/* the client has heard of what
						 * it reads now */
	enum lost		 lost;
	bool			 lost_ends;	/* Bind of what ends it */
	bool			 lost_commits;	/* that is a COMMIT */
	bool			 may_commit;	/* what is in flight */
	struct deadline		 transaction_deadline;
	void			(*cancelled)(struct loop *, void *);
						/* not NULL: a cancel waits
						 * for the settings in front */
	void			*cancelled_arg;
	int64_t			 linked_us;	/* transaction began */
	int64_t			 query_us;	/* query began; 0: none runs */
	enum reason		 dismissal;	/* close at the boundary */
	char			*dismissal_text;
};

/* Both directions of one callback, on its stack. */
struct relay_io {
	struct parcel	 to_server;
	struct parcel	 to_client;
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
