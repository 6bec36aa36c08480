/*
 * What the lexer said about a text, remembered: the same short statements
 * (BEGIN, COMMIT, a health check) come over and over again.
 *
 * Each thread has a table of its own, of a fixed size: a slot holds the last
 * text that fell into it, so that what a client sends can displace entries
 * and no more.  Longer texts are scanned every time.
 */

#ifndef SESSION_VERDICT_H
#define SESSION_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct verdict {
	uint32_t	touches;	/* SQL_TOUCHES_ of all statements */
	uint8_t		first;		/* enum sql_verb */
	bool		is_several;	/* statements that are not empty */
	bool		alters;		/* CREATE, ALTER, DROP */
};

/* Any thread. */
struct verdict	verdict_of(const char *text, size_t n);

static inline uint32_t
verdict_touches(const char *text, size_t n)
{
	return verdict_of(text, n).touches;
}

#endif
