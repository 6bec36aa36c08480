/*
 * A pool: the server connections of one database, one user and one backend.
 *
 * Whoever needs a server asks with a ticket.  pool_take() gives an idle one
 * of the same loop at once; otherwise the ticket waits: for an idle server of
 * another loop that has been sent for, for one that is given back, or for one
 * that is being opened.  The limit is exact over all threads: a place is
 * counted before a connection is opened, until after it is closed.
 *
 * Every function may be called from any thread unless it says otherwise; a
 * ticket belongs to the thread of its loop.
 */

#ifndef POOL_POOL_H
#define POOL_POOL_H

#include <sys/queue.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/counters.h"
#include "base/hash.h"
#include "base/histogram.h"
#include "base/pins.h"
#include "base/routes.h"
#include "base/reason.h"
#include "config/config.h"
#include "net/deadline.h"
#include "net/loop.h"
#include "pool/server.h"

struct backend;
struct limit;
struct pool;
struct pool_set;

/* What a transaction needs of the host that serves it. */
enum need {
	NEED_WRITE,		/* the primary */
	NEED_READ,		/* a replica; the primary if there is none and
				 * replica_fallback allows it */
	NEED_ANY,
};

enum ticket_state {
	TICKET_NONE,		/* not asking */
	TICKET_PARKED,		/* no host serves it now; guarded by the
				 * mutex of its pool set */
	TICKET_QUEUED,		/* in line; guarded by the pool's mutex */
	TICKET_SENT_FOR,	/* an idle server of another loop was claimed */
	TICKET_GRANTED,		/* a server is on its way to this loop */
};

/* What a pool tells whoever waits when it cannot serve. */
struct pool_error {
	enum reason	reason;
	char		sqlstate[6];	/* the server's own, or the reason's */
	char		text[400];
	char		hint[200];
};

struct ticket {
	struct loop		*loop;
	/* A server that is LINKED now; called as a task of the loop. */
	void			(*granted)(struct ticket *, struct server *);
	/*
	 * No server will come: an error that waiting cannot heal; or, if the
	 * ticket is impatient, the last attempt to open one has failed.
	 * Called as a task.
	 */
	void			(*refused)(struct ticket *,
				    const struct pool_error *);
	/*
	 * The roles have changed: ask again, with keeps_since.  Called as a
	 * task.  Only tickets that a pool set was asked with.
	 */
	void			(*moved)(struct ticket *);
	struct pool		*pool;		/* not TICKET_NONE */
	struct pool_set		*set;		/* that was asked, or NULL */
	enum need		 need;		/* of it */
	struct server		*server;	/* TICKET_GRANTED */
	const void		*wish;		/* a server whose session has
						 * this is preferred; stays
						 * valid while in line */
	struct task		 task;		/* an answer from this thread */
	struct letter		 letter;	/* an answer from another one */
	struct deadline		 deadline;	/* the reserve pool */
	int64_t			 since_us;	/* in line since */
	enum ticket_state	 state;
	bool			 is_impatient;
	bool			 is_refused;	/* the answer is an error */
	bool			 is_leaving;	/* pool_leave(), too late */
	bool			 is_parked;	/* guarded by the set's mutex */
	bool			 is_moved;	/* the answer is: ask again */
	bool			 keeps_since;	/* since_us stays as it is */
	bool			 waits_for_host; /* it was parked */
	bool			 awaits;	/* parked for a replica to catch
						 * up; and for what: */
	uint64_t		 awaited_number; /* an answer, or 0 and */
	uint32_t		 awaited_timeline;
	int64_t			 awaited_lsn;	/* this position */
	TAILQ_ENTRY(ticket)	 entry;
};
TAILQ_HEAD(ticket_list, ticket);

struct pool_times {
	struct histogram	 wait;		/* for a server */
	struct histogram	 query;
	struct histogram	 transaction;
	struct histogram	 login;	/* from accept to the client's place */
};

/* One lane a loop: what that loop's thread has of the pool. */
struct pool_lane {
	struct server_list	 idle;		/* guarded by pool->mutex */
	struct ticket_list	 line;		/* guarded; oldest first */
	struct counters		 counters;	/* its thread writes */
	struct pin_counters	 pins;		/* its thread writes */
	struct route_counters	 routes;	/* its thread writes */
	struct pool_times	*times;		/* its thread writes */
	_Atomic int		 clients;	/* logged in here */
} __attribute__((aligned(64)));

/*
 * What the configuration says of a pool; immutable, replaced as a whole at
 * a reload.  Old ones are kept until the process ends, for readers without
 * a lock.
 */
struct pool_profile {
	struct pool_profile	*older;
	struct pool_settings	 settings;
	char			*dbname;	/* towards PostgreSQL */
	char			*reset_query;	/* "" : none */
	char			*check_query;	/* "": none */
	int64_t			 check_delay_us;
	bool			 reset_always;
	bool			 round_robin;
	char			*connect_query; /* or NULL; so the rest */
	char			*client_encoding;
	char			*datestyle;
	char			*timezone;
	char			*application_name;
};

