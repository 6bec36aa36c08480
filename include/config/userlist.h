/*
 * auth_file: PgBouncer's userlist.txt, lines of "user" "secret".
 *
 * The secret is plain, "md5..." or "SCRAM-SHA-256$..." as in pg_authid.
 * Immutable; belongs to the config snapshot that read it.
 */

#ifndef CONFIG_USERLIST_H
#define CONFIG_USERLIST_H

#include <stdbool.h>
#include <stddef.h>

#include "wire/password.h"

struct userlist;

/* An empty path gives an empty list.  NULL: error names file and line. */
struct userlist	*userlist_read(const char *path, char *error, size_t);
struct userlist	*userlist_new(void);
void		 userlist_add(struct userlist *, const char *user,
		    const char *secret);
void		 userlist_free(struct userlist *);	/* wipes */

/* The secret, or NULL for an unknown user; valid as long as the list. */
const char	*userlist_secret(const struct userlist *, const char *user);
/* The kind that most secrets are of; SCRAM where there are none. */
enum password_kind userlist_usual_kind(const struct userlist *);
size_t		 userlist_count(const struct userlist *);
const char	*userlist_name(const struct userlist *, size_t);

#endif
