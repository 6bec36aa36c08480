/*
 * Between peers.c, which finds them, and peers_pass.c, which asks them.
 */

#ifndef POOL_PEERS_PRIVATE_H
#define POOL_PEERS_PRIVATE_H

#include <sys/queue.h>

#include "pool/peers.h"

struct peers_call;

struct peers_member {
	TAILQ_ENTRY(peers_member) next;
	int			 id;		/* 0: it was found */
	char			*name;
	int			 port;
	int			 pool_size;	/* 0: unlimited */
	struct addr		 addr;
	bool			 is_wanted;	/* else: out of the list, and
						 * freed with its last call */
	int			 active;
	int			 waiting;
	TAILQ_HEAD(peers_line, peers_call) line;	/* those who wait */
	TAILQ_HEAD(, peers_call) calls;			/* those active */
};
TAILQ_HEAD(peers_list, peers_member);

struct loop		*peers_loop(void);
struct peers_list	*peers_list(void);
void			 peers_member_free_if_unused(struct peers_member *);

/* peers_pass.c: how many of its calls have no connection yet. */
int			 peers_member_connecting(const struct peers_member *);

#endif
