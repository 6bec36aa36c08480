/*
 * The lines of [databases], [users] and [peers]: connect strings, URLs,
 * overrides.
 */

#ifndef CONFIG_DATABASES_H
#define CONFIG_DATABASES_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

/*
 * A database from "host=... port=..." or "postgresql://...".  NULL: error
 * says what is wrong, and never contains a password.
 */
struct database	*database_parse(const char *name, const char *text,
		    char *error, size_t);
void		 database_free(struct database *);	/* wipes */

struct user	*user_parse(const char *name, const char *text, char *error,
		    size_t);
void		 user_free(struct user *);

/* name is the peer_id. */
struct peer_entry *peer_parse(const char *name, const char *text,
		    char *error, size_t);
void		 peer_free(struct peer_entry *);
/*
 * A word of the option peers, in place: "name", "name:port", "[::1]:port".
 * False: the port is none; 0: not given.
 */
bool		 peer_split(char *word, int *port);

#endif
