/*
 * Between the lexer (sqlscan.c) and what tokens mean (sqlscan_words.c).
 */

#ifndef WIRE_SQLSCAN_PRIVATE_H
#define WIRE_SQLSCAN_PRIVATE_H

#include "wire/sqlscan.h"

/*
 * The first argument of set_config() says what is set; whether its name has a
 * dot is all that counts.  What is no literal might have one.
 */
enum {
	CONFIG_NONE,
	CONFIG_NAMED,		/* behind the word */
	CONFIG_OPEN,		/* behind the parenthesis */
	CONFIG_LITERAL,		/* inside a string */
};

/* scan->word is complete. */
void	sqlscan_on_word(struct sqlscan *);
/* A semicolon that ends a statement, or the end of the text. */
void	sqlscan_on_end(struct sqlscan *);
/* A semicolon inside BEGIN ATOMIC ... END does not end anything. */
bool	sqlscan_is_atomic(const struct sqlscan *);

#endif
