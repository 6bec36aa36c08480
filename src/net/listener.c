/*
 * Listening sockets; see net/listener.h.  Main thread only.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE		/* accept4 */
#endif

#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <grp.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/listener.h"
#include "net/loop.h"

#define BURST		64
#define DEFER_SECONDS	45
#define PAUSE_US	(100 * US_PER_MS)

struct listener {
	struct loop	*loop;
	struct event	*event;
	int		 fd;
	struct addr	 addr;
	struct stat	 file;		/* of the unix socket */
	bool		 is_draining;
	void		(*accepted)(void *, int, const struct addr *);
	void		(*shortage)(void *, int);
	void		*arg;
	struct deadline	 pause;
};

static bool
listener_say(char *error, size_t size, const char *what,
    const struct addr *addr)
{
	char	text[ADDR_TEXT_BYTES];
	int	saved = errno;

	snprintf(error, size, "cannot %s %s: %s", what,
	    addr_print(addr, text, sizeof text), strerror(saved));
	return false;
}

/*
 * Whether somebody answers at a unix socket file.  Not blocking: a full
 * accept queue is somebody.
 */
static bool
listener_is_alive(const struct addr *addr)
{
	int	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK |
		    SOCK_CLOEXEC, 0);
	bool	alive;

	if (fd < 0)
		return true;
	alive = connect(fd, &addr->u.any, addr->length) == 0 ||
	    (errno != ECONNREFUSED && errno != ENOENT);
	close(fd);
	return alive;
}

static bool
listener_has_file(const struct addr *addr)
{
	return addr_is_unix(addr) && addr->u.local.sun_path[0] != '\0';
}

/* A socket file that was left behind goes away; any other file stays. */
static bool
listener_clear_the_way(const struct addr *addr)
{
	const char	*path = addr->u.local.sun_path;
	struct stat	 file;

	if (!listener_has_file(addr) || lstat(path, &file) != 0)
		return true;
	if (S_ISSOCK(file.st_mode) && !listener_is_alive(addr)) {
		unlink(path);
		return true;
	}
	errno = S_ISSOCK(file.st_mode) ? EADDRINUSE : EEXIST;
	return false;
}

static void
listener_set_options(struct listener *listener, const struct addr *addr,
    const struct listener_settings *settings)
{
	int	one = 1, zero = 0, seconds = DEFER_SECONDS, fd = listener->fd;

	if (addr_is_unix(addr))
		return;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	/* Who connects inherits it, as all of socket_apply(). */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (settings->reuse_port)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
	if (settings->defer_accept)
		setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds,
		    sizeof seconds);
	/* "::" takes IPv4 as well. */
	if (addr->u.any.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY,
		    IN6_IS_ADDR_UNSPECIFIED(&addr->u.v6.sin6_addr) ? &zero :
		    &one, sizeof one);
}

static bool
listener_bind(struct listener *listener, const struct addr *addr,
    const struct listener_settings *settings, char *error, size_t size)
{
	if (!listener_clear_the_way(addr))
		return listener_say(error, size, "listen on", addr);
	listener->fd = socket(addr->u.any.sa_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener->fd < 0)
		return listener_say(error, size, "make a socket for", addr);
	listener_set_options(listener, addr, settings);
	if (bind(listener->fd, &addr->u.any, addr->length) != 0)
		return listener_say(error, size, "listen on", addr);
	if (listener_has_file(addr))
		stat(addr->u.local.sun_path, &listener->file);
	return true;
}

static bool
listener_own_file(struct listener *listener,
    const struct listener_settings *settings, char *error, size_t size)
{
	const char	*path = listener->addr.u.local.sun_path;
	struct group	*group = NULL;

	if (!listener_has_file(&listener->addr))
		return true;
	if (settings->unix_group != NULL && settings->unix_group[0] != '\0' &&
	    (group = getgrnam(settings->unix_group)) == NULL) {
		snprintf(error, size, "unix_socket_group: there is no group "
		    "\"%s\"", settings->unix_group);
		return false;
	}
	if ((group != NULL && chown(path, (uid_t)-1, group->gr_gid) != 0) ||
	    chmod(path, settings->unix_mode) != 0)
		return listener_say(error, size, "set the rights of",
		    &listener->addr);
	return true;
}

static bool
listener_is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS ||
	    error == ENOMEM;
}

/* A connection that failed before it was accepted; others may follow. */
static bool
listener_is_passing(int error)
{
	switch (error) {
	case ECONNABORTED:
	case EINTR:
	case EPROTO:
	case ENETDOWN:
	case ENETUNREACH:
	case EHOSTDOWN:
	case EHOSTUNREACH:
		return true;
	default:
		return false;
	}
}