/* What a newly logged-in client is told; immutable, reference counted. */
struct pool_welcome {
	atomic_int	 references;
	uint32_t	 length;
	uint8_t		 bytes[];	/* ParameterStatus messages */
};

/* How pgweir logs in to PostgreSQL for this pool. */
struct pool_secret {
	char		*secret;	/* plain, md5... or SCRAM-SHA-256$...;
					 * NULL: nothing known */
	bool		 has_client_key;
	uint8_t		 client_key[32];
};

/* What session/words.h keeps with a pool. */
struct pool_words {
	struct pool_words	*older;
	uint32_t		 count;
	size_t			 bytes;		/* behind this struct */
	struct {
		uint32_t	 name;		/* where, from entries on */
		uint32_t	 touches;
	} entries[];
};

struct pool {
	struct hash_node	 node;		/* in the table of pools */
	char			*database;	/* as clients ask for it */
	char			*user;		/* as which servers log in */
	struct backend		*backend;
	struct pool_set		*set;		/* it is one of; or NULL */
	struct limit		*database_limit;
	struct limit		*user_limit;
	_Atomic(struct pool_profile *) profile;
	_Atomic(struct pool_words *) words;	/* NULL: none */
	_Atomic int64_t		 words_due_us;	/* to be read again then */
	_Atomic bool		 has_currval;	/* somebody asks for it */
	_Atomic int		 pinned;	/* clients that keep a server */
	_Atomic bool		 is_retired;	/* look the pool up again */
	_Atomic int64_t		 used_us;	/* see pools_forget() */
	_Atomic bool		 is_paused;
	_Atomic bool		 is_disabled;	/* refuses new clients */
	_Atomic uint32_t	 generation;	/* RECONNECT adds one */
	bool			 is_forced;	/* user is the database's, not
						 * the client's */
	int			 lane_count;
	struct deadline		 retry;		/* of the loop that set it */
	struct deadline		 refill;	/* the same, min_pool_size */
	struct pool		*older;		/* list of all pools */

	struct {
		pthread_mutex_t	 mutex;
		int		 total;		/* places taken */
		int		 reserve;	/* of them, reserve places */
		int		 opening;	/* of them, not yet logged in */
		int		 moving;	/* of them, between two loops */
		int		 idle;		/* of them, idle */
		int		 waiting;	/* tickets in line */
		int		 releasing;	/* places that are being freed:
						 * pool_grow() will follow */
		struct limit	*hungry;	/* the limit it waits for */
		bool		 is_backing_off;/* after a failure: retry set */
		bool		 has_retry;	/* it is set in some loop */
		bool		 is_lasting;	/* error: waiting is no use */
		bool		 is_refilling;	/* refill is set */
		int64_t		 backoff_us; /* the last pause; 0: all well */
		struct pool_error error;	/* of the last attempt */
		struct pool_welcome *welcome;	/* NULL: no login yet */
		struct pool_secret secret;
	} shared;				/* guarded by shared.mutex */

	struct pool_lane	 lanes[];	/* by loop index */
};

static inline const struct pool_profile *
pool_profile(const struct pool *pool)
{
	return atomic_load_explicit(&pool->profile, memory_order_acquire);
}

/* Before any worker starts: how many loops there are, main included. */
void		 pools_init(int loops);
void		 pools_add_loop(struct loop *);
void		 pools_done(void);	/* all threads have ended */

/*
 * The pool for a client's database and user, found or made.  NULL: there is
 * no such database.  user is as the client logged in; a forced user of the
 * database takes its place.
 */
struct pool	*pool_find(const struct config *, const char *database,
		    const char *user);
/* The same at one host of a cluster. */
struct pool	*pool_find_at(const struct config *, struct pool_set *,
		    struct backend *);
/* Walk all pools; NULL first.  They are never freed before the end. */
struct pool	*pool_each(const struct pool *);
/* Bring all pools in line with a new configuration. */
void		 pools_reload(const struct config *);
/*
 * pool_forget.c: retire what was not used for autodb_idle_timeout or
 * pool_idle_timeout; now and then, by the main thread.
 */
void		 pools_forget(const struct config *);
/* Retired, and nobody is there: as if it had never been. */
bool		 pool_is_gone(struct pool *);
/* As pool_each(), without those. */
struct pool	*pool_each_there(const struct pool *);

/*
 * An idle server, LINKED and the caller's; or NULL, and granted() or
 * refused() will be called later, never before this has returned.
 */
struct server	*pool_take(struct pool *, struct ticket *);
/*
 * In the thread of the loop: everybody in line whom this pool cannot serve
 * any more is told to ask again; where it can, a failure is forgotten.
 */
void		 pool_move_line(struct pool *, struct loop *);
/*
 * Leave the line.  False: a server is already on its way; the ticket must
 * then live until granted() or refused() is called.
 */
