/*
 * What a client wishes of the pooler, in SQL: a route in a leading comment,
 * SET and SHOW of a name that is ours, and what ends a transaction.
 *
 * Only forms that are understood to the end are recognised; anything else is
 * false, and left to PostgreSQL.  Pure functions on texts that need not end
 * with a zero byte.
 */

#ifndef WIRE_SQLWISH_H
#define WIRE_SQLWISH_H

#include <stdbool.h>
#include <stddef.h>

enum { SQLWISH_VALUE_BYTES = 64 };

/* A leading comment, with nothing but white space before it: name=value. */
bool	sqlwish_comment(const char *, size_t, const char *name,
	    char value[SQLWISH_VALUE_BYTES]);

enum sqlwish_set {
	SQLWISH_NO_SET,		/* nothing of that name, or not understood */
	SQLWISH_SET,
	SQLWISH_RESET,		/* RESET name, SET name TO DEFAULT */
};

/* SET [SESSION] name = value, and nothing else in the text. */
enum sqlwish_set	sqlwish_set(const char *, size_t, const char *name,
			    char value[SQLWISH_VALUE_BYTES]);

/* SHOW name, and nothing else in the text. */
bool	sqlwish_show(const char *, size_t, const char *name);

enum sqlwish_end {
	SQLWISH_NO_END,
	SQLWISH_COMMIT,		/* COMMIT, END, PREPARE TRANSACTION */
	SQLWISH_ROLLBACK,	/* ROLLBACK, ABORT */
	SQLWISH_MANY,		/* several statements, or AND CHAIN: unclear */
};

enum sqlwish_end	sqlwish_end(const char *, size_t);

#endif
