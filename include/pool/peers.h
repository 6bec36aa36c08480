/*
 * Peers: other pgweir processes behind the same name, as the pods of a
 * Service are.  A CancelRequest that was meant for one of them is passed on.
 *
 * They are found by looking up the names of the option "peers" again and
 * again, every address but our own being one; or they stand in [peers] with a
 * peer_id each.  A cancel key of ours has 64 bits:
 *
 *	pid	1 bit that is 0, 31 random bits
 *	secret	30 random bits, 2 bits of CANCEL_KEY_HOPS
 *
 * With a peer_id, 16 bits of pid are that.  So 61 bits have to be guessed, or
 * 45.  A key that nobody has here is passed on
 *
 *	- to the one peer of [peers] whose peer_id it has, with a hop less;
 *	- to every peer that was found, with no hop left.
 *
 * A request without hops is never passed on, so none goes round for ever.
 * Whoever is asked that way and has the key says CANCEL_DONE_BYTE before it
 * closes; the others need not be waited for then, one that is gone least of
 * all.
 *
 * What is under way is bounded: PEERS_REQUESTS_MAX together, pool_size
 * connections a peer, cancel_wait_timeout.  Between peers TLS is used where it
 * is offered; certificates are not looked at.
 *
 * Main thread, unless it says otherwise.
 */

#ifndef POOL_PEERS_H
#define POOL_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/addr.h"

struct config;
struct loop;
struct resolver;

#define CANCEL_KEY_HOPS		0x00000003u	/* of the secret */
#define CANCEL_KEY_PEER_SHIFT	8		/* peer_id in pid */

enum { PEERS_REQUESTS_MAX = 200 };

/* Before any worker runs; resolver: NULL where no name is looked up. */
void	peers_init(struct loop *main_loop, struct resolver *);
/* The port on which this process listens; looks for peers from now on. */
void	peers_start(const struct config *, int port);
void	peers_reload(const struct config *);
void	peers_done(void);

/*
 * Any thread: how many others there are, and how many processes with this
 * one; whether all names have been looked up once.
 */
int	peers_count(void);
int	peers_processes(void);
bool	peers_are_known(void);

/*
 * Any thread: pass a request on whose key nobody has here.  done() is called
 * on the asking loop, later.  False: nobody is to be asked, and it is not
 * called.
 */
bool	peers_pass(struct loop *asking, uint32_t pid, uint32_t secret,
	    void (*done)(struct loop *, void *), void *arg);

struct peers_row {
	int		id;		/* 0: it was found */
	const char	*name;		/* as configured */
	struct addr	addr;		/* length 0: not known */
	int		port;
	int		pool_size;
	int		active, waiting, connecting;	/* requests */
};
/* Every peer, in the order in which they became known. */
void	peers_each(void (*each)(void *arg, const struct peers_row *),
	    void *arg);

struct peers_counts {
	uint64_t	passed;		/* requests that were passed on */
	uint64_t	done;		/* of them: a peer had the key */
	uint64_t	dropped;	/* too many were under way */
};
void	peers_counts(struct peers_counts *);

#endif