bool		 pool_withdraw(struct pool *, struct ticket *);
/*
 * The same for who will have no use for a server: when it is too late and the
 * one on its way is lost, the ticket does not go back into the line.
 */
bool		 pool_leave(struct pool *, struct ticket *);

/*
 * Give a server back, clean and with everything answered; takes *server.  In
 * the thread of its loop.  It may be closed instead of kept.
 */
void		 pool_give(struct pool *, struct server **);
/* server.c: opening failed; is_lasting: waiting will not heal it. */
void		 pool_failed(struct pool *, struct loop *,
		    const struct pool_error *, bool is_lasting);
/* server.c: the place of a closed server is free. */
void		 pool_release_place(struct pool *, struct loop *,
		    bool is_reserve, bool was_opening);
/* server.c: login succeeded with these ParameterStatus messages. */
void		 pool_greeted(struct pool *, const uint8_t *, size_t);
/*
 * In the thread of its loop: take an IDLE server out of the list.  False:
 * another loop has claimed it; leave it alone, its letter is coming.
 */
bool		 pool_claim(struct pool *, struct server *);

/*
 * A client of this loop enters the pool, if max_db_client_connections and
 * max_user_client_connections allow it; both are exact over all threads.
 */
enum pool_entry {
	POOL_ENTERED,
	POOL_DATABASE_FULL,
	POOL_USER_FULL,
};
enum pool_entry	 pool_enter(struct pool *, const struct loop *);

/* The ParameterStatus messages for a client, or NULL; release afterwards. */
struct pool_welcome	*pool_welcome_hold(struct pool *);
void			 pool_welcome_release(struct pool_welcome *);

/* What is known for logging in; the copy is the caller's, to be wiped. */
void		 pool_secret_copy(struct pool *, struct pool_secret *);
void		 pool_secret_wipe(struct pool_secret *);
/* A client proved to know this; kept if it can open more doors. */
void		 pool_secret_learn(struct pool *, const struct pool_secret *);

/*
 * A server that is not lent to clients but kept by one owner: counted in the
 * limits that pools share, not in pool_size, so that it never takes a
 * client's place.  All in the thread of its loop.
 */
struct pool_keeper {
	/* LINKED from now on: on_event and user are the keeper's to set. */
	void	(*opened)(struct pool_keeper *, struct server *);
	void	(*failed)(struct pool_keeper *, const struct pool_error *);
	/*
	 * NULL: it logs in as all servers of the pool do.  Otherwise name,
	 * value, ..., NULL: said in its startup packet as well; no query of
	 * ours is run, and what it reports is the keeper's alone.
	 */
	const char	*const *startup;
	struct buf	 greeting;	/* then: ParameterStatus messages */
	const struct client *client;	/* whose alone it is, or NULL */
};
/* False: a shared limit is full; it may be less so the next time. */
bool		 pool_open_kept(struct pool *, struct loop *,
		    struct pool_keeper *);
/* server.c: the place of a closed one is free. */
void		 pool_release_kept(struct pool *);

/* min_pool_size: open what is missing, on this loop. */
void		 pool_fill(struct pool *, struct loop *);
/* Open one if there is none, to see whether it can be. */
void		 pool_try(struct pool *, struct loop *);

/*
 * The servers of this pool belong to a former life of their host: they are
 * closed, those in use too, and their users told why.
 */
void		 pool_close_former(struct pool *, const char *why);
/* server_fast_close: pool_reconnect() ends sessions at their boundary. */
extern _Atomic bool	pool_fast_close;

/* The console. */
/* The pools of a database, or of all (NULL), also those made later. */
void		 pools_pause(const char *database);
void		 pools_resume(const char *database);
void		 pools_set_disabled(const char *database, bool);
/* What was ordered; NULL: of databases of which nothing else was. */
bool		 pools_are_paused(const char *database);
bool		 pools_have_paused(void);	/* any of them */
bool		 pools_are_disabled(const char *database);
void		 pool_reconnect(struct pool *);	/* idle ones now, others when
						 * they are given back */
bool		 pool_is_quiet(struct pool *);	/* no server is in use */
void		 pool_close_idle(struct pool *);

/*
 * Why somebody waits (limit is NULL, and he is in line), or waited in vain
 * (limit: of query_wait_timeout), for people: how many servers there are, what
 * they do, what the last attempt to open one said.  True: that one failed.
 */
bool		 pool_explain_wait(struct pool *, const char *limit, char *,
		    size_t);

struct pool_numbers {
	int	clients, waiting, linked, idle, moving, opening, total;
	int64_t	oldest_wait_us;		/* 0: nobody waits */
	bool	fails;			/* what is opened; since the last that
					 * was not */
};
void		 pool_count(struct pool *, int64_t now_us,
		    struct pool_numbers *);
void		 pool_sum_counters(const struct pool *, struct counters *);
void		 pool_sum_times(const struct pool *, struct pool_times *);
void		 pool_sum_pins(const struct pool *, struct pin_counters *);
void		 pool_sum_routes(const struct pool *, struct route_counters *);

#endif
