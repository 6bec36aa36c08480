/*
 * What the files of the client floor share.
 */

#ifndef CLIENT_CLIENT_PRIVATE_H
#define CLIENT_CLIENT_PRIVATE_H

#include "client/client.h"

/* Asserts that the state may follow, and what it guarantees. */
void	client_set_state(struct client *, enum client_state);

#endif
