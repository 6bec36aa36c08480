/*
 * A transaction whose server is gone.
 */

#ifndef RELAY_RELAY_LOST_H
#define RELAY_RELAY_LOST_H

#include "base/reason.h"
#include "relay/relay_message.h"

struct server;
struct statement;

/* A transaction whose server is gone; IDLE or refusing. */
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

/*
 * The server is gone, and the client can go on without it: it is told what
 * became of what it said.  False: it cannot.
 */
bool	relay_survive(struct relay *, enum reason, const char *what,
	    const char *text);
enum relay_verdict	relay_on_lost(struct relay *, struct relay_io *,
			    const struct relay_message *);
/* Before it is sent: may this commit something? */
void	relay_note_commit(struct relay *, uint8_t first, bool is_several);
/* A server of a former life, in use. */
void	relay_condemn(struct server *, const char *why);

#endif
