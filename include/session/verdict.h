/*
 * What the lexer said about a text, remembered: the same short statements
 * (BEGIN, COMMIT, a health check) come over and over again.
 *
 * Each thread has a table of its own, of a fixed size: a slot holds the last
 * text that fell into it, so that what a client sends can displace entries
 * and no more.  Longer texts are scanned every time.
 */

#ifndef SESSION_VERDICT_H
#define SESSION_VERDICT_H

#include <stddef.h>
#include <stdint.h>

/* Any thread.  SQL_TOUCHES_... of all statements of the text. */
uint32_t	verdict_touches(const char *text, size_t n);

#endif
