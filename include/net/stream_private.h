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

/* Register with the loop what the stream wants to be told now. */
void	stream_watch(struct stream *);
/* Mark it broken; STREAM_FAILED comes in a later callback. */
void	stream_break(struct stream *, int error);

/* stream_tls.c: the same contracts as the plain ones. */
ssize_t	stream_tls_read(struct stream *, void *, size_t);
/* Bytes taken, or STREAM_AGAIN, or STREAM_ERROR. */
ssize_t	stream_tls_write(struct stream *, const void *, size_t);
/* Go on with the handshake; true when it is finished. */
bool	stream_tls_handshake(struct stream *);
bool	stream_tls_has_pending(const struct stream *);
void	stream_tls_close(struct stream *);
const char	*stream_tls_error(void);

#endif
