/*
 * Options by name: parsing, showing, finding the nearest.
 */

#ifndef CONFIG_OPTIONS_H
#define CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/choice.h"
#include "config/option_list.h"

enum option_kind {
	OPTION_INT,
	OPTION_BOOL,
	OPTION_TIME,
	OPTION_BYTES,
	OPTION_TEXT,
	OPTION_OCTAL,
	OPTION_SECRET,
	OPTION_CHOICE,			/* and behind it, as enum choice */
	OPTION_TLS = OPTION_CHOICE + CHOICE_TLS,
	OPTION_MODE = OPTION_CHOICE + CHOICE_MODE,
	OPTION_ROUTE = OPTION_CHOICE + CHOICE_ROUTE,
	OPTION_SCOPE = OPTION_CHOICE + CHOICE_SCOPE,
	OPTION_AUTH = OPTION_CHOICE + CHOICE_AUTH,
	OPTION_PIN = OPTION_CHOICE + CHOICE_PIN,
	OPTION_LOGFORM = OPTION_CHOICE + CHOICE_LOGFORM,
};

struct option {
	const char	*name;
	enum option_kind kind;
	size_t		 offset;	/* in struct option_values */
	const char	*ours;		/* defaults, as text */
	const char	*theirs;
	int64_t		 min, max;
	bool		 reloadable;
	const char	*meaning;
};

extern const struct option	options[];
extern const size_t		option_count;

const struct option	*option_find(const char *name);
/* Why a name that is not in the table is known all the same, or NULL. */
const char		*option_ignored(const char *name);
const char		*option_refused(const char *name);
/* The nearest known name, or NULL when none is near. */
const char		*option_nearest(const char *name);

/* Defaults: PgBouncer's or ours.  Texts are the values' own. */
void	option_values_init(struct option_values *, bool is_pgbouncer);
void	option_values_done(struct option_values *);

/* False: error says what would be right. */
bool	option_parse(const struct option *, struct option_values *,
	    const char *text, char *error, size_t);
/* As SHOW CONFIG says it. */
void	option_print(const struct option *, const struct option_values *,
	    char *, size_t);

#endif
