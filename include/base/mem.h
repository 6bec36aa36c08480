/*
 * Memory.
 *
 * Small allocations cannot fail: the process aborts with a message instead,
 * because no caller could do anything better.  What a peer can make grow is
 * bounded by an option and goes through mem_try_resize(), which can fail.
 */

#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

#define container_of(pointer, type, member)				\
	((type *)(void *)((char *)(pointer) - offsetof(type, member)))

#define ARRAY_LENGTH(array)	(sizeof (array) / sizeof (array)[0])

void	*mem_new(size_t);			/* zeroed */
void	*mem_resize(void *, size_t);
void	*mem_try_resize(void *, size_t);	/* NULL: the old one stays */
void	*mem_copy(const void *, size_t);
char	*mem_string(const char *);		/* NULL gives NULL */
char	*mem_string_n(const char *, size_t);	/* always terminated */
char	*mem_printf(const char *, ...)
	    __attribute__((format(printf, 1, 2)));

/* Overwrite a secret; the compiler may not leave it out. */
void	 mem_wipe(void *, size_t);

/* Wipe and free a terminated secret; NULL is allowed. */
void	 mem_free_secret(char *);

/* Compare in a time that does not depend on the contents. */
bool	 mem_equal_secret(const void *, const void *, size_t);

#endif
