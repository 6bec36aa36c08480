/*
 * The server is gone, and what the client says then.
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
};

/* The server closed, broke or spoke rubbish (type: of the message, or 0). */
void	relay_lose_server(struct relay *, enum reason, const char *what,
	    uint8_t type);
/* LINKED, and everything in flight has been refused: it is over, or failed. */
void	relay_note_lost(struct relay *);
/* loss.state: what the client says afterwards. */
enum relay_verdict	relay_on_lost(struct relay *, struct relay_io *,
			    const struct relay_message *);
/* A server of a former life, in use. */
void	relay_condemn(struct server *, const char *why);
/* One that a session has kept for too long. */
void	relay_recall(struct server *, const char *why);

#endif
