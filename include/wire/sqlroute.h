/*
 * Whether a statement only reads, as far as its text can tell.
 *
 * Fed with the tokens of sqlscan as they come, so it needs no memory but its
 * struct and follows a text of any length, cut anywhere.  It allows and does
 * not forbid: what it does not understand is no read.
 *
 * A text that passes is a read on condition: it lists the names of what it
 * calls, reads and casts to, and whoever knows the database must find each of
 * them harmless.  Names come without their schema and are looked up as if
 * every schema were searched, so that no search_path can make a difference.
 * Not even a name in the place of a column may be that of a relation which
 * forbids reading.
 */

#ifndef WIRE_SQLROUTE_H
#define WIRE_SQLROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sqlscan;

/*	why it is no read, and for people */
#define SQLROUTE_DOUBTS(X)						\
	X(SQLROUTE_READ,	"it only reads")			\
	X(SQLROUTE_EMPTY,	"it is empty")				\
	X(SQLROUTE_NOT_READ,	"it is no SELECT")			\
	X(SQLROUTE_WRITES,	"a word in it may write")		\
	X(SQLROUTE_LOCKS,	"it locks rows")			\
	X(SQLROUTE_SEVERAL,	"these are several statements")		\
	X(SQLROUTE_SESSION,	"it may change its session")		\
	X(SQLROUTE_TOO_MUCH,	"it has more names than are kept")	\
	X(SQLROUTE_UNCLEAR,	"it is not understood")

enum sqlroute_doubt {
#define SQLROUTE_ENUM(name, text)	name,
	SQLROUTE_DOUBTS(SQLROUTE_ENUM)
#undef SQLROUTE_ENUM
};

/* What a name must be; without any of these it only must not be harmful. */
enum {
	SQLROUTE_FUNCTION = 1 << 0,	/* a known one, or a known type */
	SQLROUTE_RELATION = 1 << 1,	/* a known one, unless SQLROUTE_OWN */
	SQLROUTE_TYPE = 1 << 2,		/* a known one */
	SQLROUTE_COLUMN = 1 << 3,	/* perhaps a function all the same */
	SQLROUTE_OWN = 1 << 4,		/* WITH defines it */
	SQLROUTE_LISTED = 1 << 6,	/* perhaps the type of a column */
	SQLROUTE_SYMBOL = 1 << 5,	/* operators, some perhaps joined */
};

enum {
	SQLROUTE_NAMES = 256,
	SQLROUTE_NAME_BYTES = 6144,
	SQLROUTE_DEPTH = 64,
	SQLROUTE_SLOTS = 512,
};

struct sqlroute_name {
	uint16_t	offset;		/* in bytes; terminated there */
	uint8_t		flags;
};

struct sqlroute_level {
	uint8_t		flags;
	uint8_t		from;		/* how far an item of FROM is read */
	bool		has_query;	/* a parenthesis in it is a query */
};

struct sqlroute {
	/* The result, once sqlroute_end() was called. */
	uint8_t		 doubt;		/* enum sqlroute_doubt */
	uint16_t	 count;
	struct sqlroute_name	 names[SQLROUTE_NAMES];

	/* The word that waits for what comes behind it. */
	uint8_t		 role;
	bool		 is_pending, is_quoted, is_loose, is_qualified;
	uint8_t		 length;
	char		 word[64];

	bool		 is_begun;	/* SELECT or the like was seen */
	bool		 is_over;	/* a semicolon was seen */
	bool		 explains, copies, copies_to, ignores;
	bool		 after_dot, after_as, after_colon, wants_type;
	bool		 last_digit;
	uint8_t		 distinct;	/* how much of IS DISTINCT is read */
	uint8_t		 symbol_length;
	char		 symbol[64];
	uint8_t		 depth;
	struct sqlroute_level	 levels[SQLROUTE_DEPTH];
	uint16_t	 used;		/* of bytes */
	char		 bytes[SQLROUTE_NAME_BYTES];
	uint16_t	 slots[SQLROUTE_SLOTS];	/* of names, one more; or 0 */
};

/* Start; the scan is to be initialised already, and feeds this from then. */
void		 sqlroute_attach(struct sqlroute *, struct sqlscan *);
/* After sqlscan_end(). */
void		 sqlroute_end(struct sqlroute *, const struct sqlscan *);
/* One pass over a whole text. */
void		 sqlroute_text(struct sqlroute *, struct sqlscan *,
		    const void *, size_t);

static inline const char *
sqlroute_name(const struct sqlroute *route, size_t i)
{
	return route->bytes + route->names[i].offset;
}

const char	*sqlroute_doubt_text(enum sqlroute_doubt);

/* From the lexer: a word is complete; the first byte of something else. */
void		 sqlroute_on_word(struct sqlroute *, const char *word,
		    size_t length, bool is_quoted);
void		 sqlroute_on_mark(struct sqlroute *, uint8_t);

#endif
