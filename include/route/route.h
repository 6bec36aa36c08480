/*
 * Where a statement may go: to a replica if it is proven to only read, else
 * to the primary; and why.
 *
 * The proof is the text's (wire/sqlroute) and the catalogue's: every name in
 * it must be known and pass.  Nothing of it depends on search_path, on
 * standard_conforming_strings (a text that means something else without it is
 * not proven), or on anything else a session can set.
 *
 * Verdicts are remembered by text and catalogue: each thread has a ring of
 * ROUTE_RING_BYTES, allocated once, in which new ones displace the oldest.
 */

#ifndef ROUTE_ROUTE_H
#define ROUTE_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/routes.h"
#include "config/config.h"

struct catalogue;
struct sqlroute;

enum { ROUTE_RING_BYTES = 1 << 20, ROUTE_TEXT_BYTES = 16 * 1024 };

struct route_verdict {
	uint32_t	touches;	/* sqlscan's */
	uint8_t		why;		/* WHY_READ: to a replica */
	uint8_t		verb;		/* of the first statement */
};

/* Any thread.  catalogue: NULL when it is not known. */
void	route_decide(struct route_verdict *, const char *text, size_t n,
	    const struct catalogue *);
/* The same from the thread's ring, where longer texts are not kept. */
void	route_look_up(struct route_verdict *, const char *text, size_t n,
	    const struct catalogue *);
/* In this thread, until there is another catalogue: no read after all. */
void	route_refuse(const char *text, size_t n, const struct catalogue *);
/* *which: the name that decided, or ""; until this thread decides again. */
void	route_decide_named(struct route_verdict *, const char *text, size_t n,
	    const struct catalogue *, const char **which);

/* route_plan.c: where the first statement of a transaction goes. */
struct route_plan {
	/* What is asked: of a client in these circumstances. */
	bool			has_choice;	/* there are several hosts */
	bool			is_session;	/* pool_mode */
	bool			splits_transactions;
	/* The answer. */
	enum route_target	target;
	enum route_why		why;
	char			name[64];	/* that decided, or "" */
};

void	route_plan(struct route_plan *, enum route, const char *text,
	    size_t n, const struct catalogue *);
/* For people: why. */
void	route_plan_sentence(const struct route_plan *, char *, size_t);
/* At the end of a thread. */
void	route_done(void);

#endif