static void
listener_on_pause_over(struct loop *loop, struct deadline *deadline)
{
	struct listener	*listener = container_of(deadline, struct listener,
			    pause);

	(void)loop;
	event_add(listener->event, NULL);
}

static void
listener_pause(struct listener *listener, int error)
{
	if (listener->shortage != NULL)
		listener->shortage(listener->arg, error);
	event_del(listener->event);
	deadline_set(listener->loop, &listener->pause, PAUSE_US,
	    listener_on_pause_over);
}

/* False: the queue is empty, or nothing more can be accepted now. */
static bool
listener_accept(struct listener *listener)
{
	struct addr	peer;
	int		fd, error;

	memset(&peer, 0, sizeof peer);
	peer.length = sizeof peer.u;
	fd = accept4(listener->fd, &peer.u.any, &peer.length,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		error = errno;
		if (listener_is_shortage(error) && !listener->is_draining)
			listener_pause(listener, error);
		return listener_is_passing(error);
	}
	addr_unmap(&peer);
	listener->accepted(listener->arg, fd, &peer);
	return true;
}

static void
listener_on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct listener	*listener = arg;

	(void)fd;
	(void)what;
	for (int i = 0; i < BURST && listener_accept(listener); i++)
		continue;
	loop_run_tasks(listener->loop);
}

struct listener *
listener_new(struct loop *loop, const struct addr *addr,
    const struct listener_settings *settings,
    void (*accepted)(void *, int, const struct addr *), void *arg,
    char *error, size_t size)
{
	struct listener	*listener = mem_new(sizeof *listener);

	listener->fd = -1;
	listener->loop = loop;
	listener->accepted = accepted;
	listener->arg = arg;
	listener->addr = *addr;
	/* Nobody can connect before the file has its rights. */
	if (!listener_bind(listener, addr, settings, error, size) ||
	    !listener_own_file(listener, settings, error, size) ||
	    (listen(listener->fd, settings->backlog) != 0 &&
	    !listener_say(error, size, "listen on", addr))) {
		listener_free(listener);
		return NULL;
	}
	if (!addr_is_unix(addr))
		addr_of_self(&listener->addr, listener->fd);
	listener->event = event_new(loop->base, listener->fd,
	    EV_READ | EV_PERSIST, listener_on_ready, listener);
	event_add(listener->event, NULL);
	return listener;
}

const struct addr *
listener_addr(const struct listener *listener)
{
	return &listener->addr;
}

void
listener_on_shortage(struct listener *listener,
    void (*out_of_descriptors)(void *, int))
{
	listener->shortage = out_of_descriptors;
}

void
listener_set_accepting(struct listener *listener, bool accepts)
{
	if (listener->fd < 0)
		return;
	deadline_clear(listener->loop, &listener->pause);
	if (accepts)
		event_add(listener->event, NULL);
	else
		event_del(listener->event);
}

void
listener_apply(struct listener *listener,
    const struct socket_settings *settings)
{
	if (listener->fd >= 0 && !addr_is_unix(&listener->addr))
		socket_apply(listener->fd, settings);
}

static void
listener_close(struct listener *listener)
{
	struct stat	 now;
	const char	*path = listener->addr.u.local.sun_path;

	if (listener->fd < 0)
		return;
	deadline_clear(listener->loop, &listener->pause);
	if (listener->event != NULL)
		event_free(listener->event);
	close(listener->fd);
	listener->fd = -1;
	if (listener_has_file(&listener->addr) && listener->file.st_ino != 0 &&
	    stat(path, &now) == 0 && now.st_ino == listener->file.st_ino &&
	    now.st_dev == listener->file.st_dev)
		unlink(path);
}

void
listener_drain(struct listener *listener)
{
	if (listener->fd < 0)
		return;
	listener->is_draining = true;
	while (listener_accept(listener))
		continue;
	listener_close(listener);
}

void
listener_free(struct listener *listener)
{
	listener_close(listener);
	free(listener);
}

void
socket_apply(int fd, const struct socket_settings *settings)
{
	int	on = settings->keepalive;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	if (on && settings->keepalive_count > 0)
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT,
		    &settings->keepalive_count, sizeof(int));
	if (on && settings->keepalive_idle_s > 0)
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE,
		    &settings->keepalive_idle_s, sizeof(int));
	if (on && settings->keepalive_interval_s > 0)
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL,
		    &settings->keepalive_interval_s, sizeof(int));
	if (settings->user_timeout_ms > 0)
		setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
		    &settings->user_timeout_ms, sizeof(int));
	if (settings->buffer_bytes > 0) {
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF,
		    &settings->buffer_bytes, sizeof(int));
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF,
		    &settings->buffer_bytes, sizeof(int));
	}
}
