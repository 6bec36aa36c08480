/*
 * Stopping: from the first signal to the end of the process.
 *
 *	RUNNING -- SIGTERM --> DELAYING -- shutdown_delay --> DRAINING
 *	RUNNING -- SIGINT ---> PAUSING -- no server in use --> LAST
 *	DRAINING -- all clients have gone --> LAST --> end
 *	any -- SIGQUIT --> end
 *
 *	DELAYING  /readyz says no; new clients are still let in
 *	DRAINING  nobody is let in.  Clients are told 57P01, those who are idle
 *		  over shutdown_spread, the others at their transaction
 *		  boundary.  The unix socket goes on listening for the console,
 *		  and where there are peers the others for cancel requests
 *	LAST	  all sockets are closed; who is still there is told to go
 *
 * A little before shutdown_timeout, which counts from the signal, everybody
 * is told to go in whatever he is doing, and what runs in PostgreSQL is
 * cancelled; at shutdown_timeout it ends in any case.
 *
 * Main thread, but for stop_state_name().
 */

#ifndef STOP_H
#define STOP_H

#include "ops/process.h"

struct loop;

void		 stop_init(struct loop *);
void		 stop_begin(enum shutdown_mode);
const char	*stop_state_name(void);

#endif
