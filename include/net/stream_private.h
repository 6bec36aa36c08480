/*
 * What stream.c and stream_tls.c share.
 */

#ifndef NET_STREAM_PRIVATE_H
#define NET_STREAM_PRIVATE_H

#include "net/stream.h"

enum stream_state {
	STREAM_STATE_CLOSED,
	STREAM_STATE_CONNECTING,
	STREAM_STATE_HANDSHAKE,
	STREAM_STATE_OPEN,
};

/* Whether the owner is to be told of what there is to read. */
bool	stream_may_read(const struct stream *);
/* Mark it broken; STREAM_FAILED comes in a later callback. */
void	stream_break(struct stream *, int error);

/* What stream_unread() gave back is read, or not wanted any more. */
void	stream_drop_unread(struct stream *);

/* stream_tls.c: the same contracts as the plain ones. */
ssize_t	stream_tls_read(struct stream *, void *, size_t);
/* Bytes taken, or STREAM_AGAIN, or STREAM_ERROR. */
ssize_t	stream_tls_write(struct stream *, const void *, size_t);
bool	stream_tls_writev(struct stream *, const struct iovec *, int count);
/* Go on with the handshake: 1 finished, STREAM_AGAIN or STREAM_ERROR. */
ssize_t	stream_tls_handshake(struct stream *);
/*
 * Make the event active when OpenSSL holds what the owner wants to read: the
 * kernel does not know of it, and event_del() forgets that it was told.  Such
 * an event is told as EV_TIMEOUT.
 */
void	stream_tls_tell_pending(struct stream *);
/* The struct may have moved with its owner. */
void	stream_tls_join(struct stream *);
void	stream_tls_close(struct stream *);
/* The words for a negative stream.error; valid until the thread's next. */
const char	*stream_tls_error(int error);

#endif
