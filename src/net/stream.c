/*
 * Streams: reading, writing, connecting.
 *
 * One libevent event a stream; what it watches is changed only when the
 * stream begins or ends to have unsent output, or when its owner turns
 * reading off and on.
 */

#include <sys/socket.h>

#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/loop.h"
#include "net/stream_private.h"

static void	stream_on_ready(evutil_socket_t, short, void *);

/* What the stream has to be woken for. */
static short
stream_wants(const struct stream *stream)
{
	short	wants = 0;

	switch (stream->state) {
	case STREAM_STATE_CONNECTING:
		return EV_WRITE;
	case STREAM_STATE_HANDSHAKE:
		return stream->tls_wants_write ? EV_WRITE : EV_READ;
	case STREAM_STATE_OPEN:
		if (stream->reading)
			wants |= EV_READ;
		if (buf_length(&stream->unsent) > 0 ||
		    stream->tls_wants_write)
			wants |= EV_WRITE;
		return wants;
	default:
		return 0;
	}
}

void
stream_watch(struct stream *stream)
{
	short	wants = stream_wants(stream);

	if (wants == stream->watched || stream->loop == NULL)
		return;
	if (stream->watched != 0)
		event_del(&stream->event);
	stream->watched = (uint8_t)wants;
	if (wants == 0)
		return;
	event_assign(&stream->event, stream->loop->base, stream->fd,
	    wants | EV_PERSIST, stream_on_ready, stream);
	event_add(&stream->event, NULL);
}

void
stream_break(struct stream *stream, int error)
{
	if (stream->broken)
		return;
	stream->broken = true;
	stream->error = error;
	buf_done(&stream->unsent);
	if (stream->loop == NULL)
		return;
	if (stream->watched == 0) {
		event_assign(&stream->event, stream->loop->base, stream->fd,
		    EV_READ | EV_PERSIST, stream_on_ready, stream);
		event_add(&stream->event, NULL);
		stream->watched = EV_READ;
	}
	event_active(&stream->event, EV_READ, 0);
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
	stream_watch(stream);
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

	stream->fd = -1;
	fd = socket(addr->u.any.sa_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	if (!addr_is_unix(addr))
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(fd, &addr->u.any, addr->length) != 0 &&
	    errno != EINPROGRESS) {
		error = errno;
		close(fd);
		errno = error;
		return false;
	}
	stream_init(stream, loop, fd, on_event, STREAM_STATE_CONNECTING);
	return true;
}

void
stream_close(struct stream *stream)
{
	if (stream->fd < 0)
		return;
	stream_tls_close(stream);
	if (stream->watched != 0)
		event_del(&stream->event);
	stream->watched = 0;
	buf_done(&stream->unsent);
	close(stream->fd);
	stream->fd = -1;
	stream->state = STREAM_STATE_CLOSED;
}

void
stream_leave(struct stream *stream)
{
	if (stream->watched != 0)
		event_del(&stream->event);
	stream->watched = 0;
	stream->loop = NULL;
}

void
stream_join(struct stream *stream, struct loop *loop)
{
	assert(stream->loop == NULL);
	stream->loop = loop;
	stream_watch(stream);
	if (stream->broken) {
		stream->broken = false;
		stream_break(stream, stream->error);
	} else if (stream->watched != 0 && stream_tls_has_pending(stream))
		event_active(&stream->event, EV_READ, 0);
}

/*
 * Reading.
 */

ssize_t
stream_read(struct stream *stream, void *data, size_t n)
{
	ssize_t	got;

	if (stream->broken)
		return STREAM_ERROR;
	if (stream->tls != NULL)
		return stream_tls_read(stream, data, n);
	got = recv(stream->fd, data, n, 0);
	if (got >= 0)
		return got;
	if (errno == EAGAIN || errno == EINTR)
		return STREAM_AGAIN;
	stream->error = errno;
	return STREAM_ERROR;
}

ssize_t
stream_peek(struct stream *stream, void *data, size_t n)
{
	ssize_t	got = recv(stream->fd, data, n, MSG_PEEK);

	if (got >= 0)
		return got;
	if (errno == EAGAIN || errno == EINTR)
		return STREAM_AGAIN;
	stream->error = errno;
	return STREAM_ERROR;
}

void
stream_set_reading(struct stream *stream, bool reading)
{
	if (stream->reading == reading || stream->fd < 0)
		return;
	stream->reading = reading;
	stream_watch(stream);
	if (reading && stream->loop != NULL && stream_tls_has_pending(stream))
		event_active(&stream->event, EV_READ, 0);
}

/*
 * Writing.
 */

