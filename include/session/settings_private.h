/*
 * What settings.c (the sets), settings_known.c (their parts) and
 * settings_query.c (the SQL) share.
 */

#ifndef SESSION_SETTINGS_PRIVATE_H
#define SESSION_SETTINGS_PRIVATE_H

#include <sys/queue.h>

#include <stdatomic.h>

#include "base/hash.h"
#include "session/settings.h"

struct pair {
	char	*name;		/* one allocation with its value */
	char	*value;
};

/* A pool whose servers took the set, and what they reported then. */
struct acceptance {
	struct acceptance	*next;
	const struct pool	*pool;
	bool			 is_reported;	/* reported is what it caused */
	size_t			 length;
	uint8_t			 reported[];
};

struct settings {
	struct hash_node	 node;
	atomic_int		 references;
	bool			 is_kept;	/* nobody has it; see kept */
	const struct settings	*meaning;	/* held, unless itself */
	struct acceptance	*acceptances;
	size_t			 bytes;
	TAILQ_ENTRY(settings)	 kept;
	size_t			 count;
	size_t			 customs;	/* with a dot in their names */
	bool			 is_serializable, creates_temporary;
	struct pair		*pairs;		/* behind the struct */
};

/* settings_known.c: each part of the set was accepted; reported as above. */
void	settings_know_parts(const struct settings *, const struct pool *,
	    const uint8_t *reported, size_t);
/*
 * True: each part of the set was, and what they reported is appended;
 * are_reported: all of that is known.
 */
bool	settings_parts_are_known(const struct settings *,
	    const struct pool *, struct buf *reported, bool *are_reported);

/* The message at *at, whole: its name; *at moves behind it. NULL: the end. */
const char	*status_next(const uint8_t **at, const uint8_t *end);

/* Append what the servers of this pool reported when they took the set. */
void	settings_copy_reported(struct buf *, const struct settings *,
	    const struct pool *);

#endif
