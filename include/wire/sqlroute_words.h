/*
 * The key words that matter to wire/sqlroute, as PostgreSQL's grammar has
 * them (documentation, appendix C).
 */

#ifndef WIRE_SQLROUTE_WORDS_H
#define WIRE_SQLROUTE_WORDS_H

#include <stddef.h>
#include <stdint.h>

enum word_kind {
	WORD_RESERVED,		/* can name nothing without quotes */
	WORD_LOOSE,		/* may name something, and seldom does */
	WORD_BUILT_IN_TYPE,	/* always means PostgreSQL's own */
};

enum word_action {
	ACT_NOTHING,
	ACT_REFUSE,
	ACT_QUERY,		/* SELECT, VALUES */
	ACT_TABLE,
	ACT_WITH,
	ACT_FROM,
	ACT_JOIN,
	ACT_ON,			/* behind an item of FROM; also USING */
	ACT_END_FROM,		/* WHERE and others behind FROM */
	ACT_FOR,
	ACT_AS,
	ACT_BETWEEN,		/* stands before or behind an item of FROM */
	ACT_DISTINCT,
	ACT_IS,
	ACT_EXPLAIN,
	ACT_COPY,
	ACT_TO,
};

struct sqlroute_word {
	const char	*word;
	uint8_t		 kind;
	uint8_t		 action;
};

/* NULL: an ordinary name. */
const struct sqlroute_word	*sqlroute_word_find(const char *);

#endif
