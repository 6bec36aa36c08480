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

#include "base/pins.h"
#include "base/reason.h"
#include "client/client.h"
#include "pool/pool.h"
#include "relay/relay_batch.h"
#include "relay/relay_begin.h"
#include "relay/relay_choose.h"
#include "relay/relay_client.h"
#include "relay/relay_flight.h"
#include "relay/relay_learn.h"
#include "relay/relay_listen.h"
#include "relay/relay_lost.h"
#include "relay/relay_reader.h"
#include "relay/relay_settings.h"
#include "relay/relay_split.h"
#include "relay/relay_tie.h"
#include "relay/relay_timeouts.h"
#include "session/session.h"
#include "wire/sqlscan.h"

enum relay_state {
	RELAY_GREETING,
	RELAY_IDLE,
	RELAY_WAITING,
	RELAY_LINKED,
	RELAY_CLOSED,
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
	bool			 owes_ready; /* the client's ReadyForQuery: what
					      * it has changed is not known */
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
	struct relay_flight	 flight;
	struct relay_listen	 listen;
	struct relay_cancel	 cancel;
	struct relay_ending	 ending;
};

extern const struct client_service	relay_service;
void		 relay_init(void);	/* before any thread: hooks */

/* max_prepared_statements: main's to set, at start and at a reload. */
extern size_t	 relay_prepared_max;
/* max_client_statements; 0: unlimited. */
extern size_t	 relay_names_max;

/* disable_pqexec: no simple queries. */
extern bool	 relay_no_queries;

/* retry_buffer: a longer request is not kept to be run again. */
extern size_t	 relay_retry_bytes;

#endif
