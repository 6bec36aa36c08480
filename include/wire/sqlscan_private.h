/*
 * Between the lexer (sqlscan.c) and what tokens mean (sqlscan_words.c).
 */

#ifndef WIRE_SQLSCAN_PRIVATE_H
#define WIRE_SQLSCAN_PRIVATE_H

#include "wire/sqlscan.h"

enum class {
	PLAIN,
	SPACE,
	WORD,
	DIGIT,
	QUOTE,
	NAME,
	DOLLAR,
	DASH,
	SLASH,
	SEMICOLON,
	OPEN,
	CLOSE,
};

extern const uint8_t	sqlscan_classes[256];

/* How far a call of set_config() is read; see sqlscan_config.c. */
enum {
	CONFIG_NONE,
	CONFIG_NAMED,		/* behind the word */
	CONFIG_OPEN,		/* behind the parenthesis */
	CONFIG_LITERAL,		/* inside a string */
	CONFIG_READ,		/* behind it */
	CONFIG_PARAMETER,	/* it is $1, or the like */
	CONFIG_FIRST,		/* in a first argument that is no literal */
	CONFIG_SECOND,
	CONFIG_THIRD,		/* nothing of it yet */
	CONFIG_TRUE,		/* it is "true" so far */
	CONFIG_OTHER,		/* it is something else */
};

/* How far the name of a setting with a dot is read. */
enum {
	NAME_NONE,
	NAME_DOT,		/* behind a dot */
	NAME_READ,		/* behind a word */
	NAME_DONE,		/* behind all of it */
	NAME_LONG,		/* longer than there is room */
};

/* More of a name. */
void	sqlscan_add_to_name(struct sqlscan *, const void *, size_t);
/* A dot, or a word, in SET; the name is what stood before it. */
void	sqlscan_name_dot(struct sqlscan *);
void	sqlscan_name_word(struct sqlscan *);
/* The statement ends. */
void	sqlscan_name_end(struct sqlscan *);

/* The first byte of something, while a call is read. */
void	sqlscan_follow_config(struct sqlscan *, uint8_t);
/* A word; the name of the function among them. */
void	sqlscan_config_word(struct sqlscan *);
/* The statement ends. */
void	sqlscan_config_end(struct sqlscan *);
/* A byte of DO. */
void	sqlscan_on_body(struct sqlscan *, uint8_t);

/* scan->word is complete. */
void	sqlscan_on_word(struct sqlscan *);
/* A semicolon that ends a statement, or the end of the text. */
void	sqlscan_on_end(struct sqlscan *);
/* A semicolon inside BEGIN ATOMIC ... END does not end anything. */
bool	sqlscan_is_atomic(const struct sqlscan *);

#endif
