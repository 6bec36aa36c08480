/*
 * A growing run of bytes with a reading end and a writing end.
 *
 *	data ... start ........ end ... capacity
 *	         ^ unread bytes ^ free
 *
 * An empty buf owns no memory after buf_done(), so an idle
 * connection can embed one and pay only for the struct.
 */

#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t		*data;
	uint32_t	 start;		/* first unread byte */
	uint32_t	 end;		/* first free byte */
	uint32_t	 capacity;
};

static inline size_t
buf_length(const struct buf *buf)
{
	return buf->end - buf->start;
}

static inline uint8_t *
buf_bytes(const struct buf *buf)
{
	return buf->data + buf->start;
}

void	 buf_init(struct buf *);
void	 buf_done(struct buf *);	/* free the memory; reusable */
void	 buf_clear(struct buf *);	/* forget the bytes, keep the memory */
void	 buf_wipe(struct buf *);	/* buf_done() for secrets */

/* Room for n more bytes at the end; aborts beyond 2 GiB. */
uint8_t	*buf_reserve(struct buf *, size_t n);
/* The same, but NULL when memory is short or the buf would exceed limit. */
uint8_t	*buf_try_reserve(struct buf *, size_t n, size_t limit);
/* n bytes were written where buf_reserve() pointed. */
void	 buf_commit(struct buf *, size_t n);
void	 buf_add(struct buf *, const void *, size_t);
void	 buf_add_text(struct buf *, const char *);	/* without the NUL */
void	 buf_printf(struct buf *, const char *, ...)	/* without the NUL */
	    __attribute__((format(printf, 2, 3)));
/* n bytes were read from the start; frees nothing. */
void	 buf_consume(struct buf *, size_t n);

#endif
