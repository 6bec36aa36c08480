/*
 * What is known of a database's functions, relations, types and operators:
 * which of them a statement may use and still only read.
 *
 * A catalogue is a snapshot, immutable and reference counted; it is made from
 * the rows of catalogue_query, read on the primary.  Things are known by name
 * alone: a name passes when everything that has it passes, in whatever schema
 * and with whatever arguments.
 *
 * A function does not pass when it is volatile, a procedure, or an aggregate
 * made of one that is volatile.  A relation does not pass when it is a
 * sequence, foreign, unlogged, or PostgreSQL's own, and when a view, a policy
 * or a child leads to something that does not pass.  A type does not pass
 * when making a value of it may run such a function.
 */

#ifndef ROUTE_CATALOGUE_H
#define ROUTE_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct catalogue;
struct catalogue_draft;

enum {
	CATALOGUE_FUNCTION = 1 << 0,	/* there is one */
	CATALOGUE_RELATION = 1 << 1,
	CATALOGUE_TYPE = 1 << 2,
	CATALOGUE_BAD_FUNCTION = 1 << 3,	/* one of them does not pass */
	CATALOGUE_BAD_RELATION = 1 << 4,
	CATALOGUE_BAD_TYPE = 1 << 5,
	CATALOGUE_BAD = CATALOGUE_BAD_FUNCTION | CATALOGUE_BAD_RELATION |
	    CATALOGUE_BAD_TYPE,
};

/*
 * Two statements that return rows: a fingerprint of all that matters, which
 * is cheap; and everything, as kind, name and whether it does not pass.
 */
extern const char	catalogue_fingerprint_query[];
extern const char	catalogue_query[];

struct catalogue_draft	*catalogue_draft_new(void);
/* A row; false: it is none that the query returns, or there are too many. */
bool			 catalogue_draft_add(struct catalogue_draft *,
			    const char *kind, const char *name,
			    const char *is_bad);
/* A reference; the draft is gone. */
const struct catalogue	*catalogue_draft_finish(struct catalogue_draft *);
void			 catalogue_draft_free(struct catalogue_draft *);

const struct catalogue	*catalogue_hold(const struct catalogue *);
void			 catalogue_release(const struct catalogue *);

/*
 * CATALOGUE_..., 0 for a name that nothing has.  One that is not ASCII may be
 * any of that kind: the client's encoding, and the case, may be another.
 */
unsigned		 catalogue_find(const struct catalogue *,
			    const char *name);
/* These characters may have an operator in them that does not pass. */
bool			 catalogue_has_bad_symbol(const struct catalogue *,
			    const char *symbols);
/* Something that no text shows may be volatile: nothing passes. */
bool			 catalogue_is_hopeless(const struct catalogue *);
/* Another number for every catalogue of this process, never 0. */
uint64_t		 catalogue_number(const struct catalogue *);
size_t			 catalogue_bytes(const struct catalogue *);

#endif
