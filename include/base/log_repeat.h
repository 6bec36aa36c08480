/*
 * Lines that come again and again are counted instead of written.
 *
 * Two lines are alike when level, database, user and text are the same but
 * for numbers in it.  The first is written; those that follow within the
 * interval are counted.  The count is told by the first one after that, or by
 * a line of its own when none comes.  A fixed number of texts is remembered:
 * who floods the log with different ones has them all written.
 *
 * Used by log.c only, under its mutex.
 */

#ifndef BASE_LOG_REPEAT_H
#define BASE_LOG_REPEAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"

enum { LOG_REPEAT_TEXT_BYTES = 400, LOG_REPEAT_NAME_BYTES = 64 };

/* Lines that were counted and have to be told. */
struct log_repeated {
	uint64_t	hash;
	uint64_t	count;		/* hidden since the one written */
	int64_t		since_us;	/* when that was; 0: a free place */
	enum log_level	level;
	char		database[LOG_REPEAT_NAME_BYTES];
	char		user[LOG_REPEAT_NAME_BYTES];
	char		text[LOG_REPEAT_TEXT_BYTES];
};

/*
 * Whether this line is to be hidden.  If not, *told has what is to be told
 * with it (count 0: nothing), which may be of another text that lost its
 * place.
 */
bool	log_repeat_hides(enum log_level, const struct log_who *,
	    const char *text, int64_t now_us, int64_t interval_us,
	    struct log_repeated *told);
/* The next one whose interval is over, or any (is_end); false: none. */
bool	log_repeat_next(int64_t now_us, int64_t interval_us, bool is_end,
	    struct log_repeated *);

#endif
