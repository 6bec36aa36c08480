/*
 * A lexer for SQL that tells how each statement of a text starts and what it
 * touches (PostgreSQL documentation 4.1).
 *
 * It does not recurse, needs no memory but its struct, and is fed in pieces,
 * cut anywhere, so that a query of any length is followed to its end as it
 * streams through.  It says too much rather than too little: a false alarm
 * costs a question to the server, a miss would be a fault.
 */

#ifndef WIRE_SQLSCAN_H
#define WIRE_SQLSCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sql_verb {
	SQL_EMPTY,
	SQL_OTHER,
	SQL_ALTER, SQL_ANALYZE, SQL_BEGIN, SQL_CALL, SQL_CLOSE, SQL_COMMIT,
	SQL_COMMIT_PREPARED, SQL_COPY, SQL_CREATE, SQL_DEALLOCATE,
	SQL_DEALLOCATE_ALL, SQL_DECLARE, SQL_DELETE, SQL_DISCARD_ALL,
	SQL_DISCARD_OTHER, SQL_DO, SQL_DROP, SQL_EXECUTE, SQL_EXPLAIN,
	SQL_FETCH, SQL_GRANT, SQL_INSERT, SQL_LISTEN, SQL_LOAD, SQL_LOCK,
	SQL_MERGE, SQL_MOVE, SQL_NOTIFY, SQL_PREPARE, SQL_PREPARE_TRANSACTION,
	SQL_REFRESH, SQL_RELEASE, SQL_RESET, SQL_RESET_ALL, SQL_REVOKE,
	SQL_ROLLBACK, SQL_ROLLBACK_PREPARED, SQL_ROLLBACK_TO, SQL_SAVEPOINT,
	SQL_SELECT, SQL_SET, SQL_SET_CONSTRAINTS, SQL_SET_LOCAL, SQL_SET_ROLE,
	SQL_SET_SESSION, SQL_SET_SESSION_AUTHORIZATION,
	SQL_SET_SESSION_CHARACTERISTICS, SQL_SET_TRANSACTION, SQL_SHOW,
	SQL_START, SQL_TABLE, SQL_TRUNCATE, SQL_UNLISTEN, SQL_UPDATE,
	SQL_VACUUM, SQL_VALUES, SQL_WITH,
};

/* What the text may do that outlives a statement or a transaction. */
enum {
	SQL_TOUCHES_SETTINGS = 1 << 0,	/* SET, RESET, DISCARD, set_config */
	SQL_TOUCHES_LOCAL = 1 << 1,	/* SET LOCAL */
	SQL_TOUCHES_UNKNOWN = 1 << 2,	/* DO, CALL, what cannot be followed */
	SQL_TOUCHES_TEMP = 1 << 3,
	SQL_TOUCHES_LISTEN = 1 << 4,
	SQL_TOUCHES_UNLISTEN = 1 << 5,
	SQL_TOUCHES_HOLD = 1 << 6,	/* a cursor WITH HOLD */
	SQL_TOUCHES_LOAD = 1 << 7,
	SQL_TOUCHES_PREPARE = 1 << 8,	/* PREPARE name AS */
	SQL_TOUCHES_DEALLOCATE = 1 << 9,
	SQL_TOUCHES_DEALLOCATE_ALL = 1 << 10,
	SQL_TOUCHES_DISCARD_ALL = 1 << 11,
	SQL_TOUCHES_SEQUENCE = 1 << 12,	/* currval, lastval */
	SQL_TOUCHES_LOCK = 1 << 13,	/* advisory locks of the session */
	SQL_TOUCHES_BLOCK = 1 << 14,	/* BEGIN, START TRANSACTION */
	SQL_TOUCHES_COPY = 1 << 15,
	SQL_TOUCHES_CLOSE_ALL = 1 << 16,
	SQL_TOUCHES_EXECUTE = 1 << 17,
	SQL_TOUCHES_CUSTOM = 1 << 18,	/* perhaps a setting with a dot in its
					 * name, beyond the transaction, and
					 * the text does not tell which */
	SQL_TOUCHES_TRANSACTION = 1 << 19, /* SET TRANSACTION, or SET LOCAL of
					 * a name with a dot: no statement
					 * means anything else by it */
	SQL_TOUCHES_UNTIES = 1 << 20,	/* DROP, CLOSE, unlock, DISCARD: what
					 * tied the client may be over */
	SQL_TOUCHES_DRAWS = 1 << 22,	/* perhaps from a sequence */
	SQL_TOUCHES_DEFINES = 1 << 21,	/* CREATE FUNCTION and the like */
	SQL_TOUCHES_NAMES = 1 << 23,	/* settings with a dot in their names,
					 * which the text tells, see below;
					 * also for the transaction only */
	SQL_TOUCHES_RESETS = 1 << 24,	/* RESET, TO DEFAULT, DISCARD ALL */
	SQL_TOUCHES_LOCAL_RESETS = 1 << 25, /* SET LOCAL ... TO DEFAULT */
	SQL_TOUCHES_LOCAL_LOCK = 1 << 26, /* those of the transaction */
	SQL_TOUCHES_RESET_ALL = 1 << 27, /* what is not set it leaves alone:
					  * who knows adds SETTINGS, RESETS */
};

