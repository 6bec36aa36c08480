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
 * Main thread, on this loop: open every address of listen_addr and the unix
 * socket of unix_socket_dir.  False: error names the address; nothing is left
 * open.
 */
bool	front_open(struct loop *, const struct config *, char *error, size_t);
/* The TCP port, also one that was chosen for listen_port = 0. */
int	front_port(const struct config *);
/* The options of tcp_..., for who connects from now on; also at a reload. */
void	front_apply(const struct config *);
/* While it does not accept, who connects waits in the kernel's queue. */
void	front_set_accepting(bool);
/*
 * Whoever stands in the accept queues is accepted; then they are closed.
 * keeps: but for the unix socket, and with peers for all, unless another
 * process may listen on the same port.
 */
void	front_drain(bool keeps);
void	front_close(void);

#endif
