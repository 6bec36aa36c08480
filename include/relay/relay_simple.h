/*
 * The simple query protocol.
 */

#ifndef RELAY_RELAY_SIMPLE_H
#define RELAY_RELAY_SIMPLE_H

#include "relay/relay_private.h"

relay_handler	relay_on_query, relay_on_function;
/* What is behind it depends on what becomes of it. */
bool	relay_must_pause(const struct relay *);
/* input.scan: more of its Query; and it is of no more use. */
void	relay_scan_more(struct relay *, const uint8_t *, size_t n);
void	relay_end_scan(struct relay *);

#endif
