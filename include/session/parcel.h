/*
 * A parcel: the bytes that one callback sends one way, put together from runs
 * of what was read and from pieces made here, and sent with one system call.
 *
 * Lives on the stack of a callback.  Runs must stay where they are until the
 * parcel is sent; runs that touch become one, so that bytes which are passed
 * on unchanged are neither copied nor split.
 */

#ifndef SESSION_PARCEL_H
#define SESSION_PARCEL_H

#include <sys/uio.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct stream;

enum { PARCEL_PARTS = 48 };

struct parcel {
	struct stream	*stream;
	uint8_t		*made;		/* the next free byte for pieces */
	uint8_t		*made_end;
	uint8_t		*made_start;
	size_t		 sent;		/* bytes since parcel_init() */
	const uint8_t	*end;		/* of the last part; NULL: none */
	int		 count;
	bool		 broken;	/* the stream failed: bytes are lost */
	struct iovec	 parts[PARCEL_PARTS];
};

/* room: memory for pieces made here, for as long as the parcel lives. */
void	parcel_init(struct parcel *, struct stream *, uint8_t *room,
	    size_t room_bytes);
/* One more part, not empty, that does not touch the last one. */
void	parcel_add(struct parcel *, const void *, size_t);
/* A piece: copied. */
void	parcel_piece(struct parcel *, const void *, size_t);
/* What is in the buf, if anything, which is done with. */
void	parcel_buf(struct parcel *, struct buf *);
/* Forget what was not sent yet. */
void	parcel_clear(struct parcel *);
/* Send what there is. */
void	parcel_send_parts(struct parcel *);

static inline void
parcel_send(struct parcel *parcel)
{
	if (parcel->count > 0)
		parcel_send_parts(parcel);
}

/* A run of bytes that stay where they are. */
static inline void
parcel_run(struct parcel *parcel, const void *bytes, size_t n)
{
	if (n == 0)
		return;
	if (parcel->end == bytes) {
		parcel->parts[parcel->count - 1].iov_len += n;
		parcel->end += n;
	} else
		parcel_add(parcel, bytes, n);
}

#endif
