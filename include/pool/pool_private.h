/*
 * What the files of the pool share:
 *
 *	pool.c		who gets which server
 *	pool_pick.c	of that, what suits whom
 *	pool_answer.c	how it gets there
 *	pool_fail.c	failures, and what follows a change
 *	pool_table.c	all pools, and what the configuration says of them
 *	pool_limit.c	limits that several pools share
 *	pool_former.c	servers whose host is not what it was
 *	pool_order.c	what the console has paused and disabled
 *	pool_keep.c	servers that are not lent
 *	pool_forget.c	pools that nobody uses any more
 */

#ifndef POOL_POOL_PRIVATE_H
#define POOL_POOL_PRIVATE_H

#include <stdbool.h>

#include "base/clock.h"
#include "pool/pool.h"

/* What is left to do once the mutex is released. */
struct errand {
	struct loop	*open_on[16];	/* one server_open() each */
	int		 open_count;
	struct limit	*evict_from;	/* close an idle server elsewhere */
	bool		 evicts_own;	/* or here */
	bool		 is_reserve;
};

struct pool_lane	*pool_lane_of(struct pool *, const struct loop *);
/* Asserts what is always true, then releases the mutex. */
void	pool_unlock(struct pool *);
void	pool_run_errand(struct pool *, const struct errand *);
/* The line: who has waited longest; out of it, on the way to an answer. */
struct ticket	*pool_oldest_locked(struct pool *);
void	pool_join_line_locked(struct pool *, struct ticket *);
void	pool_leave_line_locked(struct pool *, struct ticket *);
/* pool_pick.c: an idle server that suits, of one lane, or of any other than
 * the ticket's; NULL: there is none. */
struct server	*pool_pick_locked(struct pool_lane *, const void *wish,
	    bool round_robin);
struct server	*pool_pick_elsewhere_locked(struct pool *,
	    const struct ticket *, bool round_robin);
/* Nothing can be opened before something was closed. */
bool	pool_must_make_room_locked(const struct pool *);
/* To be closed for that. */
struct server	*pool_pick_unfit_locked(struct pool *, const struct ticket *);
/* Whose a server is that is given back; NULL: nobody's. */
struct ticket	*pool_next_locked(struct pool *, const struct server *,
	    bool is_new);
void	pool_on_sent_for(struct loop *, struct letter *);
void	pool_on_arrival(struct loop *, struct letter *);
void	pool_grow_locked(struct pool *, struct errand *);
/* Open servers for those in line, as far as the limits allow. */
void	pool_grow(struct pool *);
/* A ticket that left the line is told so, in the thread of its loop. */
void	pool_answer(struct ticket *, struct loop *here);
/* pool_limit.c: the idle servers beyond pool_size are closed. */
void	pool_trim(struct pool *);
/* The end of a pause: idle servers to those in line. */
void	pool_resume(struct pool *);
/* pool_await.c; under the set's mutex: out of the list, and moved. */
void	pool_set_unlist_locked(struct pool_set *, struct ticket *);
void	pool_set_let_go_locked(struct ticket *);
void	pool_set_answer_all(struct ticket_list *);
/* A new pool, which is in the list of all pools, takes its orders. */
void	pool_obey(struct pool *);
void	pool_orders_done(void);
void	pools_forget_loops(void);
void	pool_on_last_cancel(struct server *);

/* An IDLE server leaves the list of its lane; and becomes MOVING. */
void	pool_unlist_locked(struct pool *, struct server *);
void	pool_move_locked(struct pool *, struct server *, struct ticket *,
	    void (*read)(struct loop *, struct letter *));

/* Close the idle server that was used longest ago, of any other pool. */
void	pool_evict(struct limit *, const struct pool *except);
/* Close the idle server of this pool that was used longest ago. */
void	pool_evict_own(struct pool *);
/*
 * Since when somebody waits in another pool for a limit that this one shares;
 * INT64_MAX: nobody does.  No mutex may be held.
 */
int64_t	pool_hungry_since_us(struct pool *);
/* A place in this limit is free: the oldest waiter elsewhere may have it. */
void	pool_limit_freed(struct limit *, const struct pool *except);

#endif
