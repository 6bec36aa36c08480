/*
 * A client: the connection from one application, from accept to close.
 *
 *	STARTUP -> LOGIN -> SERVED -> CLOSING
 *	STARTUP, LOGIN -> CLOSING
 *
 *	STARTUP	 first packet, TLS; client->login exists
 *	LOGIN	 authentication; client->login exists
 *	SERVED	 client->service has it (the relay or the console); login gone
 *	CLOSING	 closed and out of all lists; a task frees it
 *
 * A client stays with one loop for life and is touched by its thread only.
 * Other threads reach it by client_post_all(), or through its cancel key.
 */

#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/reason.h"
#include "net/deadline.h"
#include "net/loop.h"
#include "net/stream.h"

struct client;
struct client_login;
struct client_start;
struct config;
struct error_fields;
struct pool;

enum client_state {
	CLIENT_STARTUP,
	CLIENT_LOGIN,
	CLIENT_SERVED,
	CLIENT_CLOSING,
};

/*
 * The floor above that serves a client once it has logged in.  All are
 * called in the client's thread.
 */
struct client_service {
	const char	*name;
	/*
	 * Authentication succeeded: say so with AuthenticationOk, in one
	 * send with ParameterStatus, BackendKeyData and ReadyForQuery.  start
	 * is the caller's and is gone after this.
	 */
	void		(*start)(struct client *, const struct client_start *);
	void		(*on_event)(struct client *, enum stream_event);
	/* The key was right.  done() may be called at once or later. */
	void		(*cancel)(struct client *,
			    void (*done)(struct loop *, void *), void *arg);
	/*
	 * Say reason and text as FATAL at the next transaction boundary, or
	 * now (is_now), and close.
	 */
	void		(*dismiss)(struct client *, enum reason,
			    const char *text, bool is_now);
	/*
	 * Whether the client can be told anything now: not when it has had
	 * only a part of a message, whose rest would be made of it.
	 * NULL: always.
	 */
	bool		(*may_speak)(const struct client *);
	/* application_name now, or NULL.  NULL: it is not known. */
	const char	*(*application)(const struct client *);
	/* The client is being closed: leave no trace; frees client->served. */
	void		(*stop)(struct client *);
};

struct client {
	struct stream		 stream;
	struct loop		*loop;
	enum client_state	 state;
	bool			 is_admin;	/* console rights */
	bool			 has_place;	/* within max_client_conn */
	bool			 is_unix;	/* its socket */
	bool			 is_console;	/* that serves it */
	bool			 is_watcher;	/* and on the unix socket */
	bool			 is_counted;	/* in the login numbers */
	const struct client_service *service;	/* NULL before SERVED */
	void			*served;	/* the service's own struct */
	struct client_login	*login;		/* NULL once SERVED */
	struct pool		*pool;		/* NULL: the console */
	char			*database;	/* as asked for */
	char			*user;
	uint64_t		 id;
	int64_t			 connected_us;
	int64_t			 requested_us;	/* last query began */
	struct deadline		 deadline;	/* login; then the service's */
	struct task		 task;		/* freeing */
	struct hash_node	 key_node;	/* in the table of keys */
	uint32_t		 key_pid;	/* BackendKeyData, 0: none */
	uint32_t		 key_secret;
	TAILQ_ENTRY(client)	 all;		/* clients of its loop */
};

TAILQ_HEAD(client_list, client);

/* What a client said at login, beside database and user. */
struct client_start {
	/* name, value, name, value, ..., NULL: settings in order of arrival,
	 * those inside "options" included; user, database, replication not */
	const char	*const *settings;
	const char	*replication;	/* the parameter; NULL: none */
	/* What it sent already behind its login. */
	const uint8_t	*early;
	size_t		 early_length;
};

/* How the floors above are handed down; set once before any thread runs. */
struct client_services {
	const struct client_service	*relay;
	const struct client_service	*console;
	const struct client_service	*replication;
};
extern struct client_services	client_services;

/* Numbers over all loops. */
struct client_numbers {
	_Atomic int	total;		/* accepted and not yet freed */
	_Atomic int	places;		/* of max_client_conn that are taken */
	_Atomic int	logging_in;
	_Atomic int	served;
	_Atomic int	consoles;	/* of them, which the next are too */
	_Atomic int	watchers;	/* see client_leave.h */
	_Atomic uint64_t logins;	/* ever, but for consoles */
};
extern struct client_numbers	client_numbers;

/*
 * A connection was accepted and handed to this loop: login begins.  Beyond
 * max_client_conn it is refused with 53300 after its startup packet, except
 * that an admin may always log in to the console.
 */
void	client_accept(struct loop *, int fd, bool is_unix);

/* Close at once, without a word; the reason is for log and counters. */
void	client_close(struct client *, enum reason, const char *detail);
/* ErrorResponse FATAL with the reason's SQLSTATE, then close. */
void	client_fail(struct client *, enum reason, const char *format, ...)
	    __attribute__((format(printf, 3, 4)));
/* The same with a SQLSTATE of the server's. */
void	client_fail_as(struct client *, enum reason, const char *sqlstate,
	    const char *text, const char *hint);
/* The same with every field of it, but for its severity. */
void	client_fail_with(struct client *, enum reason,
	    const struct error_fields *);

/* Give it a BackendKeyData that no other client has, and write that. */
void	client_make_key(struct client *, struct buf *);
/*
 * Any thread: find the client with this key, in constant time over the
 * secret, and call its service's cancel() in its thread; or pass the request
 * on to peers.  done() is called on the asking loop, at once if nobody is to
 * be asked; was_here: the key is one of this process.
 */
void	client_cancel_by_key(struct loop *asking, uint32_t pid,
	    uint32_t secret, void (*done)(struct loop *, void *arg,
	    bool was_here), void *arg);

/*
 * Tell a client to go: FATAL with this reason at its transaction boundary, or
 * now; one that is still logging in goes now.
 */
void	client_dismiss(struct client *, enum reason, const char *text,
	    bool is_now);

/* All clients of a loop, in its own thread. */
struct client_list	*client_list_of(const struct loop *);
/*
 * How many clients a loop has, as the main thread counts: it adds one for
 * each descriptor it sends there, client.c takes it off when one is freed.
 */
int			 client_count_of(const struct loop *);
void			 client_count_add(const struct loop *);
void			 client_who(const struct client *, struct log_who *);

#endif
