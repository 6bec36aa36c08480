/*
 * The bytes of the server.
 */

#ifndef RELAY_RELAY_READ_H
#define RELAY_RELAY_READ_H

#include "relay/relay_private.h"

void	relay_read_server(struct relay *);

#endif
