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

#ifndef RELAY_ROUTE_H
#define RELAY_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct catalogue;
struct sqlroute;

/*	why, label in metrics, for people; %s is the name that decided */
#define ROUTE_WHY_LIST(X)						\
	X(WHY_READ,		"read",		"it only reads")	\
	X(WHY_EMPTY,		"empty",	"it is empty")		\
	X(WHY_NOT_READ,		"not_read",	"it is no SELECT")	\
	X(WHY_WRITES,		"writes",	"a word in it may write") \
	X(WHY_LOCKS,		"locks",	"it locks rows")	\
	X(WHY_SEVERAL,		"several",				\
	    "it is several statements")					\
	X(WHY_SESSION,		"session",				\
	    "it may change its session")				\
	X(WHY_TOO_LONG,		"too_long",				\
	    "it has more names than are looked up")			\
	X(WHY_UNCLEAR,		"unclear",	"it is not understood")	\
	X(WHY_NO_CATALOGUE,	"no_catalogue",				\
	    "the functions of the database are not known yet")		\
	X(WHY_HOPELESS,		"hopeless",				\
	    "the database has a volatile operator, cast or ordering that "\
	    "no text shows")						\
	X(WHY_FUNCTION,		"volatile_function",			\
	    "function \"%s\" may write")				\
	X(WHY_NO_FUNCTION,	"unknown_function",			\
	    "there is no function \"%s\"")				\
	X(WHY_RELATION,		"relation",				\
	    "\"%s\" is or reaches what only the primary has")		\
	X(WHY_NO_RELATION,	"unknown_relation",			\
	    "there is no relation \"%s\"")				\
	X(WHY_TYPE,		"type",					\
	    "making a value of type \"%s\" may write")			\
	X(WHY_NO_TYPE,		"unknown_type",				\
	    "there is no type \"%s\"")					\
	X(WHY_OPERATOR,		"operator",				\
	    "an operator in \"%s\" may write")				\
	X(WHY_REFUSED,		"refused",				\
	    "a replica has refused it before")

enum route_why {
#define ROUTE_WHY_ENUM(why, label, text)	why,
	ROUTE_WHY_LIST(ROUTE_WHY_ENUM)
#undef ROUTE_WHY_ENUM
	WHY_COUNT
};

enum { ROUTE_RING_BYTES = 1 << 20, ROUTE_TEXT_BYTES = 16 * 1024 };

struct route_verdict {
	uint32_t	touches;	/* sqlscan's */
	uint8_t		why;		/* WHY_READ: to a replica */
	uint8_t		verb;		/* of the first statement */
};

const char	*route_why_label(enum route_why);

/* Any thread.  catalogue: NULL when it is not known. */
void	route_decide(struct route_verdict *, const char *text, size_t n,
	    const struct catalogue *);
/* The same from the thread's ring, where longer texts are not kept. */
void	route_look_up(struct route_verdict *, const char *text, size_t n,
	    const struct catalogue *);
/* In this thread, until there is another catalogue: no read after all. */
void	route_refuse(const char *text, size_t n, const struct catalogue *);
/* A sentence for people: where it goes, and why. */
void	route_explain(struct buf *, const char *text, size_t n,
	    const struct catalogue *);
/* At the end of a thread. */
void	route_done(void);

#endif
