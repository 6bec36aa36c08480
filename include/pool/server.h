/*
 * A server: one connection to PostgreSQL.
 *
 * It has exactly one owner at a time, and only the owner touches it:
 *
 *	CONNECTING	the loop that opens it: address, TCP, TLS
 *	LOGIN		the same: startup packet, authentication, parameters,
 *			connect_query
 *	IDLE		its pool's list; its loop watches it and may read it,
 *			but must pool_claim() it before it does more
 *	MOVING		a letter: claimed for another loop, or to be closed
 *	LINKED		whoever took it: on_event is theirs
 *	CLEANING	its loop: a reset query or a ROLLBACK runs
 *	CLOSING		its loop: closed, to be freed by a task
 *
 *	CONNECTING -> LOGIN -> LINKED -> IDLE <-> LINKED, CLEANING
 *	                               IDLE -> MOVING -> LINKED, CLOSING
 *	any -> CLOSING
 *
 * A place in the pool is counted from before CONNECTING until CLOSING.  One
 * that somebody keeps for good (struct pool_keeper) is LINKED from its login
 * on and never gets into the pool.
 */

#ifndef POOL_SERVER_H
#define POOL_SERVER_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/reason.h"
#include "net/deadline.h"
#include "net/loop.h"
#include "net/stream.h"

struct canceller;
struct pool;
struct pool_error;
struct pool_keeper;
struct server_login;
struct server_session;
struct ticket;

enum server_state {
	SERVER_CONNECTING,
	SERVER_LOGIN,
	SERVER_IDLE,
	SERVER_MOVING,
	SERVER_LINKED,
	SERVER_CLEANING,
	SERVER_CLOSING,
};

enum { SERVER_KEY_BYTES_MAX = 256 };

struct server {
	struct letter		 letter;	/* first: MOVING, or opening */
	struct stream		 stream;
	struct pool		*pool;
	struct loop		*loop;		/* whose thread watches it */
	enum server_state	 state;
	char			 transaction_status;	/* 'I', 'T', 'E' */
	bool			 is_stale;	/* close when given back */
	bool			 is_reserve;	/* took a reserve place */
	struct pool_keeper	*keeper;	/* who keeps it; NULL: it is
						 * lent, through its pool */
	bool			 is_resetting; /* CLEANING by the reset query */
	bool			 awaits_cancel;	/* to be given when the last
						 * cancel is over */
	uint32_t		 generation;	/* the pool's when it opened */
	uint8_t			 stated;	/* enum role, at its login */
	uint16_t		 cancels;	/* cancel connections open */
	struct canceller	*cancellers;	/* they; cancel.c's */
	uint64_t		 id;
	int64_t			 opened_us;	/* login finished */
	int64_t			 used_us;	/* last given back */
	struct deadline		 deadline;	/* connect, idle, clean */
	struct task		 task;		/* freeing */
	struct ticket		*ticket; /* MOVING: who gets it, or NULL */

	/*
	 * LINKED: the relay's; the rest of the time server.c's.  DRAINED is
	 * told to a relay when the last cancel is over, too.
	 */
	void			(*on_event)(struct server *, enum stream_event);
	void			*user;		/* who took it */

	struct server_login	*login;		/* CONNECTING, LOGIN only */
	struct server_session	*session; /* session/session.h; may be NULL */
	const void		*mark; /* what a ticket's wish looks for */
	struct buf		 partial; /* IDLE, CLEANING: a message that
						 * has come in part */

	/* BackendKeyData; length 0: none came, it cannot be cancelled. */
	uint32_t		 backend_pid;
	uint16_t		 key_length;
	uint8_t			*key;

	TAILQ_ENTRY(server)	 entry;		/* pool lane, while IDLE */
	TAILQ_ENTRY(server)	 all;		/* servers of its loop */
};

TAILQ_HEAD(server_list, server);

/*
 * What the floor above keeps with a server, and knows of it.  Set once before
 * any thread starts.
 */
enum server_suits {
	SUITS_NOT,		/* it has to be closed */
	SUITS_FAIRLY,		/* it will not suit others after that */
	SUITS_WELL,
	SUITS_EXACTLY,		/* server->mark is the wish */
};

struct server_hooks {
	/* What is left on it, for who has this wish; under the pool's mutex. */
	enum server_suits (*suits)(const struct server *, const void *wish);
	/* The server is going to be freed: free server->session. */
	void	(*session_free)(struct server *);
	/* A reset query succeeded: nothing of a session is left on it. */
	void	(*session_reset)(struct server *);
	/* LINKED, and its host is not what it was: it is lost. */
	void	(*condemn)(struct server *, const char *why);
	/* LINKED: who uses it ends its transaction and goes. */
	void	(*recall)(struct server *, const char *why);
};
extern struct server_hooks	server_hooks;

/*
 * Open one more server in the thread of this loop, for a place that is
 * already reserved.  May be called from any thread.  When it is ready it is
 * pool_give()n; when not, pool_failed() is called and the place released.
 */
void	server_open(struct pool *, struct loop *, bool is_reserve);
/* The same for who keeps it, instead of the pool. */
void	server_open_kept(struct pool *, struct loop *, struct pool_keeper *);

/*
 * Close and free (by task); releases the place.  Takes *server.  Owner only,
 * in the thread of its loop.
 */
void	server_close(struct server **, enum reason, const char *detail);

/*
 * Run a query nobody waits for, then give the server to its pool.  The
 * server is unlinked, everything asked of it has been answered.  Used for
 * server_reset_query (is_reset: server_hooks.session_reset() after success)
 * and ROLLBACK.  An error or 10 s of silence closes it.  Takes *server.
 */
void	server_clean(struct server **, const char *query, bool is_reset);

/*
 * Called by the pool, under its mutex, in the thread of the server's loop:
 * watch for what PostgreSQL says by itself; or stop that, for the taker, who
 * sets on_event and user afterwards; or wait for the last cancel.
 */
void	server_enter_idle(struct server *);
void	server_enter_linked(struct server *);
void	server_enter_awaiting_cancel(struct server *);	/* CLEANING */
/* Leave this thread for another one, and arrive there. */
void	server_leave_loop(struct server *);
void	server_join_loop(struct server *, struct loop *);

/* Asserts that the state may follow, and what it guarantees. */
void	server_set_state(struct server *, enum server_state);
/* What a server's stream calls: passes it to on_event. */
void	server_on_stream(struct stream *, enum stream_event);

/* Whom a log line is about; the text lives until the next call. */
void	server_who(const struct server *, struct log_who *);

/* Opening failed: tells the pool, then closes.  Takes *server. */
void	server_fail(struct server **, const struct pool_error *,
	    bool is_lasting);

/* All servers of a loop, in its own thread. */
struct server_list	*server_list_of(const struct loop *);
const char		*server_state_name(enum server_state); /* PgBouncer's */

#endif
