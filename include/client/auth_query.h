/*
 * auth_query: secrets looked up in PostgreSQL itself.
 *
 * Runs on the main loop over libpq connections of its own, one a database
 * and auth_user, made with every parameter given explicitly and search_path
 * pinned to pg_catalog; nothing that a client said reaches them except the
 * user name, as a bound parameter.  They count in max_db_connections.
 * Answers, also "no such user", are kept for auth_cache_ttl; a login that is
 * refused makes the answer be forgotten, so that a changed password works at
 * the next attempt.
 */

#ifndef CLIENT_AUTH_QUERY_H
#define CLIENT_AUTH_QUERY_H

#include <stdbool.h>

struct config;
struct loop;
struct auth_query_request;

struct auth_query_answer {
	const char	*secret;	/* NULL: no such user, or none valid */
	const char	*failure; /* NULL, or why nothing could be asked */
};

void	auth_query_init(struct loop *main_loop);
/* Any thread: look-up connections that hold a place in the limits. */
int	auth_query_places(void);

/*
 * Any thread: ask for user in the auth database of this database entry.
 * done() is called on the asking loop, perhaps at once; the answer is gone
 * after it returns.
 */
struct auth_query_request	*auth_query_ask(struct loop *asking,
	    const struct config *, const char *database, const char *user,
	    void (*done)(void *arg, const struct auth_query_answer *),
	    void *arg);
/* Own thread of the asker: done() will not be called. */
void	auth_query_abandon(struct auth_query_request *);

#endif
