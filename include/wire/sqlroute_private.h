/*
 * Between the words (sqlroute_keys.c) and all other tokens (sqlroute.c).
 */

#ifndef WIRE_SQLROUTE_PRIVATE_H
#define WIRE_SQLROUTE_PRIVATE_H

#include "wire/sqlroute.h"

enum {
	LEVEL_START = 1 << 0,	/* nothing of it is read yet */
	LEVEL_QUERY = 1 << 1,
	LEVEL_FROM = 1 << 2,	/* a comma brings the next item */
	LEVEL_WITH = 1 << 3,	/* a comma brings the next definition */
	LEVEL_OWN = 1 << 4,	/* now comes the name of one */
	LEVEL_LIST = 1 << 5,	/* names of columns, perhaps with types */
	LEVEL_ITEM = 1 << 6,	/* the whole of it is an item of FROM */
	LEVEL_CALL = 1 << 7,	/* an expression, or arguments */
};

enum {
	FROM_NOTHING,
	FROM_EXPECTED,
	FROM_ITEM,		/* read; an alias may come */
};

enum {
	ROLE_PLAIN,
	ROLE_RELATION,
	ROLE_TYPE,
	ROLE_OWN,
	ROLE_ALIAS,
};

enum behind {
	BEHIND_NOTHING,
	BEHIND_OPEN,
	BEHIND_STRING,
};

static inline struct sqlroute_level *
sqlroute_level(struct sqlroute *route)
{
	return &route->levels[route->depth];
}

/* The first doubt counts. */
void	sqlroute_doubts(struct sqlroute *, enum sqlroute_doubt);
/* Nothing that comes can matter. */
bool	sqlroute_is_done(struct sqlroute *);
/* A terminated name; one that is there already only gets more flags. */
void	sqlroute_add(struct sqlroute *, const char *, size_t, uint8_t flags);
void	sqlroute_end_symbol(struct sqlroute *);
/* What stands behind the word that waits is known now. */
void	sqlroute_settle(struct sqlroute *, enum behind);

#endif
