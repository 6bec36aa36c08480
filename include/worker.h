/*
 * A worker: one thread with a loop of its own, which has clients and the
 * servers that they use.  The main thread accepts connections and gives each
 * to the worker with the fewest, where it stays for life.
 *
 * A single worker is the main thread: a process without other threads saves
 * a letter for every connection, and the C library saves what it does in
 * every system call of a process that has threads.
 */

#ifndef WORKER_H
#define WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/reason.h"

struct loop;

/* Main thread.  The loops are made, a single worker's is main's; then their
 * threads start. */
void		 workers_make(int n, struct loop *main_loop);
void		 workers_start(void);
/* How many loops there are, main's included. */
int		 workers_loops(void);
struct loop	*worker_loop(int worker);	/* from 0 */

/* Main thread: the worker with the fewest clients gets the descriptor. */
void		 workers_accept(int fd, bool is_unix);

/*
 * Every client is told this reason and text as FATAL: at its transaction
 * boundary, or at once; see client/client_leave.h.
 */
void		 workers_dismiss(enum reason, const char *text, bool is_now,
		    int64_t spread_us);

/* Every loop ends when it has finished its round; waits for the threads. */
void		 workers_stop(void);

#endif
