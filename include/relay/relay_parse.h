/*
 * Parse: what the client prepares.
 */

#ifndef RELAY_RELAY_PARSE_H
#define RELAY_RELAY_PARSE_H

#include "relay/relay_private.h"

enum relay_verdict	relay_on_parse(struct relay *, struct relay_io *,
			    const struct relay_message *);

#endif
