/*
 * What the tests of src/net share: turning a loop by hand, a stream that
 * writes down what happens to it, and sockets to play the other side with.
 */

#ifndef CHECK_NET_H
#define CHECK_NET_H

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/mem.h"
#include "check_main.h"
#include "net/loop.h"
#include "net/stream.h"

/* One round: wait for something, serve it. */
static inline void
net_turn(struct loop *loop, int flags)
{
	loop->now_us = 0;
	ck_assert_int_ge(event_base_loop(loop->base, flags), 0);
	loop_run_tasks(loop);
}

#define RUN_UNTIL(loop, condition)					\
	do {								\
		loop_run_tasks(loop);					\
		while (!(condition))					\
			net_turn(loop, EVLOOP_ONCE);			\
	} while (0)

/* Whatever is there already is served; nothing is waited for. */
static inline void
net_run_idle(struct loop *loop)
{
	loop_run_tasks(loop);
	for (int i = 0; i < 10; i++)
		net_turn(loop, EVLOOP_NONBLOCK);
}

/* A stream and its history. */
struct end {
	struct stream	 stream;
	int		 connected, secured, readable, drained, failed;
	size_t		 read_bytes;	/* at most, a callback */
	bool		 is_inside;	/* one of our calls of the stream */
	bool		 eof;
	ssize_t		 last;		/* what stream_read() said last */
	struct buf	 in;
	void		(*then)(struct end *, enum stream_event);
};

static inline void
end_read(struct end *end)
{
	uint8_t	*room = buf_reserve(&end->in, end->read_bytes);

	end->is_inside = true;
	end->last = stream_read(&end->stream, room, end->read_bytes);
	end->is_inside = false;
	if (end->last > 0)
		buf_commit(&end->in, (size_t)end->last);
	if (end->last == STREAM_EOF) {
		end->eof = true;
		stream_set_reading(&end->stream, false);
	}
}

static inline void
end_on_event(struct stream *stream, enum stream_event event)
{
	struct end	*end = container_of(stream, struct end, stream);

	ck_assert(!end->is_inside);
	ck_assert_int_eq(end->failed, 0);
	ck_assert(stream_is_open(stream));
	end->connected += event == STREAM_CONNECTED;
	end->secured += event == STREAM_SECURED;
	end->readable += event == STREAM_READABLE;
	end->drained += event == STREAM_DRAINED;
	end->failed += event == STREAM_FAILED;
	if (end->then != NULL)
		end->then(end, event);
	else if (event == STREAM_READABLE)
		end_read(end);
}

static inline void
end_init(struct end *end)
{
	memset(end, 0, sizeof *end);
	end->read_bytes = LOOP_BUFFER_BYTES;
	end->stream.fd = -1;
}

static inline void
end_open(struct end *end, struct loop *loop, int fd)
{
	end_init(end);
	stream_open(&end->stream, loop, fd, end_on_event);
}

static inline void
end_close(struct end *end)
{
	stream_close(&end->stream);
	buf_done(&end->in);
}

static inline bool
end_write(struct end *end, const void *data, size_t n)
{
	bool	good;

	end->is_inside = true;
	good = stream_write(&end->stream, data, n);
	end->is_inside = false;
	return good;
}

static inline bool
end_has(const struct end *end, const char *text)
{
	return buf_length(&end->in) == strlen(text) &&
	    memcmp(buf_bytes(&end->in), text, strlen(text)) == 0;
}

/* A connected pair; buffer_bytes 0: as large as the kernel likes. */
static inline void
net_pair(int fds[2], int buffer_bytes)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0, fds), 0);
	for (int i = 0; i < 2 && buffer_bytes > 0; i++)
		ck_assert_int_eq(setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF,
		    &buffer_bytes, sizeof buffer_bytes), 0);
}

/* Bytes that show what is missing or out of order. */
static inline void
net_fill(uint8_t *data, size_t n, unsigned int seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1103515245 + 12345;
		data[i] = (uint8_t)(seed >> 16);
	}
}

/* What the raw side can read now. */
static inline size_t
net_take(int fd, struct buf *into)
{
	ssize_t	got;
	size_t	sum = 0;

	while ((got = recv(fd, buf_reserve(into, 65536), 65536,
	    MSG_DONTWAIT)) > 0) {
		buf_commit(into, (size_t)got);
		sum += (size_t)got;
	}
	return sum;
}

#endif
