/*
 * Between the lexer (sqlscan.c) and what tokens mean (sqlscan_words.c).
 */

#ifndef WIRE_SQLSCAN_PRIVATE_H
#define WIRE_SQLSCAN_PRIVATE_H

#include "wire/sqlscan.h"

/* scan->word is complete. */
void	sqlscan_on_word(struct sqlscan *);
/* A semicolon that ends a statement, or the end of the text. */
void	sqlscan_on_end(struct sqlscan *);
/* A semicolon inside BEGIN ATOMIC ... END does not end anything. */
bool	sqlscan_is_atomic(const struct sqlscan *);

#endif
