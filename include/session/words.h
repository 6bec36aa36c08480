/*
 * Words that touch: names of functions whose source takes an advisory lock,
 * sets something or makes a temporary table, and of tables and views that use
 * them.  A statement's own text does not show what they do, their names do.
 *
 * Each pool has a list, read from the catalogue in front of the first
 * statement, and again from time to time and after CREATE FUNCTION.  It knows
 * names alone, in whatever schema: a false alarm costs a question.
 */

#ifndef SESSION_WORDS_H
#define SESSION_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool;
struct words_draft;

/* Rows of name and touches. */
extern const char	words_query[];
/* follow_functions: main's to set, at start and at a reload; else false. */
extern bool		words_are_followed;

/* True once when the list is due; the caller asks for it. */
bool			 words_are_due(struct pool *, int64_t now_us);
/* What was read may have changed. */
void			 words_expire(struct pool *);

struct words_draft	*words_draft_new(void);
/* A DataRow's body; false: it is not what the query returns. */
bool			 words_draft_take_row(struct words_draft *,
			    const uint8_t *, size_t);
void			 words_draft_free(struct words_draft *); /* NULL ok */
/* In force from now on; the draft is gone. */
void			 words_replace(struct pool *, struct words_draft *);

/* SQL_TOUCHES_... of the words in this text. */
uint32_t		 words_touches(const struct pool *, const char *,
			    size_t);
/*
 * The custom settings that functions set, one at a time; *at begins as 0.
 * NULL: no more.
 */
const char		*words_next_name(const struct pool *, size_t *at);

#endif
