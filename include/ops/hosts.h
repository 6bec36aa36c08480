/*
 * What is known of every host, for /metrics, /readyz and the page.  In the
 * main thread, which is the one that writes what is told here.
 */

#ifndef OPS_HOSTS_H
#define OPS_HOSTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "pool/backend.h"
#include "pool/cluster.h"

struct host_row {
	struct backend		*backend;
	const struct cluster	*cluster;	/* NULL: it stands alone */
	enum use		 use;		/* alone: USE_WRITE */
	const char		*role;		/* "primary", "replica", "" */
	const char		*state;		/* "up", "down", ... */
};

/* Every member of every cluster, then every host that stands alone. */
void	hosts_each(void (*each)(void *arg, const struct host_row *), void *arg);
/* Whether some host may be used for writes, or for reads. */
bool	hosts_have(bool writes);
/*
 * Nobody asks a host that stands alone: where there is no server now, one is
 * opened.  True: something is tried.
 */
bool	hosts_try(void);

void	metrics_hosts(struct buf *);

#endif
