/*
 * What settings.c (the sets) and settings_query.c (the SQL) share.
 */

#ifndef RELAY_SETTINGS_PRIVATE_H
#define RELAY_SETTINGS_PRIVATE_H

#include <sys/queue.h>

#include <stdatomic.h>

#include "base/hash.h"
#include "relay/settings.h"

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
	struct pair		*pairs;		/* behind the struct */
};

/* Append what the servers of this pool reported when they took the set. */
void	settings_copy_reported(struct buf *, const struct settings *,
	    const struct pool *);

#endif
