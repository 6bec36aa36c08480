/*
 * A stream: one byte connection, with or without TLS.
 *
 * Embedded in the client, server or canceller that owns it; touched by the
 * thread of its loop only.  It owns its descriptor, its TLS state and the
 * output that the peer did not take yet.  An idle stream owns no buffer.
 *
 * One callback gets everything that happens:
 *
 *	STREAM_CONNECTED  the connection that stream_connect() began is there
 *	STREAM_SECURED	  the TLS handshake that was begun is finished
 *	STREAM_READABLE	  there is something to stream_read() (once a callback)
 *	STREAM_DRAINED	  all unsent output has gone out, after there was some
 *	STREAM_FAILED	  connecting, TLS, reading or writing failed, or the
 *			  peer went away; stream_error() says what; nothing
 *			  more comes, and the owner closes it
 *
 * End of file is told by stream_read().  A read or write that fails says so
 * to its caller, and STREAM_FAILED follows unless the stream is closed first;
 * it never comes from inside stream_read() or stream_write().
 *
 * A callback may close its own stream (but not free the struct that embeds
 * it: use a task for that), give it to another loop, and write to other
 * streams.  While reading is off a peer that goes away may stay unnoticed;
 * while it is on it never does.
 *
 * Always true: unsent output is watched for EV_WRITE; with none, only for
 * EV_READ, and the kernel is told nothing in the steady state.
 */

#ifndef NET_STREAM_H
#define NET_STREAM_H

#include <sys/types.h>
#include <sys/uio.h>

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/addr.h"

struct loop;
struct ssl_st;
struct tls_context;

enum stream_event {
	STREAM_CONNECTED,
	STREAM_SECURED,
	STREAM_READABLE,
	STREAM_DRAINED,
	STREAM_FAILED,
};

/* What stream_read() returns beside a number of bytes. */
enum {
	STREAM_EOF = 0,
	STREAM_AGAIN = -1,	/* nothing now; STREAM_READABLE will come */
	STREAM_ERROR = -2,	/* see stream_error() */
};

struct stream {
	struct loop	*loop;		/* NULL: on its way between loops */
	void		(*on_event)(struct stream *, enum stream_event);
	struct ssl_st	*tls;		/* NULL: plain */
	struct buf	*unread;	/* for TLS to read first; NULL: none */
	struct event	 event;		/* READ, WRITE or both */
	struct buf	 unsent;
	int		 fd;		/* -1: closed */
	uint8_t		 state;		/* private to stream.c */
	uint8_t		 watched;	/* EV_READ | EV_WRITE as registered */
	bool		 reading;	/* the owner wants STREAM_READABLE */
	bool		 tls_wants_write; /* SSL_read waits for EV_WRITE */
	bool		 tls_wants_read;  /* SSL_write waits for EV_READ */
	bool		 tls_may_recv;	  /* the kernel has something */
	bool		 broken;	/* failed; STREAM_FAILED told or due */
	bool		 yields;	/* the owner's: not read while its
					 * loop is suspended */
	int		 error;		/* errno, or negative: TLS; 0: none */
};

/* Take over a connected, non-blocking descriptor; reading is on. */
void	stream_open(struct stream *, struct loop *, int fd,
	    void (*on_event)(struct stream *, enum stream_event));
/*
 * Begin connecting.  False: it failed at once, errno says why (EMFILE and
 * the like are our own lack, not the host's), nothing is open.
 */
bool	stream_connect(struct stream *, struct loop *, const struct addr *,
	    void (*on_event)(struct stream *, enum stream_event));
/* Close at once; unsent output is dropped.  Harmless on a closed stream. */
void	stream_close(struct stream *);

static inline bool
stream_is_open(const struct stream *stream)
{
	return stream->fd >= 0;
}

/*
 * Move to another loop: leave in the old thread, join in the new one.  In
 * between nobody watches it.  What OpenSSL holds unread is told after the
 * join as STREAM_READABLE.
 */
void	stream_leave(struct stream *);
void	stream_join(struct stream *, struct loop *);

/* Up to n bytes, n > 0; see the enum above.  One recv or one SSL_read. */
ssize_t	stream_read(struct stream *, void *, size_t n);
/*
 * What was read turned out to be a TLS handshake: give it back, once, before
 * stream_start_tls().
 */
void	stream_unread(struct stream *, const void *, size_t n);

/*
 * Send, and keep what the peer does not take now.  False: the stream is
 * broken (STREAM_FAILED will come); the bytes are gone.  The plain case is
 * one send or sendmsg; under TLS small parts are gathered into records.
 */
bool	stream_write(struct stream *, const void *, size_t n);
bool	stream_writev(struct stream *, struct iovec *, int count);

static inline size_t
stream_unsent(const struct stream *stream)
{
	return buf_length(&stream->unsent);
}

/* Back-pressure: stop and go on asking for STREAM_READABLE. */
void	stream_set_reading(struct stream *, bool);
/* Watch for what is wanted now: after loop->is_suspended has changed. */
void	stream_watch(struct stream *);

/*
 * Begin a TLS handshake.  As server: data not yet read from the descriptor
 * begins with the ClientHello.  As client: name is sent as SNI and checked if
 * the context wants that (NULL: neither).  STREAM_SECURED or STREAM_FAILED
 * follows.  False as with STREAM_FAILED: also when plain output is unsent,
 * since it would go out encrypted, and when there is TLS already.
 */
bool	stream_start_tls(struct stream *, struct tls_context *, bool as_server,
	    const char *name);

/* What went wrong, for people: "connection refused", "certificate ..." */
const char	*stream_error(const struct stream *);

#endif
