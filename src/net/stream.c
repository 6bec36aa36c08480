/*
 * Streams: reading, writing, connecting.
 *
 * One libevent event a stream.  What it watches is changed only when the
 * stream begins or ends to have unsent output, or when its owner turns
 * reading off and on; so in the steady state a read is one recv, a write is
 * one send, and nothing is allocated.
 *
 *	CONNECTING --> OPEN <--> HANDSHAKE
 *	    stream_on_connected()    stream_start_tls(), stream_on_handshake()
 *
 *	CONNECTING  the kernel connects: EV_WRITE is watched
 *	HANDSHAKE   there is an SSL: what it asked for last is watched
 *	OPEN	    bytes flow: see stream_wants()
 *	CLOSED	    no descriptor, no SSL, no buffer, no event
 *
 * Always true: the event is assigned to the base of the stream's loop, and
 * neither added nor active while the stream is closed or between loops.  A
 * broken stream watches nothing; its event is active until STREAM_FAILED has
 * been told.
 *
 * What a callback did to its stream is not looked at after it returned: it
 * may be closed, or another thread's by then.
 */

#include <sys/socket.h>

#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/loop.h"
#include "net/stream_private.h"

/* What the kernel takes in one sendmsg; more is kept. */
enum { PARTS_MAX = 1024 };

static void	stream_on_ready(evutil_socket_t, short, void *);

bool
stream_may_read(const struct stream *stream)
{
	return stream->reading &&
	    !(stream->yields && stream->loop->is_suspended);
}

/* What the stream has to be woken for. */
static short
stream_wants(const struct stream *stream)
{
	short	wants = 0;

	switch (stream->state) {
	case STREAM_STATE_CONNECTING:
		return EV_WRITE;
	case STREAM_STATE_HANDSHAKE:
		return stream->tls_wants_write ? EV_WRITE :
		    stream_may_read(stream) ? EV_READ : 0;
	case STREAM_STATE_OPEN:
		if ((stream_may_read(stream) && !stream->tls_wants_write) ||
		    stream->tls_wants_read)
			wants |= EV_READ;
		if (stream->tls_wants_write || (!stream->tls_wants_read &&
		    buf_length(&stream->unsent) > 0))
			wants |= EV_WRITE;
		return wants;
	default:
		return 0;
	}
}

static void
stream_register(struct stream *stream, short wants)
{
	event_assign(&stream->event, stream->loop->base, stream->fd,
	    wants | EV_PERSIST, stream_on_ready, stream);
	stream->watched = (uint8_t)wants;
	if (wants != 0)
		event_add(&stream->event, NULL);
}

static void
stream_unregister(struct stream *stream)
{
	if (stream->loop != NULL)
		event_del(&stream->event);
	stream->watched = 0;
}

void
stream_watch(struct stream *stream)
{
	short	wants;

	if (stream->loop == NULL || stream->broken ||
	    (wants = stream_wants(stream)) == stream->watched)
		return;
	stream_unregister(stream);
	stream_register(stream, wants);
	if (stream->tls != NULL)
		stream_tls_tell_pending(stream);
}

void
stream_break(struct stream *stream, int error)
{
	if (stream->broken)
		return;
	stream->broken = true;
	stream->error = error;
	buf_done(&stream->unsent);
	stream_unregister(stream);
	if (stream->loop != NULL)
		event_active(&stream->event, EV_READ, 0);
}

/* It failed in its own callback, where it can be told at once. */
static void
stream_fail(struct stream *stream, int error)
{
	stream_break(stream, error);
	stream_unregister(stream);
	stream->on_event(stream, STREAM_FAILED);
}

static void
stream_init(struct stream *stream, struct loop *loop, int fd,
    void (*on_event)(struct stream *, enum stream_event),
    enum stream_state state)
{
	memset(stream, 0, sizeof *stream);
	stream->loop = loop;
	stream->fd = fd;
	stream->on_event = on_event;
	stream->state = (uint8_t)state;
	stream->reading = true;
	buf_init(&stream->unsent);
	stream_register(stream, stream_wants(stream));
}

void
stream_open(struct stream *stream, struct loop *loop, int fd,
    void (*on_event)(struct stream *, enum stream_event))
{
	stream_init(stream, loop, fd, on_event, STREAM_STATE_OPEN);
}

