/*
 * /healthz and /readyz, for probes.
 *
 *	/healthz  200 when every loop has turned since it was asked, within
 *		  HEALTH_LIMIT_US; else 503.  Kubernetes restarts us then.
 *	/readyz	  200 when a login would be served now: pgweir is not shutting
 *		  down, has room for a client, and knows its peers where the
 *		  pools are divided by them.  ?role=rw or ?role=ro asks
 *		  for a host that takes writes, or reads, as well.
 *
 * A database that cannot be reached does not make /readyz alone say no: the
 * clients wait here, and would be refused elsewhere.
 */

#ifndef OPS_HEALTH_H
#define OPS_HEALTH_H

struct evhttp_request;

void	health_serve_healthz(struct evhttp_request *);
void	health_serve_readyz(struct evhttp_request *);

#endif
