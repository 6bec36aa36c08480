/*
 * Putting together what is sent.
 *
 * One run goes out as it is.  Several parts that are small together are moved
 * into one piece first, because send() on a few hundred copied bytes costs
 * less than sendmsg() on a list of parts.
 */

#include <string.h>

#include "base/buf.h"
#include "net/stream.h"
#include "session/parcel.h"

/* Up to here copying beats a list of parts. */
#define COPY_MAX	2048

void
parcel_init(struct parcel *parcel, struct stream *stream, uint8_t *room,
    size_t room_bytes)
{
	parcel->stream = stream;
	parcel->made = parcel->made_start = room;
	parcel->made_end = room + room_bytes;
	parcel->sent = 0;
	parcel->end = NULL;
	parcel->count = 0;
	parcel->broken = false;
}

void
parcel_add(struct parcel *parcel, const void *bytes, size_t n)
{
	if (parcel->count == PARCEL_PARTS)
		parcel_send(parcel);
	parcel->parts[parcel->count].iov_base = (void *)(uintptr_t)bytes;
	parcel->parts[parcel->count].iov_len = n;
	parcel->count++;
	parcel->end = (const uint8_t *)bytes + n;
}

void
parcel_piece(struct parcel *parcel, const void *bytes, size_t n)
{
	/* Before copying: sending starts the room for pieces anew. */
	if (parcel->count == PARCEL_PARTS ||
	    n > (size_t)(parcel->made_end - parcel->made))
		parcel_send(parcel);
	if (n > (size_t)(parcel->made_end - parcel->made)) {
		/* Larger than all the room: it goes out by itself. */
		parcel_run(parcel, bytes, n);
		parcel_send(parcel);
		return;
	}
	memcpy(parcel->made, bytes, n);
	parcel_run(parcel, parcel->made, n);
	parcel->made += n;
}

void
parcel_buf(struct parcel *parcel, struct buf *buf)
{
	if (buf_length(buf) > 0)
		parcel_piece(parcel, buf_bytes(buf), buf_length(buf));
	buf_done(buf);
}

/* All parts in one piece, if they are small and there is room for them. */
static bool
parcel_join(struct parcel *parcel, size_t total)
{
	uint8_t	*to = parcel->made;

	if (total > COPY_MAX ||
	    total > (size_t)(parcel->made_end - parcel->made))
		return false;
	for (int i = 0; i < parcel->count; i++) {
		memcpy(to, parcel->parts[i].iov_base,
		    parcel->parts[i].iov_len);
		to += parcel->parts[i].iov_len;
	}
	return true;
}

void
parcel_clear(struct parcel *parcel)
{
	parcel->count = 0;
	parcel->end = NULL;
	parcel->made = parcel->made_start;
}

void
parcel_send_parts(struct parcel *parcel)
{
	size_t	total = 0;
	bool	good;

	for (int i = 0; i < parcel->count; i++)
		total += parcel->parts[i].iov_len;
	if (parcel->broken || !stream_is_open(parcel->stream))
		good = false;
	else if (parcel->count == 1)
		good = stream_write(parcel->stream,
		    parcel->parts[0].iov_base, total);
	else if (parcel_join(parcel, total))
		good = stream_write(parcel->stream, parcel->made, total);
	else
		good = stream_writev(parcel->stream, parcel->parts,
		    parcel->count);
	parcel->broken = !good;
	parcel->sent += total;
	parcel_clear(parcel);
}
