/*
 * A worker: one thread with a loop of its own, which has clients and the
 * servers that they use.  The main thread accepts connections and gives each
 * to the worker with the fewest, where it stays for life.
 */

#ifndef WORKER_H
#define WORKER_H

#include <stdbool.h>

#include "base/reason.h"

struct loop;

/* Main thread.  Loops 1 to n are made; then their threads start. */
void		 workers_make(int n);
void		 workers_start(void);
int		 workers_count(void);
/* Loop 1 to n; 0 is main's own and not here. */
struct loop	*worker_loop(int index);

/* Main thread: the worker with the fewest clients gets the descriptor. */
void		 workers_accept(int fd);

/*
 * Every client is told this reason and text as FATAL: at its transaction
 * boundary, or at once.
 */
void		 workers_dismiss(enum reason, const char *text, bool is_now);

/* Every loop ends when it has finished its round; waits for the threads. */
void		 workers_stop(void);

#endif
