/*
 * See route/heal.h.
 *
 * A replica says 25006 of a write and 0A000 of what it cannot do at all, as
 * reading an unlogged table: that stays so as long as the catalogue does.  It
 * says 40001 when it had to cancel for the sake of replay: not the next time.
 * And what was created on the primary a moment ago it does not know yet.
 */

#include <string.h>

#include "base/mem.h"
#include "route/heal.h"
#include "wire/error_fields.h"

static const struct {
	const char	*sqlstate;
	const char	*message;	/* a part of it; NULL: any */
	const char	*file;		/* of PostgreSQL's source; as that */
	enum heal	 heal;
} refusals[] = {
	{ "25006", NULL, NULL, HEAL_ALWAYS },
	/* The session, not the text. */
	{ "0A000", "serializable", NULL, HEAL_ONCE },
	{ "0A000", NULL, NULL, HEAL_ALWAYS },
	{ "40001", "conflict with recovery", NULL, HEAL_ONCE },
	/* The same in any language. */
	{ "40001", NULL, "postgres.c", HEAL_ONCE },
	{ "42P01", NULL, NULL, HEAL_ONCE },
	{ "42703", NULL, NULL, HEAL_ONCE },
	{ "42883", NULL, NULL, HEAL_ONCE },
	{ "42704", NULL, NULL, HEAL_ONCE },
	{ "3F000", NULL, NULL, HEAL_ONCE },
};

enum heal
heal_of(const struct error_fields *error)
{
	for (size_t i = 0; i < ARRAY_LENGTH(refusals); i++)
		if (strcmp(error->sqlstate, refusals[i].sqlstate) == 0 &&
		    (refusals[i].message == NULL ||
		    strstr(error->message, refusals[i].message) != NULL) &&
		    (refusals[i].file == NULL || (error->file != NULL &&
		    strcmp(error->file, refusals[i].file) == 0)))
			return refusals[i].heal;
	return HEAL_NOT;
}
