/*
 * The text format of Prometheus: HELP and TYPE of a family, then its samples.
 */

#ifndef OPS_METRICS_TEXT_H
#define OPS_METRICS_TEXT_H

#include <stdint.h>

#include "base/buf.h"

void	metrics_head(struct buf *, const char *name, const char *type,
	    const char *help);
void	metrics_integer(struct buf *, const char *name, const char *help,
	    int64_t);		/* a gauge without labels */
/* name{label="value", with an open brace: labels end with metrics_value. */
void	metrics_open(struct buf *, const char *name);
void	metrics_label(struct buf *, const char *label, const char *value);
void	metrics_value(struct buf *, double);

#endif
