/*
 * A bare forwarder: what any proxy must do at the least.
 *
 * One thread, level-triggered epoll, one shared 64 KiB buffer, one recv and
 * one send for each piece that comes.  It knows nothing of any protocol and
 * opens one connection behind for each in front.  When one side does not take
 * what was read, the rest is kept and the other side is not read until it has
 * gone.
 *
 *	floor LISTEN_PORT TARGET_PORT		(both on 127.0.0.1)
 */

#define _GNU_SOURCE

#include <sys/epoll.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER_BYTES = 64 * 1024, EVENTS = 256 };

struct side {
	struct side	*other;		/* NULL: the listener */
	int		 fd;
	bool		 is_dead;
	bool		 is_known;	/* to epoll */
	uint32_t	 watched;
	uint8_t		*rest;		/* not yet taken by the peer */
	size_t		 rest_length;
	struct side	*next_dead;
};

static int		 epoll;
static uint8_t		 buffer[BUFFER_BYTES];
static struct side	*dead;

static void
fail(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static void
watch(struct side *side)
{
	uint32_t		wanted = 0;
	struct epoll_event	event = { .data.ptr = side };

	if (side->rest_length > 0)
		wanted |= EPOLLOUT;
	if (side->other == NULL || side->other->rest_length == 0)
		wanted |= EPOLLIN;
	if (wanted == side->watched)
		return;
	event.events = wanted;
	epoll_ctl(epoll, side->is_known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
	    side->fd, &event);
	side->is_known = true;
	side->watched = wanted;
}

static void
end(struct side *side)
{
	struct side	*both[2] = { side, side->other };

	for (int i = 0; i < 2; i++) {
		if (both[i]->is_dead)
			continue;
		both[i]->is_dead = true;
		close(both[i]->fd);
		free(both[i]->rest);
		both[i]->next_dead = dead;
		dead = both[i];
	}
}

static void
keep(struct side *side, const uint8_t *data, size_t n)
{
	side->rest = malloc(n);
	memcpy(side->rest, data, n);
	side->rest_length = n;
	watch(side);
	watch(side->other);
}

static void
forward(struct side *from)
{
	ssize_t	got, sent;

	got = recv(from->fd, buffer, sizeof buffer, 0);
	if (got <= 0) {
		if (got == 0 || (errno != EAGAIN && errno != EINTR))
			end(from);
		return;
	}
	sent = send(from->other->fd, buffer, (size_t)got,
	    MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0 && errno != EAGAIN) {
		end(from);
		return;
	}
	if (sent < got)
		keep(from->other, buffer + (sent < 0 ? 0 : sent),
		    (size_t)(got - (sent < 0 ? 0 : sent)));
}

static void
flush(struct side *side)
{
	ssize_t	sent;

	sent = send(side->fd, side->rest, side->rest_length,
	    MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0) {
		if (errno != EAGAIN)
			end(side);
		return;
	}
	side->rest_length -= (size_t)sent;
	memmove(side->rest, side->rest + sent, side->rest_length);
	if (side->rest_length > 0)
		return;
	free(side->rest);
	side->rest = NULL;
	watch(side);
	watch(side->other);
}

static struct side *
side_new(int fd)
{
	struct side	*side = calloc(1, sizeof *side);
	int		 one = 1;

	side->fd = fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return side;
}

static void
take(struct side *listener, int port)
{
	struct sockaddr_in	 to = { .sin_family = AF_INET,
				    .sin_port = htons((uint16_t)port) };
	struct side		*front, *back;
	int			 fd, target;

	while ((fd = accept4(listener->fd, NULL, NULL,
	    SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		target = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		if (connect(target, (struct sockaddr *)&to, sizeof to) != 0)
			fail("connect");
		front = side_new(fd);
		back = side_new(target);
		front->other = back;
		back->other = front;
		watch(front);
		watch(back);
	}
}

int
main(int argc, char **argv)
{
	struct sockaddr_in	 here = { .sin_family = AF_INET };
	struct epoll_event	 events[EVENTS];
	struct side		 listener = { .fd = -1 }, *side;
	int			 one = 1, n;

	if (argc != 3) {
		fprintf(stderr, "usage: floor LISTEN_PORT TARGET_PORT\n");
		return EXIT_FAILURE;
	}
	epoll = epoll_create1(EPOLL_CLOEXEC);
	listener.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(listener.fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	here.sin_port = htons((uint16_t)atoi(argv[1]));
	here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener.fd, (struct sockaddr *)&here, sizeof here) != 0 ||
	    listen(listener.fd, 1024) != 0)
		fail("listen");
	watch(&listener);
	for (;;) {
		n = epoll_wait(epoll, events, EVENTS, -1);
		for (int i = 0; i < n; i++) {
			side = events[i].data.ptr;
			if (side->is_dead)
				continue;
			if (side == &listener)
				take(side, atoi(argv[2]));
			else if (events[i].events & EPOLLOUT)
				flush(side);
			else
				forward(side);
		}
		while ((side = dead) != NULL) {
			dead = side->next_dead;
			free(side);
		}
	}
}
