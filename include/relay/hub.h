/*
 * A hub: the one connection on which all clients of a database and user
 * listen.  Clients in another encoding than the usual one share a hub of their
 * own, which has that encoding: PostgreSQL converts.
 *
 * It lives on the loop of its first client and is touched by that thread
 * only; the others send it orders and get notices from it, both by letter.
 * Letters from the hub to a loop keep their order: a client gets every
 * notification that was committed after its order came back, and none from
 * before.
 */

#ifndef RELAY_HUB_H
#define RELAY_HUB_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "net/loop.h"

struct hub;
struct hearer;
struct pool;

/*
 * "I want these channels", or "not any more".  A wish goes to the hub and
 * comes back once PostgreSQL listens, or will not; in between only its
 * `hearer` may be touched, by the thread of its loop.
 */
struct hub_order {
	struct letter		 letter;
	struct hub		*hub;
	struct loop		*loop;		/* who asks */
	struct hearer		*hearer;	/* NULL: gone since */
	void			(*answered)(struct hub_order *);
	bool			 is_release;	/* no answer: the hub's now */
	bool			 is_good;
	size_t			 count;
	char			**names;	/* owned */
	STAILQ_ENTRY(hub_order)	 next;
};

/* A notification for the hearers of one loop, who free it. */
struct hub_notice {
	struct letter	 letter;
	struct hub	*hub;
	uint32_t	 pid;
	uint64_t	 hash;		/* of channel and payload */
	const char	*channel;	/* in bytes */
	uint32_t	 length;
	uint8_t		 bytes[];	/* the whole message */
};

/* What the thread of one loop keeps with a hub. */
struct hub_branch {
	struct hash_table	 channels;	/* hearer.c's */
};

/*
 * Any thread.  Found or made by a thread of a loop; never freed.  encoding:
 * NULL for the one that servers of this pool begin with.
 */
struct hub		*hub_of(struct pool *, struct loop *,
			    const char *encoding);
struct hub_branch	*hub_branch_of(struct hub *, const struct loop *);
/* Any thread: what is notified now it will tell, as far as it knows. */
bool			 hub_is_listening(const struct hub *);
/* The order is answered later, never before this has returned. */
void			 hub_send(struct hub_order *);
void			 hub_order_free(struct hub_order *);
/* LISTEN or UNLISTEN and this channel, as SQL with its semicolon. */
void			 hub_put_command(struct buf *, const char *command,
			    const char *channel);
/* Tests: all loops have ended. */
void			 hubs_done(void);

#endif
