/*
 * Text that people write: numbers, times, sizes, lists and names.
 *
 * Every parser takes a terminated string, accepts the whole of it or nothing,
 * and leaves the result untouched when it fails.
 */

#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool	text_to_integer(const char *, int64_t *);
/* 1 0 on off yes no true false, in any case */
bool	text_to_bool(const char *, bool *);
/* "30" (seconds), "0.5", "30s", "2000ms", "250us", "5min", "1h", "1d" */
bool	text_to_duration(const char *, int64_t *us);
/* "4096", "4kB", "1MB", "1GB" (1024) */
bool	text_to_bytes(const char *, int64_t *);
/* The shortest of the above that text_to_duration() reads back. */
void	text_from_duration(int64_t us, char *, size_t);

/* For people: "0.2 s", "120 s". */
void	text_seconds(int64_t us, char *, size_t);

bool	text_equal(const char *, const char *);		/* NULL equals NULL */
bool	text_equal_nocase(const char *, const char *);	/* ASCII */
bool	text_begins_nocase(const char *, const char *word);
bool	text_starts_with(const char *, const char *prefix);

/* How far two names are apart: the Levenshtein distance, at most limit. */
int	text_distance(const char *, const char *, int limit);

/*
 * The next word of a list separated by commas or white space, in place:
 * *list moves behind it; NULL at the end.
 */
char	*text_next_word(char **list);

/* Whether a list as above has the word; "*" in the list has every word. */
bool	text_list_has(const char *list, const char *word);

#endif
