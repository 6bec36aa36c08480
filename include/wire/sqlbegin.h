/*
 * BEGIN, SET TRANSACTION and what ends it, where the whole text is nothing
 * else.
 *
 * Only forms that are understood to the last word count; with a comment, a
 * second statement or an option that is not known here it is SQLBEGIN_OTHER,
 * and PostgreSQL is asked.  Pure functions; a text needs no zero byte.
 */

#ifndef WIRE_SQLBEGIN_H
#define WIRE_SQLBEGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sqlbegin_kind {
	SQLBEGIN_OTHER,
	SQLBEGIN_BEGIN,		/* BEGIN, or START TRANSACTION */
	SQLBEGIN_COMMIT,	/* COMMIT, END */
	SQLBEGIN_ROLLBACK,	/* ROLLBACK, ABORT */
	SQLBEGIN_SET,		/* SET TRANSACTION */
};

enum sqlbegin_access {
	SQLBEGIN_UNDECLARED,
	SQLBEGIN_READ_ONLY,
	SQLBEGIN_READ_WRITE,
};

enum sqlbegin_isolation {
	SQLBEGIN_DEFAULT,
	SQLBEGIN_READ_UNCOMMITTED,
	SQLBEGIN_READ_COMMITTED,
	SQLBEGIN_REPEATABLE_READ,
	SQLBEGIN_SERIALIZABLE,
};

struct sqlbegin {
	uint8_t		kind;
	uint8_t		access;
	uint8_t		isolation;
	bool		is_start;	/* START TRANSACTION: another tag */
	bool		is_deferrable;
	bool		says_deferrable; /* or NOT DEFERRABLE */
};

/* Where an option comes twice the last one counts, as in PostgreSQL. */
void	sqlbegin_parse(struct sqlbegin *, const char *, size_t);
/* A BEGIN, and what SET TRANSACTION behind it has changed. */
void	sqlbegin_merge(struct sqlbegin *, const struct sqlbegin *set);
/* The same in SQL; that PostgreSQL understands it as it was meant. */
enum { SQLBEGIN_TEXT_BYTES = 96 };
void	sqlbegin_print(const struct sqlbegin *,
	    char text[SQLBEGIN_TEXT_BYTES]);

#endif
