/*
 * /metrics, in the text format of Prometheus.
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

/* For the files that write families: HELP and TYPE; then samples. */
void	metrics_head(struct buf *, const char *name, const char *type,
	    const char *help);
void	metrics_integer(struct buf *, const char *name, const char *help,
	    int64_t);		/* a gauge without labels */
/* name{label="value", with an open brace: labels end with metrics_value. */
void	metrics_open(struct buf *, const char *name);
void	metrics_label(struct buf *, const char *label, const char *value);
void	metrics_value(struct buf *, double);

/* metrics_pools.c: families with pools and databases as labels. */
void	metrics_pools(struct buf *, const struct overview *);

#endif
