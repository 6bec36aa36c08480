/*
 * Replication connections: a client whose startup packet has "replication"
 * gets a server of its own, opened with the same parameter, for as long as it
 * stays.
 *
 *	WAITING -> OPENING -> PASSING -> ENDING
 *	OPENING -> WAITING	the host was not the right one after all
 *	any -> CLOSED
 *
 *	WAITING	a limit is reached, the pool is paused, or no host is right
 *		now: tried again, until a time limit; what comes is held back
 *	OPENING	the server is on its way; what comes is held back
 *	PASSING	bytes pass in both directions, whatever they are; messages
 *		are only counted off, so that we know when we may speak
 *	ENDING	the server is closed; what it said goes out, then our last
 *		word
 *	CLOSED	the client has gone; the server that is on its way keeps the
 *		struct alive
 *
 * Such a server counts in max_db_connections and max_user_connections, not in
 * pool_size.  Everything happens in the thread of the client's loop.
 */

#ifndef RELAY_REPLICATION_H
#define RELAY_REPLICATION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/reason.h"
#include "client/client.h"
#include "pool/pool.h"
#include "wire/msg.h"

enum replication_state {
	REPLICATION_WAITING,
	REPLICATION_OPENING,
	REPLICATION_PASSING,
	REPLICATION_ENDING,
	REPLICATION_CLOSED,
};

/* Messages that come in pieces, told from each other. */
struct replication_walk {
	uint8_t		 head[MSG_HEAD_BYTES];
	uint8_t		 have;		/* of the head */
	uint32_t	 left;		/* of the body */
};

struct replication {
	struct client		*client;	/* NULL: CLOSED */
	struct server		*server;	/* PASSING */
	enum replication_state	 state;
	bool			 is_logical;
	bool			 is_streaming;	/* copies in both directions */
	bool			 has_left;	/* the client has said so */
	enum need		 need;
	struct pool_keeper	 keeper;
	char			**startup;	/* name, value, ..., NULL */
	int64_t			 since_us;	/* WAITING since */
	struct buf		 held; /* from the client, before PASSING */
	struct replication_walk	 from_client, from_server;
	uint8_t			 last;		/* that the server has said */
	uint32_t		 asked; /* requests without ReadyForQuery */
	enum reason		 reason; /* the client is to go: why */
	char			*text;		/* to be told; NULL: nothing */
	struct task		 task;		/* freeing */
};

extern const struct client_service	replication_service;

/* "physical", "logical", or "none" for any other client; NULL as well. */
const char	*replication_kind(const struct client *);
/* LINKED, and its host is not what it was. */
void		 replication_condemn(struct server *, const char *why);

/*
 * Between replication.c (coming and going) and replication_pass.c (bytes).
 */
/* The client goes, when what was said before has gone out; text or NULL. */
void	replication_end(struct replication *, enum reason, const char *text);
/* Who may be read now, by what is unsent and held. */
void	replication_pace(struct replication *);
void	replication_read_client(struct replication *);
void	replication_on_server_event(struct server *, enum stream_event);
/* PASSING: use what was held back. */
void	replication_go_on(struct replication *);
/* Nothing that was asked waits for its end, and no message is half told. */
bool	replication_is_at_rest(const struct replication *);
bool	replication_may_speak(const struct client *);

#endif
