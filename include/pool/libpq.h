/*
 * A connection of our own to ask PostgreSQL something, through libpq.
 *
 * libpq gets everything explicitly: nothing from environment or files, the
 * address from our resolver, search_path pinned to pg_catalog, no setting of
 * any client.  It lives on the loop that it was opened on, never blocks, and
 * tells its owner what happens through a table of handlers:
 *
 *	libpq_open() -> ready or failed
 *	libpq_ask()  -> result, any number of times, then answered; or failed
 *
 * Failed may be called before libpq_open() or libpq_ask() has returned, and
 * at any time while the connection is open; the owner then closes it.  Any
 * handler may close it.
 */

#ifndef POOL_LIBPQ_H
#define POOL_LIBPQ_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "net/addr.h"

struct backend;
struct config;
struct database;
struct event;
struct loop;

/* Whose connection it is; texts may be NULL where that makes sense. */
struct libpq_login {
	const struct config	*config;
	const struct backend	*backend;
	const struct addr	*addr;
	const char		*user;
	const char		*password;	/* NULL: none */
	const char		*database;
	const char		*name;		/* application_name */
};

struct libpq;

struct libpq_handlers {
	void	(*ready)(struct libpq *);	/* logged in */
	void	(*result)(struct libpq *, PGresult *);	/* not the owner's */
	void	(*answered)(struct libpq *);
	void	(*failed)(struct libpq *, const char *why);
};

/* Embedded in what owns it, and zero while it is closed. */
struct libpq {
	struct loop			*loop;
	const struct libpq_handlers	*handlers;
	PGconn				*connection;	/* NULL: closed */
	struct event			*event;
	bool				 is_ready;
	bool				 is_asking;
	bool				 is_met;	/* it was accepted */
};

void	 libpq_open(struct libpq *, struct loop *,
	    const struct libpq_handlers *, const struct libpq_login *);
/* One query with COUNT parameters in text; it is ready and not asking. */
void	 libpq_ask(struct libpq *, const char *query, int count,
	    const char *const *values);
/* The same in two steps, for what is asked often: planned once. */
void	 libpq_prepare(struct libpq *, const char *name, const char *query);
void	 libpq_ask_prepared(struct libpq *, const char *name);
void	 libpq_close(struct libpq *);		/* also when it is closed */

/*
 * User and password into the login, whose config is set: monitor_user, else
 * auth_user, else somebody whose plain password is known; its password is
 * NULL when it is not known.  False: nobody is known.
 */
bool		 libpq_introduce(struct libpq_login *,
		    const struct database *);

#endif