/* What the kernel takes now: bytes, STREAM_AGAIN or STREAM_ERROR. */
static ssize_t
stream_send(struct stream *stream, const void *data, size_t n)
{
	ssize_t	sent;

	if (stream->tls != NULL)
		return stream_tls_write(stream, data, n);
	sent = send(stream->fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent >= 0)
		return sent;
	if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS)
		return STREAM_AGAIN;
	stream->error = errno;
	return STREAM_ERROR;
}

static bool
stream_keep(struct stream *stream, const uint8_t *data, size_t n)
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
	if (buf_length(&stream->unsent) == 0 &&
	    stream->state == STREAM_STATE_OPEN) {
		sent = stream_send(stream, data, n);
		if ((size_t)sent == n)
			return true;
		if (sent == STREAM_ERROR) {
			stream_break(stream, stream->error);
			return false;
		}
		if (sent == STREAM_AGAIN)
			sent = 0;
	}
	if (!stream_keep(stream, (const uint8_t *)data + sent,
	    n - (size_t)sent))
		return false;
	stream_watch(stream);
	return true;
}

/* The plain case with nothing unsent: one sendmsg. */
static ssize_t
stream_sendmsg(struct stream *stream, struct iovec *parts, int count)
{
	struct msghdr	message = { .msg_iov = parts,
			    .msg_iovlen = (size_t)count };
	ssize_t		sent;

	sent = sendmsg(stream->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent >= 0)
		return sent;
	if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS)
		return 0;
	stream->error = errno;
	return STREAM_ERROR;
}

bool
stream_writev(struct stream *stream, struct iovec *parts, int count)
{
	ssize_t	sent = 0;
	bool	is_plain = stream->tls == NULL &&
		    buf_length(&stream->unsent) == 0 &&
		    stream->state == STREAM_STATE_OPEN;

	if (stream->broken || stream->fd < 0)
		return false;
	if (is_plain)
		sent = stream_sendmsg(stream, parts, count);
	if (sent == STREAM_ERROR) {
		stream_break(stream, stream->error);
		return false;
	}
	for (int i = 0; i < count; i++) {
		if ((size_t)sent >= parts[i].iov_len) {
			sent -= (ssize_t)parts[i].iov_len;
			continue;
		}
		if (!(is_plain ? stream_keep(stream,
		    (uint8_t *)parts[i].iov_base + sent,
		    parts[i].iov_len - (size_t)sent) :
		    stream_write(stream, parts[i].iov_base,
		    parts[i].iov_len)))
			return false;
		sent = 0;
	}
	stream_watch(stream);
	return true;
}

/* EV_WRITE: more of what is unsent. */
static void
stream_flush(struct stream *stream)
{
	ssize_t	sent;

	sent = stream_send(stream, buf_bytes(&stream->unsent),
	    buf_length(&stream->unsent));
	if (sent == STREAM_AGAIN)
		return;
	if (sent == STREAM_ERROR) {
		stream_break(stream, stream->error);
		return;
	}
	buf_consume(&stream->unsent, (size_t)sent);
	if (buf_length(&stream->unsent) > 0)
		return;
	buf_done(&stream->unsent);
	stream_watch(stream);
	stream->on_event(stream, STREAM_DRAINED);
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
		stream->broken = true;
		stream->error = error;
		stream->on_event(stream, STREAM_FAILED);
		return;
	}
	stream->state = STREAM_STATE_OPEN;
	stream_watch(stream);
	stream->on_event(stream, STREAM_CONNECTED);
}

static void
stream_on_handshake(struct stream *stream)
{
	if (stream_tls_handshake(stream)) {
		stream->state = STREAM_STATE_OPEN;
		stream->tls_wants_write = false;
		stream_watch(stream);
		stream->on_event(stream, STREAM_SECURED);
	} else if (stream->broken)
		stream->on_event(stream, STREAM_FAILED);
	else
		stream_watch(stream);
}

static void
stream_on_open(struct stream *stream, short what)
{
	if (what & EV_WRITE && buf_length(&stream->unsent) > 0)
		stream_flush(stream);
	else if (what & EV_WRITE && stream->tls_wants_write) {
		/* SSL_read wanted to write: it is called again below. */
		stream->tls_wants_write = false;
		stream_watch(stream);
		what |= EV_READ;
	}
	if (what & EV_READ && stream->fd >= 0 && stream->reading &&
	    !stream->broken)
		stream->on_event(stream, STREAM_READABLE);
	/* The stream may be another thread's by now. */
}

static void
stream_on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct stream	*stream = arg;
	struct loop	*loop = stream->loop;

	(void)fd;
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
	return stream->error < 0 ? stream_tls_error() :
	    strerror(stream->error);
}
