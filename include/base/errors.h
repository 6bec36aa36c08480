/*
 * The book of errors that clients were told: how many of each kind, and the
 * last ones.
 *
 * A kind is who said it (the pooler or a server), its SQLSTATE and, for the
 * pooler's own, the reason.  Of a server's errors the text is not kept: it
 * may hold data.  Both tables have a fixed size, so that a peer who invents
 * SQLSTATEs cannot make them grow; what finds no room is counted as "other".
 *
 * Any thread may write and read; a leaf mutex guards the book.
 */

#ifndef BASE_ERRORS_H
#define BASE_ERRORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"

enum {
	ERRORS_KINDS_MAX = 200,
	ERRORS_RECENT_MAX = 50,
	ERRORS_NAME_BYTES = 64,
	ERRORS_TEXT_BYTES = 240,
};

struct error_event {
	int64_t		at_us;		/* of the wall's clock */
	bool		is_servers;	/* the server said it, not we */
	char		sqlstate[6];
	const char	*reason;	/* a constant; "" for a server's */
	char		database[ERRORS_NAME_BYTES];
	char		user[ERRORS_NAME_BYTES];
	char		text[ERRORS_TEXT_BYTES];	/* "": not kept */
};

struct error_kind {
	uint64_t		count;
	struct error_event	last;
};

/* who and text may be NULL; reason is NULL for a server's error. */
void	errors_note(const char *sqlstate, const char *reason,
	    const struct log_who *, const char *text);

/* Copies; return how many there are, the last error first in recent. */
size_t	errors_kinds(struct error_kind kinds[ERRORS_KINDS_MAX]);
size_t	errors_recent(struct error_event recent[ERRORS_RECENT_MAX]);

#endif
