/*
 * The budget: what all pgweir processes of a service could open together at
 * a host, against what PostgreSQL lets in there.
 *
 * How many processes there are is what expected_replicas says, or as many as
 * are found (pool/peers.h).  With divide_by_peers every limit on servers is
 * divided by those found, or by expected_replicas where nobody is looked for:
 * rounded down, so that the sum does not exceed the limit, but to no less
 * than 1.  When that number changes all pools get a new profile, as after a
 * reload: nobody is sent away, and what is too much closes as it is given
 * back.
 *
 * A host is asked for its max_connections over a short connection of our own,
 * only where there is a number of processes to multiply with.
 */

#ifndef POOL_BUDGET_H
#define POOL_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"

struct backend;
struct loop;

/* Any thread: as config_pool_settings(), divided if that is wished. */
void	budget_pool_settings(const struct config *, const struct database *,
	    const char *user, struct pool_settings *);

/* Main thread.  Looks from now on, again and again. */
void	budget_start(struct loop *main_loop);
/* Main thread: the number of peers is another one. */
void	budget_on_peers(const struct config *);

struct budget_row {
	const struct backend	*backend;
	int64_t			 need;	/* of all processes; -1: unlimited */
	int			 available;	/* 0: not known */
};
/* Main thread: every host of which something is known. */
void	budget_each(void (*each)(void *arg, const struct budget_row *),
	    void *arg);

#endif
