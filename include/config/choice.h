/*
 * Values that are one of a few words, in whatever case: a table of words for
 * each kind.  Options, the keys of [databases] and [users], what clients wish
 * and what the console shows use the same words.
 */

#ifndef CONFIG_CHOICE_H
#define CONFIG_CHOICE_H

#include <stdbool.h>
#include <stddef.h>

enum choice {
	CHOICE_TLS,		/* enum tls_mode */
	CHOICE_MODE,		/* enum pool_mode */
	CHOICE_ROUTE,		/* enum route */
	CHOICE_SCOPE,		/* enum causal_scope */
	CHOICE_AUTH,		/* enum auth_type */
	CHOICE_PIN,		/* enum pin_policy */
	CHOICE_LOGFORM,		/* enum log_format */
	CHOICE_BALANCE,		/* enum balance */
};

/* value: the enum, which is as large as an int.  False: no such word. */
bool		 choice_parse(enum choice, const char *text, void *value);
/* "" for one that stands for "not given". */
const char	*choice_name(enum choice, int value);
/* "one, two or three" */
void		 choice_list(enum choice, char *, size_t);

#endif