bool
stream_connect(struct stream *stream, struct loop *loop,
    const struct addr *addr,
    void (*on_event)(struct stream *, enum stream_event))
{
	int	one = 1, fd, error;

	memset(stream, 0, sizeof *stream);
	stream->fd = -1;
	fd = socket(addr->u.any.sa_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	if (!addr_is_unix(addr))
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(fd, &addr->u.any, addr->length) != 0 &&
	    errno != EINPROGRESS && errno != EINTR) {
		error = errno;
		close(fd);
		errno = error;
		return false;
	}
	stream_init(stream, loop, fd, on_event, STREAM_STATE_CONNECTING);
	return true;
}

void
stream_drop_unread(struct stream *stream)
{
	if (stream->unread != NULL)
		buf_done(stream->unread);
	free(stream->unread);
	stream->unread = NULL;
}

void
stream_close(struct stream *stream)
{
	if (stream->fd < 0 || stream->state == STREAM_STATE_CLOSED)
		return;
	if (stream->tls != NULL)
		stream_tls_close(stream);
	stream_unregister(stream);
	stream_drop_unread(stream);
	buf_done(&stream->unsent);
	close(stream->fd);
	stream->fd = -1;
	stream->state = STREAM_STATE_CLOSED;
}

void
stream_leave(struct stream *stream)
{
	stream_unregister(stream);
	stream->loop = NULL;
}

void
stream_join(struct stream *stream, struct loop *loop)
{
	assert(stream->loop == NULL);
	stream->loop = loop;
	if (stream->tls != NULL)
		stream_tls_join(stream);
	stream_register(stream, stream->broken ? 0 : stream_wants(stream));
	/* What was active when it left is active again. */
	if (stream->broken || stream->state == STREAM_STATE_HANDSHAKE)
		event_active(&stream->event, EV_READ, 0);
	else if (stream->tls != NULL)
		stream_tls_tell_pending(stream);
}

/*
 * Reading.
 */

/* What recv said; a stream that cannot be read is broken. */
static ssize_t
stream_received(struct stream *stream, ssize_t got)
{
	if (got >= 0)
		return got;
	if (errno == EAGAIN || errno == EINTR)
		return STREAM_AGAIN;
	stream_break(stream, errno);
	return STREAM_ERROR;
}

ssize_t
stream_read(struct stream *stream, void *data, size_t n)
{
	assert(n > 0);
	if (stream->broken || stream->fd < 0)
		return STREAM_ERROR;
	if (stream->tls != NULL)
		return stream_tls_read(stream, data, n);
	return stream_received(stream, recv(stream->fd, data, n, 0));
}

void
stream_unread(struct stream *stream, const void *data, size_t n)
{
	assert(stream->tls == NULL && stream->unread == NULL);
	stream->unread = mem_new(sizeof *stream->unread);
	buf_init(stream->unread);
	buf_add(stream->unread, data, n);
}

void
stream_set_reading(struct stream *stream, bool reading)
{
	if (stream->reading == reading || stream->fd < 0)
		return;
	stream->reading = reading;
	stream_watch(stream);
	if (stream->tls != NULL)
		stream_tls_tell_pending(stream);
}

/*
 * Writing.
 */

/* What the kernel said: bytes taken, STREAM_AGAIN or STREAM_ERROR. */
static ssize_t
stream_sent(struct stream *stream, ssize_t sent)
{
	if (sent >= 0)
		return sent;
	if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS)
		return STREAM_AGAIN;
	stream_break(stream, errno);
	return STREAM_ERROR;
}

static ssize_t
stream_send(struct stream *stream, const void *data, size_t n)
{
	if (stream->tls != NULL)
		return stream_tls_write(stream, data, n);
	return stream_sent(stream, send(stream->fd, data, n,
	    MSG_NOSIGNAL | MSG_DONTWAIT));
}

static bool
stream_keep(struct stream *stream, const void *data, size_t n)
{
	uint8_t	*room = buf_try_reserve(&stream->unsent, n, INT32_MAX);

	if (room == NULL) {
		stream_break(stream, ENOMEM);
		return false;
	}
	memcpy(room, data, n);
	buf_commit(&stream->unsent, n);
	return true;
}

bool
stream_write(struct stream *stream, const void *data, size_t n)
{
	ssize_t	sent = 0;

	if (stream->broken || stream->fd < 0)
		return false;
	if (n == 0)
		return true;
	if (buf_length(&stream->unsent) == 0 &&
	    stream->state == STREAM_STATE_OPEN) {
		sent = stream_send(stream, data, n);
		if (sent == (ssize_t)n)
			return true;
		if (sent == STREAM_ERROR)
			return false;
		if (sent == STREAM_AGAIN)
			sent = 0;
	}
	if (!stream_keep(stream, (const uint8_t *)data + sent,
	    n - (size_t)sent))
		return false;
	stream_watch(stream);
	return true;
}

