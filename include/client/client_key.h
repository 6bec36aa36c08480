/*
 * Cancel keys: BackendKeyData of clients, all threads' in one table.
 */

#ifndef CLIENT_CLIENT_KEY_H
#define CLIENT_CLIENT_KEY_H

struct client;

/* The client leaves: its key is not valid any more. */
void	client_key_forget(struct client *);

#endif
