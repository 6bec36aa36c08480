/*
 * A hearer: a client that listens, seen from its own thread.
 *
 * It has the channels that the client listens to, which the hub listens to as
 * well; what PostgreSQL says of one of them is written to the client at once
 * if it is idle, and kept until its transaction is over if not, as PostgreSQL
 * does.
 *
 * What the client notifies itself comes from its own server, before its
 * ReadyForQuery, and once more from the hub; hearer_own() and
 * hearer_on_notice() strike out one of the two, whichever comes later.
 */

#ifndef RELAY_HEARER_H
#define RELAY_HEARER_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/loop.h"

struct buf;
struct hub;
struct hub_order;
struct hearer;
struct relay;
struct listening;
struct own_notice;
struct kept_notice;

/*
 * Who listens to more channels than the first keeps its server for that; to
 * more than the second, and it is closed.
 */
enum { HEARER_CHANNELS_MAX = 1000, HEARER_FOUND_MAX = 100000 };

/* From the hub to its own server; see relay_listen.c. */
enum hearer_move {
	MOVE_NONE,
	MOVE_BEGINS,		/* its server has to listen */
	MOVE_LISTENS,		/* it does */
	MOVE_ASKS_HUB,		/* for what the hub still has for it */
	MOVE_LISTENS_AGAIN,	/* and the server for the same */
};

struct hearer {
	struct relay		*relay;
	struct hub		*hub;	/* NULL: it never had a channel */
	struct hub_order	*order;	/* not NULL: the hub is asked */
	bool			 is_asked; /* found is to be compared, when it
					    * is known what is set as well */
	enum hearer_move	 move;
	size_t			 count;		/* of channels */
	TAILQ_HEAD(, listening)	 channels;	/* in PostgreSQL's order */
	char			**found;	/* what the server listens to */
	size_t			 found_count, found_size;
	STAILQ_HEAD(, own_notice) own;	/* the hub will say them again */
	size_t			 own_count;
	STAILQ_HEAD(, kept_notice) kept; /* until the transaction is over */
	size_t			 kept_bytes;
};

/* listen_queue_bytes: main's to set, at start and at a reload. */
extern size_t	 hearer_kept_max;

struct hearer	*hearer_new(struct relay *);
void		 hearer_free(struct hearer *);	/* NULL is allowed */
/* LISTEN for all of its channels, or for all that were found. */
void		 hearer_put_channels(const struct hearer *,
		    struct buf *);
void		 hearer_put_found(const struct hearer *, struct buf *);
/* The server listens to this one, too. */
void		 hearer_add_found(struct hearer *, const char *, size_t);
void		 hearer_clear_found(struct hearer *);
/*
 * The hub of this encoding (NULL: the usual one) is its hub now.  False: it
 * listens at another one.
 */
bool		 hearer_choose_hub(struct hearer *, const char *encoding);
/*
 * What was found is what the client listens to now.  What is new the hub is
 * asked for, if it asks, and relay_listen_answered() is called later.
 */
void		 hearer_settle(struct hearer *, bool asks);
/* The same when the hub has said all that it has to say until now. */
void		 hearer_ask_hub(struct hearer *);
/* Its own server tells it everything; what was kept it still gets. */
void		 hearer_leave_hub(struct hearer *);
bool		 hearer_has(const struct hearer *, const char *channel);

/* Of a whole NotificationResponse: its channel and payload. */
uint64_t	 hearer_hash(const uint8_t *message, size_t);
/* The client's server tells it of a notification, its own (this pid) most
 * often, which the hub has told as well or will tell. */
void		 hearer_own(struct hearer *, uint32_t pid,
		    const char *channel, uint64_t hash);
/* Take the oldest of what was kept, or false. */
bool		 hearer_next_kept(struct hearer *, struct buf *);

/* A letter from the hub. */
void		 hearers_on_notice(struct loop *, struct letter *);

#endif