/* Keep all of the parts but the first bytes, which were sent. */
static bool
stream_keep_parts(struct stream *stream, const struct iovec *parts, int count,
    size_t sent)
{
	for (int i = 0; i < count; i++) {
		if (sent >= parts[i].iov_len) {
			sent -= parts[i].iov_len;
			continue;
		}
		if (!stream_keep(stream, (uint8_t *)parts[i].iov_base + sent,
		    parts[i].iov_len - sent))
			return false;
		sent = 0;
	}
	stream_watch(stream);
	return true;
}

bool
stream_writev(struct stream *stream, struct iovec *parts, int count)
{
	struct msghdr	message = { .msg_iov = parts };
	ssize_t		sent = 0;

	if (stream->broken || stream->fd < 0)
		return false;
	message.msg_iovlen = (size_t)(count < PARTS_MAX ? count : PARTS_MAX);
	if (buf_length(&stream->unsent) == 0 &&
	    stream->state == STREAM_STATE_OPEN) {
		if (stream->tls != NULL)
			return stream_tls_writev(stream, parts, count);
		sent = stream_sent(stream, sendmsg(stream->fd, &message,
		    MSG_NOSIGNAL | MSG_DONTWAIT));
		if (sent == STREAM_ERROR)
			return false;
		if (sent == STREAM_AGAIN)
			sent = 0;
	}
	return stream_keep_parts(stream, parts, count, (size_t)sent);
}

/* More of what is unsent; true when the last of it went out. */
static bool
stream_flush(struct stream *stream)
{
	ssize_t	sent;

	sent = stream_send(stream, buf_bytes(&stream->unsent),
	    buf_length(&stream->unsent));
	if (sent > 0)
		buf_consume(&stream->unsent, (size_t)sent);
	if (stream->broken || buf_length(&stream->unsent) > 0)
		return false;
	buf_done(&stream->unsent);
	return true;
}

/*
 * Events.
 */

static void
stream_on_connected(struct stream *stream)
{
	int		error = 0;
	socklen_t	size = sizeof error;

	getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error != 0) {
		stream_fail(stream, error);
		return;
	}
	stream->state = STREAM_STATE_OPEN;
	stream_watch(stream);
	stream->on_event(stream, STREAM_CONNECTED);
}

static void
stream_on_handshake(struct stream *stream)
{
	ssize_t	result = stream_tls_handshake(stream);

	if (result == STREAM_ERROR) {
		stream_fail(stream, stream->error);
		return;
	}
	if (result == STREAM_AGAIN) {
		stream_watch(stream);
		return;
	}
	stream->state = STREAM_STATE_OPEN;
	stream_watch(stream);
	stream_tls_tell_pending(stream);
	stream->on_event(stream, STREAM_SECURED);
}

static void
stream_on_open(struct stream *stream, short what)
{
	if (stream->tls_wants_write || stream->tls_wants_read) {
		/* What OpenSSL waited for is there: both go on. */
		stream->tls_wants_write = stream->tls_wants_read = false;
		stream_watch(stream);
		what |= EV_WRITE;
		if (stream_may_read(stream))
			what |= EV_READ;
	}
	if (what & EV_WRITE && buf_length(&stream->unsent) > 0) {
		if (stream_flush(stream)) {
			stream_watch(stream);
			/* The owner may give the stream away now. */
			if (what & (EV_READ | EV_TIMEOUT))
				event_active(&stream->event,
				    what & ~EV_WRITE, 0);
			stream->on_event(stream, STREAM_DRAINED);
			return;
		}
		stream_watch(stream);
	}
	if (what & (EV_READ | EV_TIMEOUT) && stream->reading &&
	    !stream->broken)
		stream->on_event(stream, STREAM_READABLE);
}

static void
stream_on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct stream	*stream = arg;
	struct loop	*loop = stream->loop;

	(void)fd;
	stream->tls_may_recv = what & (EV_READ | EV_WRITE);
	if (stream->broken)
		stream->on_event(stream, STREAM_FAILED);
	else
		switch (stream->state) {
		case STREAM_STATE_CONNECTING:
			stream_on_connected(stream);
			break;
		case STREAM_STATE_HANDSHAKE:
			stream_on_handshake(stream);
			break;
		default:
			stream_on_open(stream, what);
			break;
		}
	loop_run_tasks(loop);
}

const char *
stream_error(const struct stream *stream)
{
	if (stream->error == 0)
		return "the peer closed the connection";
	return stream->error < 0 ? stream_tls_error(stream->error) :
	    strerror(stream->error);
}
