/*
 * Records that are written as key=value: a table says for each key which
 * member of the record it is.  Tables end with a row without a name.
 */

#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>

enum key_kind {
	KEY_TEXT,		/* char *, owned by the record */
	KEY_NUMBER,		/* int, not negative */
	KEY_TIME,		/* int64_t, in us */
	KEY_MODE,
	KEY_ROUTE,
	KEY_BALANCE,
};

struct key {
	const char	*name;
	enum key_kind	 kind;
	size_t		 offset;
	const char	*meaning;
};

/* Numbers and times become CONFIG_UNSET. */
void	keys_unset(const struct key *, void *record);
/* key=value key='va lue' ...; inside quotes '' is one quote. */
bool	keys_parse(const struct key *, void *record, const char *text,
	    char *error, size_t);
bool	keys_set(const struct key *, void *record, const char *name,
	    const char *value, char *error, size_t);
/* Wipes them. */
void	keys_free_texts(const struct key *, void *record);

#endif
