/*
 * Prepared statements: what clients prepare under their own names is shared.
 *
 *	statement	the text and parameter types of a Parse message, and
 *			the settings under which it was said; interned, held
 *			once for all clients and servers, reference counted
 *	names		one client's names for statements
 *	shelf		the statements that one server has, each under a
 *			number of the server's own ("pgweir_7"), least
 *			recently used first to go
 *
 * Statements may be used from every thread (their table has a mutex); names
 * belong to their client's thread, a shelf to the server's owner.
 */

#ifndef RELAY_PREPARED_H
#define RELAY_PREPARED_H

#include <sys/queue.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "wire/sqlscan.h"

struct settings;

struct statement {
	struct hash_node	 node;
	atomic_int		 references;
	const struct settings	*meaning;	/* held */
	uint32_t		 touches;	/* sqlscan's, of the text */
	enum sql_verb		 verb;
	_Atomic uint32_t	 shape;		/* how often it was found that
						 * its rows have changed */
	uint32_t		 length;	/* of body */
	uint8_t			 body[];	/* Parse, behind the name: text,
						 * NUL, count, types */
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

/* A Parse message behind its name: a text, a count and that many types. */
bool			 statement_body_is_valid(const uint8_t *, size_t);

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
	uint32_t		 shape;	/* the statement's when prepared */
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
/*
 * The entry, now the most recently used one; NULL: not there, or prepared
 * before its rows have changed.
 */
struct shelf_entry	*shelf_find(struct shelf *, const struct statement *);
/* Add under a fresh number; it must not be there. */
struct shelf_entry	*shelf_add(struct shelf *, struct statement *);
/* Put back under its old number what was taken out, if it is not there. */
void			 shelf_restore(struct shelf *, struct statement *,
			    uint32_t number);
void			 shelf_remove(struct shelf *, struct shelf_entry *);
void			 shelf_remove_number(struct shelf *,
			    const struct statement *, uint32_t number);
/* By its number alone; has_changed: others have to prepare it anew too. */
void			 shelf_forget_number(struct shelf *, uint32_t,
			    bool has_changed);
/* The one to close when there are more than limit: NULL when there is room. */
struct shelf_entry	*shelf_oldest_beyond(struct shelf *, size_t limit);
/* "pgweir_7"; returns the length without the NUL. */
size_t			 statement_server_name(uint32_t number,
			    char name[STATEMENT_NAME_BYTES]);

#endif
