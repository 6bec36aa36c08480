/*
 * Parse: what the client prepares.
 */

#ifndef RELAY_RELAY_PARSE_H
#define RELAY_RELAY_PARSE_H

#include "relay/relay_private.h"

relay_handler	relay_on_parse;

#endif
