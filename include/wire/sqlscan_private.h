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
	CONFIG_FIRST,		/* in a first argument that is no literal */
	CONFIG_SECOND,
	CONFIG_THIRD,		/* nothing of it yet */
	CONFIG_TRUE,		/* it is "true" so far */
	CONFIG_OTHER,		/* it is something else */
};

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
