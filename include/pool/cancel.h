/*
 * Cancelling: a second, short connection to the server's host that carries a
 * CancelRequest (PostgreSQL documentation 55.2.8).
 *
 * While one is open server->cancels is not zero, and the server is not given
 * to anybody else; so a cancel never hits another client's statement.  The
 * connection counts as over when the host closes it, or after
 * cancel_wait_timeout; then the server is not used any more.  TLS is used if
 * the server's own connection uses it.
 */

#ifndef POOL_CANCEL_H
#define POOL_CANCEL_H

struct loop;
struct server;

/*
 * In the thread of the server's loop.  done() (may be NULL) is called there,
 * with no other callback running, once the connection is closed; the server
 * may be gone by then.
 */
void	cancel_server(struct server *, void (*done)(struct loop *, void *),
	    void *arg);

/* Called when server->cancels falls to zero; set by pool.c. */
extern void	(*cancel_on_last)(struct server *);

/* The server is going away: forget it, let its cancels run out. */
void	cancel_forget(struct server *);

#endif
