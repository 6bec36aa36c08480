/*
 * What is expected back from a server: one entry for each request that is
 * answered, in order.
 *
 * This is what makes pipelines, prepared statements and injected settings
 * plain: every answer that comes belongs to the entry at the head, which says
 * whether the client sees it (PASS), whether it is ours (SWALLOW), or whether
 * PostgreSQL was never asked and the answer is made here when its turn comes
 * (MADE).  An entry also carries what has to be undone if PostgreSQL skips
 * the request because an earlier one failed.
 */

#ifndef SESSION_EXPECTED_H
#define SESSION_EXPECTED_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

struct statement;

enum expect_kind {
	EXPECT_PARSE,		/* '1' */
	EXPECT_BIND,		/* '2' */
	EXPECT_DESCRIBE,	/* 'T' or 'n', perhaps after 't' */
	EXPECT_EXECUTE,		/* 'C', 'I' or 's' */
	EXPECT_CLOSE,		/* '3' */
	EXPECT_COPY_END,	/* nothing; the client has ended a COPY that
				 * the server has not begun yet */
	EXPECT_SYNC,		/* 'Z' */
	EXPECT_QUERY,		/* 'Z' */
	EXPECT_FUNCTION,	/* 'Z' */
};

enum expect_fate {
	FATE_PASS,
	FATE_SWALLOW,
	FATE_MADE,
};

/* Why a query of ours runs. */
enum expect_purpose {
	PURPOSE_NONE,
	PURPOSE_CHECK,		/* server_check_query */
	PURPOSE_SETTINGS,	/* the client's settings before its statement */
	PURPOSE_SEQUENCES,	/* forgetting what others drew from them */
	PURPOSE_READ_BACK,	/* what the client's statement has set */
	PURPOSE_CLEAR,		/* another client's settings away */
	PURPOSE_WORDS,		/* session/words.h */
	PURPOSE_RETRY,		/* the Sync of a batch that is run again */
	PURPOSE_BASELINE,	/* the client's channels before its statement */
	PURPOSE_LISTENS,	/* which channels it has now, and UNLISTEN */
	PURPOSE_LISTEN_HERE,	/* the client's server listens itself */
	PURPOSE_GREETING,	/* the client's startup settings, at login */
	PURPOSE_BEGIN,		/* a BEGIN that was held; no query of its
				 * own: what follows is skipped if it fails */
	PURPOSE_COPY,		/* relay_copy.c */
	PURPOSE_RESTORE,	/* what a RESET has left, and setting it to */
	PURPOSE_RESTORED,	/* what the client started with */
};

struct expectation {
	uint8_t			 kind;
	uint8_t			 fate;
	uint8_t			 purpose;
	bool			 is_named : 1;	/* Parse: entered into names */
	uint8_t			 learns : 2;	/* relay_learn.c's */
	bool			 rolls_back : 1; /* Query, Execute: it does
						 * nothing else */
	bool			 ends_unnamed : 1;	/* Close, Query: what
						 * `before` is, or was NULL */
	uint32_t		 number;	/* on the shelf; of Bind and
						 * Describe too */
	struct statement	*statement;	/* Parse, Close: held; Describe:
						 * to be learned, or NULL */
	struct statement	*before;	/* what the name, or the unnamed
						 * one, meant before: held */
	char			*name;		/* the client's name: owned */
	uint8_t			*made;		/* MADE: the answer, owned;
						 * else: what replaces an
						 * error */
	uint32_t		 made_bytes;
	char			 asked[20];	/* Bind, Describe: the client's
						 * name for it, if it is that
						 * short; "": not so */
};

/* All zero is empty and owns no memory. */
struct expected {
	struct expectation	*ring;
	uint32_t		 head;		/* index of the oldest */
	uint32_t		 count;
	uint32_t		 size;		/* a power of two, or 0 */
	uint32_t		 closes;	/* Close with a name */
	uint32_t		 parses;	/* Parse with a number */
};

/* More than this and the client is not read until answers have come. */
enum { EXPECTED_MANY = 16384 };

static inline struct expectation *
expected_head(const struct expected *expected)
{
	return expected->count == 0 ? NULL :
	    &expected->ring[expected->head];
}

/* The i-th from the head. */
static inline struct expectation *
expected_at(const struct expected *expected, uint32_t i)
{
	assert(i < expected->count);
	return &expected->ring[(expected->head + i) & (expected->size - 1)];
}

/* What was added last. */
static inline struct expectation *
expected_last(const struct expected *expected)
{
	return expected_at(expected, expected->count - 1);
}

void	expected_grow(struct expected *);
/* Free what an entry owns. */
void	expectation_done(struct expected *, struct expectation *);

/* A fresh entry at the end, zeroed but for its kind and fate. */
static inline struct expectation *
expected_add(struct expected *expected, enum expect_kind kind,
    enum expect_fate fate)
{
	struct expectation	*entry;

	if (expected->count == expected->size)
		expected_grow(expected);
	expected->count++;
	entry = expected_last(expected);
	*entry = (struct expectation){ .kind = (uint8_t)kind,
	    .fate = (uint8_t)fate };
	return entry;
}

/* Strike the head and free what it owns. */
static inline void
expected_strike(struct expected *expected)
{
	struct expectation	*entry = expected_at(expected, 0);

	if (entry->statement != NULL || entry->before != NULL ||
	    entry->name != NULL || entry->made != NULL)
		expectation_done(expected, entry);
	expected->head = (expected->head + 1) & (expected->size - 1);
	expected->count--;
}

/*
 * The head has begun to COPY in: the Syncs right behind it will be ignored;
 * how many.  Or they were not, and have their place again.
 */
uint32_t		 expected_ignore_syncs(struct expected *);
void			 expected_restore_syncs(struct expected *, uint32_t);
bool			 expected_has(const struct expected *,
			    enum expect_kind);
/* Whether a request is in line after which PostgreSQL is in step again. */
bool			 expected_has_sync(const struct expected *);
/* The same of the client's own requests. */
bool			 expected_has_end(const struct expected *);
/* Whether a message of a batch waits for its answer. */
bool			 expected_has_batch(const struct expected *);
void			 expected_done(struct expected *);

#endif
