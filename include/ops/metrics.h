/*
 * /metrics, in the text format of Prometheus (ops/metrics_text.h).
 *
 * A family is a row of a table: name, type, help, and a function that gives a
 * sample.  Where the meaning is PgBouncer's, the name is the one that the
 * usual exporter for PgBouncer gives it; our own begin with pgweir_.
 *
 * The whole costs what an overview costs: it grows with the number of pools
 * only.  Main thread.
 */

#ifndef OPS_METRICS_H
#define OPS_METRICS_H

#include "base/buf.h"

struct evhttp_request;
struct overview;

void	metrics_serve(struct evhttp_request *);
/* Everything, for tests and for whoever wants it without HTTP. */
void	metrics_write(struct buf *);

/* metrics_pools.c: families with pools and databases as labels. */
void	metrics_pools(struct buf *, const struct overview *);

#endif