/* Whether the settings may be others than they were. */
#define SQL_TOUCHES_MEANING	(SQL_TOUCHES_SETTINGS | SQL_TOUCHES_LOCAL | \
	SQL_TOUCHES_RESETS |						\
	SQL_TOUCHES_UNKNOWN | SQL_TOUCHES_EXECUTE | SQL_TOUCHES_DISCARD_ALL)

#define SQL_TOUCHES_ANY_RESETS	(SQL_TOUCHES_RESETS | SQL_TOUCHES_LOCAL_RESETS)

enum { SQLSCAN_WORD_BYTES = 64, SQLSCAN_TAG_BYTES = 32,
	SQLSCAN_NAME_BYTES = 64, SQLNAMES_MAX = 8 };

struct sqlroute;

/*
 * What SQL_TOUCHES_NAMES is about, spelled as PostgreSQL reads it.  Of
 * set_config() the name may be a parameter of the statement ($1), which is
 * known only when it is bound.
 */
struct sqlnames {
	char		 names[SQLNAMES_MAX][SQLSCAN_NAME_BYTES];
	uint16_t	 parameters[SQLNAMES_MAX];
	uint8_t		 count, parameter_count;
	uint8_t		 leading;	/* of the names: set by the first
					 * statement behind BEGIN, which
					 * cannot see what was there before */
	bool		 are_many;	/* there are more */
};

struct sqlscan {
	struct sqlroute	*route;		/* is told the tokens, or NULL */
	struct sqlnames	*names;		/* is told them, or NULL */

	/* The result, once sqlscan_end() was called. */
	uint32_t	 touches;
	uint32_t	 statements;	/* that are not empty */
	uint8_t		 first, last;	/* enum sql_verb */
	bool		 alters;	/* CREATE, ALTER or DROP of something
					 * that can make another client's
					 * statement a write */

	/* The lexer. */
	uint8_t		 state;
	uint8_t		 previous;	/* the byte before */
	bool		 standard_strings;
	uint16_t	 comment_depth;
	uint16_t	 tag_length, tag_match;
	char		 tag[SQLSCAN_TAG_BYTES];
	uint8_t		 word_length;
	bool		 word_is_quoted;
	char		 word[SQLSCAN_WORD_BYTES];

	/* The statement. */
	uint8_t		 verb;
	uint8_t		 inner;		/* what EXPLAIN explains, else verb */
	bool		 has_tokens;
	uint8_t		 before;	/* enum of the word before */
	uint8_t		 atomic;	/* BEGIN ATOMIC and CASE, open */
	uint8_t		 config;	/* how far set_config( is read */
	bool		 config_is_custom; /* its name may have a dot */
	uint16_t	 config_parens;	/* inside it */
	uint16_t	 config_parameter; /* its name is one; 0: it is not */
	uint16_t	 config_count;	/* calls that were read */
	uint16_t	 opened;	/* parentheses, so far */
	uint8_t		 name_state, name_length;
	char		 name[SQLSCAN_NAME_BYTES];	/* of a setting */
	bool		 is_led;	/* a statement stands before it */
	uint8_t		 body, body_length;	/* of DO: what is read */
	char		 body_word[12];
	bool		 is_assigned;	/* SET: behind the name */
	bool		 is_dotted;	/* SET LOCAL: the name has a dot */
	uint16_t	 words;		/* since the inner verb */
	uint16_t	 adjectives;	/* of them, right behind CREATE */
	bool		 is_private;	/* CREATE TEMP, an index, DROP TABLE */
	uint16_t	 parens;
};

/* standard_conforming_strings as the session has it. */
void	sqlscan_init(struct sqlscan *, bool standard_strings);
void	sqlscan_feed(struct sqlscan *, const void *, size_t);
void	sqlscan_end(struct sqlscan *);

/*
 * The last word or quoted identifier of the text, as PostgreSQL reads it:
 * folded to lower case, or unquoted.  Of DEALLOCATE that is the name.
 */
const char	*sqlscan_last_word(const struct sqlscan *);

/* One pass over a whole text. */
void	sqlscan_text(struct sqlscan *, const void *, size_t);
/* The names in a text that touches some. */
void	sqlscan_names(struct sqlnames *, const void *, size_t);

#endif
