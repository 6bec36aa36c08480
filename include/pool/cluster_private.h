/*
 * What the files of a cluster share; all of it is the main thread's.
 *
 *	cluster.c	all clusters, and what is asked of one
 *	cluster_hosts.c	names and addresses: who belongs to it
 *	cluster_judge.c	who of them is the primary
 */

#ifndef POOL_CLUSTER_PRIVATE_H
#define POOL_CLUSTER_PRIVATE_H

#include "pool/cluster.h"

/* Look names up, and go on doing so; or stop that, and ask nobody. */
void	cluster_start(struct cluster *);
void	cluster_stop(struct cluster *);
/* Who may be used for what, from what is known now. */
void	cluster_judge(struct cluster *);
/* The roles have changed: everybody who waits is told. */
void	cluster_tell(struct cluster *, struct backend *gone);
void	cluster_set_trouble(struct cluster *, const char *);

struct loop	*clusters_loop(void);
struct resolver	*clusters_resolver(void);

#endif
