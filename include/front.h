/*
 * The front: the sockets on which pgweir listens, all of them.
 */

#ifndef FRONT_H
#define FRONT_H

#include <stdbool.h>
#include <stddef.h>

struct config;
struct loop;

/*
 * On this loop, main's; or the only worker's, which then accepts for itself
 * and is not woken for every connection.  Before its thread runs.
 *
 * Open every address of listen_addr and the unix socket of
 * unix_socket_dir.  False: error names the address; nothing is left open.
 */
bool	front_open(struct loop *, const struct config *, char *error, size_t);
/*
 * Main thread: whoever stands in the accept queues is accepted; then they are
 * closed.  It is done when front_is_drained() says so, and before any letter
 * is read that is posted to the front's loop after this.
 */
void	front_drain(void);
bool	front_is_drained(void);
void	front_close(void);

#endif
