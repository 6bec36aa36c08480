/*
 * Prepared statements: what clients prepare under their own names is shared.
 *
 *	statement	the text and parameter types of a Parse message, and
 *			the settings under which it was said; interned, held
 *			once for all clients and servers, reference counted
 *	learned one	the same text, with what PostgreSQL has made of it:
 *			the types of all parameters and the shape of the
 *			rows.  A client's name means such a one as soon as
 *			PostgreSQL has told, so that whatever is changed in
 *			the database later, its parameters and rows are on
 *			no server other than what it was told
 *	names		one client's names for statements
 *	shelf		the statements that one server has, each under a
 *			number of the server's own ("pgweir_7"), least
 *			recently used first to go
 *
 * Statements may be used from every thread (their table has a mutex); names
 * belong to their client's thread, a shelf to the server's owner.
 */

#ifndef SESSION_PREPARED_H
#define SESSION_PREPARED_H

#include <sys/queue.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "wire/sqlscan.h"

struct settings;

/*
 * What a statement consists of behind its name in Parse: a text with its NUL,
 * and a count with that many types.
 */
struct statement {
	struct hash_node	 node;
	atomic_int		 references;
	const struct settings	*meaning;	/* held */
	struct statement	*origin;	/* held: what clients say, which
						 * has the text; NULL: itself */
	uint64_t		 shape;		/* of its rows; 0: not known */
	uint32_t		 touches;	/* sqlscan's, of the text */
	enum sql_verb		 verb;
	bool			 alters;	/* sqlscan's, as well */
	uint8_t			 may_be_ours;	/* session/own.h */
	/* Where it goes: a catalogue's number, and below it why. */
	_Atomic uint64_t	 routed;
	const char		*text;		/* ends with NUL */
	const uint8_t		*types;
	uint32_t		 text_bytes;
	uint32_t		 types_bytes;
	/* Under the mutex of all statements: */
	struct statement	*learned;	/* the last one, not held */
	int64_t			 learned_us;
	_Atomic uint64_t	 learned_epoch;	/* read anywhere */
	uint8_t			 own[];
};

/*
 * The statement for the rest of a Parse message behind its name (already
 * checked to be well formed).  A reference is the caller's.  last: one that is
 * likely the same, compared first without any lock; may be NULL.  NULL: there
 * is no room for another one.
 */
struct statement	*statement_intern(const uint8_t *body, size_t length,
			    const struct settings *meaning,
			    struct statement *last);
/* One that nobody else will find: its settings are not known. */
struct statement	*statement_new_private(const uint8_t *body,
			    size_t length, const struct settings *meaning);
struct statement	*statement_hold(struct statement *);
void			 statement_release(struct statement *);	/* NULL ok */

/*
 * What PostgreSQL has made of it, in ParameterDescription (a count and types)
 * and by the shape of its rows (0: not asked).  A reference is the caller's.
 * It may be one too many for statement_memory_max, which the statement that
 * it takes the place of will make up for.
 */
struct statement	*statement_learn(struct statement *,
			    const uint8_t *types, size_t n, uint64_t shape);
/* Of a RowDescription; 0: it is malformed. */
enum { SHAPE_NO_ROWS = 1 };
uint64_t		 statement_shape(const uint8_t *, size_t);
/* This is how PostgreSQL has understood it, now. */
void			 statement_note_learned(struct statement *,
			    struct statement *learned, int64_t now_us);
/* How it did within the last second, with a reference; NULL: ask again. */
struct statement	*statement_learned(struct statement *,
			    int64_t now_us);
/* Something was changed in a database: ask again. */
void			 statements_expire(void);
/* Grows with each change, and every minute for those unheard of; not 0. */
uint64_t		 statements_epoch(int64_t now_us);

/* A Parse message behind its name: a text, a count and that many types. */
bool			 statement_body_is_valid(const uint8_t *, size_t);
/* A count and that many types. */
bool			 statement_types_are_whole(const uint8_t *, size_t);

/* Longer bodies are not kept (max_statement_bytes); main's to set. */
extern size_t		 statement_bytes_max;
/* All of them together (max_statement_memory); 0: unlimited. */
extern size_t		 statement_memory_max;

/* Numbers for SHOW MEM. */
void			 statements_memory(size_t *count, size_t *bytes);

/* Each that is shared, under the mutex: copy and return. */
void			 statements_each(void (*)(void *arg,
			    const struct statement *), void *arg);

/* A client's names.  All zero is an empty table that owns no memory. */
struct names {
	struct hash_table	*table;		/* NULL: none yet */
};

struct statement	*names_find(const struct names *, const char *name);
/* A name that means this statement; NULL: there is none. */
const char		*names_of(const struct names *,
			    const struct statement *);
/* Give the name a statement (a new reference is taken), or replace it. */
void			 names_set(struct names *, const char *name,
			    struct statement *);
bool			 names_remove(struct names *, const char *name);
void			 names_clear(struct names *);	/* frees all */
size_t			 names_count(const struct names *);

/* What one server has. */
struct shelf_entry {
	struct hash_node	 node;		/* by statement address */
	TAILQ_ENTRY(shelf_entry) next;		/* most recently used first */
	struct statement	*statement;	/* held */
	uint32_t		 number; /* on the server: pgweir_NUMBER */
	uint64_t		 epoch;	/* it was prepared in; 0: not known */
	bool			 is_private; /* prepared under settings that
					      * are not its own */
};

struct shelf {
	struct hash_table		 table;
	TAILQ_HEAD(shelf_list, shelf_entry) used;
	uint32_t			 next_number;
	bool				 has_private;
};

enum { STATEMENT_NAME_BYTES = 24 };

void			 shelf_init(struct shelf *);
void			 shelf_clear(struct shelf *);	/* all forgotten */
/* The entry, now the most recently used one; NULL: not there. */
struct shelf_entry	*shelf_find(struct shelf *, const struct statement *);
/* Add under a fresh number; it must not be there. */
struct shelf_entry	*shelf_add(struct shelf *, struct statement *);
/* Put back under its old number what was taken out, if it is not there. */
void			 shelf_restore(struct shelf *, struct statement *,
			    uint32_t number);
void			 shelf_remove(struct shelf *, struct shelf_entry *);
void			 shelf_remove_number(struct shelf *,
			    const struct statement *, uint32_t number);
/* By its number alone. */
void			 shelf_forget_number(struct shelf *, uint32_t);
struct statement	*shelf_statement(struct shelf *, uint32_t number);
/*
 * What is there under this number turns out to be another statement.  If the
 * server has that already, the older one is the next to go.
 */
void			 shelf_turn(struct shelf *, const struct statement *,
			    uint32_t number, struct statement *into);
/* The one to close when there are more than limit: NULL when there is room. */
struct shelf_entry	*shelf_oldest_beyond(struct shelf *, size_t limit);
/*
 * It was prepared before a change behind which somebody has prepared it anew:
 * its tables may be others now (a new one in front of them in search_path).
 */
static inline bool
shelf_entry_is_old(const struct shelf_entry *entry)
{
	const struct statement	*statement = entry->statement;

	if (statement->origin != NULL)
		statement = statement->origin;
	return entry->epoch == 0 || entry->epoch < atomic_load_explicit(
	    &statement->learned_epoch, memory_order_relaxed);
}

/* Another schema is in front of all: everything there is old. */
void			 shelf_age(struct shelf *);
/* "pgweir_7"; returns the length without the NUL. */
size_t			 statement_server_name(uint32_t number,
			    char name[STATEMENT_NAME_BYTES]);

#endif
