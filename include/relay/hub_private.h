/*
 * Between hub.c (the connection) and hub_channel.c (what it listens to).
 */

#ifndef RELAY_HUB_PRIVATE_H
#define RELAY_HUB_PRIVATE_H

#include <stdatomic.h>

#include "base/buf.h"
#include "net/deadline.h"
#include "pool/pool.h"
#include "relay/hub.h"

struct hub_channel {
	struct hash_node		 node;
	TAILQ_ENTRY(hub_channel)	 dirty;
	char				*name;
	bool				 is_dirty;
	bool				 is_listened;	/* or being so */
	int				 total;		/* of wants */
	int				 wants[];	/* by loop index */
};

STAILQ_HEAD(hub_orders, hub_order);

struct hub {
	struct hash_node	 node;
	char			*database, *user;
	char			*encoding;	/* NULL: the usual one */
	const char		*startup[3];	/* that says so */
	struct loop		*loop;
	struct loop		**loops;	/* by index; that ever asked */
	int			 lane_count;
	struct pool_keeper	 keeper;
	struct server		*server;	/* UP */
	atomic_bool		 is_listening;	/* to all that is wanted */
	bool			 is_opening;
	bool			 is_asking;
	bool			 has_failed;	/* what is asked */
	bool			 was_lost;	/* and is not back yet */
	int			 idle_ticks;	/* without channels */
	struct hash_table	 channels;
	TAILQ_HEAD(, hub_channel) changed;
	struct hub_orders	 waiting, asked;
	struct deadline		 deadline;	/* UP: tick; DOWN: retry */
	int64_t			 pause_us;
	struct buf		 in;
	char			 error[300];	/* that PostgreSQL said last */
	struct hub_branch	 branches[];	/* by loop index */
};

struct hub_channel	*hub_channel_find(struct hub *, const char *name);
/* An order comes; or it was refused, or what it gave is given back. */
void	hub_want(struct hub *, const struct hub_order *);
void	hub_unwant(struct hub *, const struct hub_order *);
/* Nobody listens: what nobody wants needs no UNLISTEN. */
void	hub_sweep(struct hub *);
void	hub_channel_changed(struct hub *, struct hub_channel *);
/* What has changed, as SQL; channels that nobody wants are forgotten. */
void	hub_put_changes(struct hub *, struct buf *);

#endif
