/*
 * Listening sockets, on the main loop.  Connections are accepted in bursts
 * (accept4 until EAGAIN, 64 at most) and handed to one function.
 */

#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

#include "net/addr.h"

struct listener;
struct loop;

struct listener_settings {
	int	backlog;
	bool	reuse_port;
	bool	defer_accept;		/* TCP_DEFER_ACCEPT, 45 s */
	mode_t	unix_mode;
	const char	*unix_group;	/* NULL or "": unchanged */
};

/*
 * accepted() owns the descriptor: non-blocking, close-on-exec, TCP_NODELAY.
 * With port 0 the kernel chooses one: listener_addr() tells.  A unix socket
 * file that nobody listens on is replaced; one that is alive, and a file that
 * is no socket, is an error.  accepted() may not free or drain the listener.
 * NULL: error has a sentence that names the address.
 */
struct listener	*listener_new(struct loop *, const struct addr *,
		    const struct listener_settings *,
		    void (*accepted)(void *, int fd, const struct addr *peer),
		    void *, char *error, size_t);
const struct addr	*listener_addr(const struct listener *);

/*
 * Out of descriptors (EMFILE, ENFILE, ENOBUFS): accepting pauses for 100 ms
 * instead of spinning, and out_of_descriptors() says so once a pause.
 */
void		 listener_on_shortage(struct listener *,
		    void (*out_of_descriptors)(void *arg, int error));

struct socket_settings;
/* Who comes while it does not accept waits in the queue. */
void		 listener_set_accepting(struct listener *, bool);
/* For TCP connections that are accepted from now on. */
void		 listener_apply(struct listener *,
		    const struct socket_settings *);
/* Hand over everything in the accept queue now, then close the socket. */
void		 listener_drain(struct listener *);
/* Closes the socket; removes the unix socket file if it is still ours. */
void		 listener_free(struct listener *);

/* Keep-alive and time-out options of an accepted or connected TCP socket. */
struct socket_settings {
	bool	keepalive;
	int	keepalive_count, keepalive_idle_s, keepalive_interval_s;
	int	user_timeout_ms;
	int	buffer_bytes;
};
void		 socket_apply(int fd, const struct socket_settings *);

#endif
