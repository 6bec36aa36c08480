/*
 * An overview of all pools, for /metrics and the page: copies of their
 * numbers, in order of database, user and host, and their sums by database.
 *
 * It takes each pool's mutex once, for a moment, and grows with the number of
 * pools only.
 */

#ifndef OPS_OVERVIEW_H
#define OPS_OVERVIEW_H

#include <stddef.h>

#include "base/counters.h"
#include "config/config.h"
#include "pool/pool.h"

struct overview_pool {
	const char		*database;	/* live as long as the pools */
	const char		*user;
	const char		*host;
	enum pool_mode		 mode;
	int			 size;		/* 0: unlimited */
	int			 pinned;	/* clients that keep a server */
	struct pool_numbers	 numbers;
	struct pin_counters	 pins;
};

struct overview_database {
	const char		*name;
	bool			 is_there;	/* for overview_new() */
	struct pool_numbers	 numbers;
	struct counters		 counters;
	struct route_counters	 routes;
	struct pool_times	 times;
};

struct overview {
	struct overview_pool	 *pools;
	size_t			  pool_count;
	struct overview_database *databases;	/* that have pools */
	size_t			  database_count;
	struct pool_numbers	  sum;
};

struct overview	*overview_new(void);
void		 overview_free(struct overview *);
/* Of this name, or NULL: it has no pool. */
const struct overview_database	*overview_database(const struct overview *,
				    const char *name);

#endif
