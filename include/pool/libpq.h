/*
 * A connection of our own to ask PostgreSQL something, through libpq.
 *
 * libpq gets everything explicitly: nothing from environment or files, the
 * address from our resolver, search_path pinned to pg_catalog, no setting of
 * any client.  The caller polls it (PQconnectPoll) on the main loop.
 */

#ifndef POOL_LIBPQ_H
#define POOL_LIBPQ_H

#include <libpq-fe.h>

#include "net/addr.h"

struct backend;
struct config;
struct database;

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

/* NULL: out of memory.  Its status may be CONNECTION_BAD at once. */
PGconn	*libpq_start(const struct libpq_login *);

/*
 * Who asks: monitor_user, else auth_user, else somebody whose plain password
 * is known; NULL: nobody.  And the password: NULL when it is not known.
 */
const char	*libpq_user(const struct config *, const struct database *);
const char	*libpq_password(const struct config *,
		    const struct database *, const char *user);

#endif
