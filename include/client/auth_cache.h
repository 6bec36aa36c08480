/*
 * Answers to auth_query, kept for a while: the secret of a user of a
 * database, or that there is none.  Any thread.
 */

#ifndef CLIENT_AUTH_CACHE_H
#define CLIENT_AUTH_CACHE_H

#include <stdbool.h>
#include <stdint.h>

/* Replaces an older answer; a NULL secret is "no such user". */
void	auth_cache_put(const char *database, const char *user,
	    const char *secret, int64_t ttl_us);
/* True: *secret is a copy to be wiped and freed, or NULL. */
bool	auth_cache_get(const char *database, const char *user, char **secret);
void	auth_cache_forget(const char *database, const char *user);

#endif
