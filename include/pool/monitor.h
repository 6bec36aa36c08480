/*
 * The monitor of a backend: asks it every role_check_interval what it is.
 *
 * One connection of its own a backend, through libpq's asynchronous calls on
 * the main loop, with everything given explicitly and search_path pinned.  An
 * answer, or silence for role_check_timeout, or a refused connection, is
 * written into the backend and told to the clusters it belongs to.
 *
 * What does not say anything about the role changes nothing: an error that
 * PostgreSQL itself has sent (too many connections, a wrong password), our
 * own lack of descriptors, and silence while ordinary connections are
 * answered.
 *
 * Main thread, but for monitor_look() and monitor_doubt().
 */

#ifndef POOL_MONITOR_H
#define POOL_MONITOR_H

#include <stdbool.h>
#include <stddef.h>

struct backend;
struct config;
struct loop;
struct monitor;

void	monitors_init(struct loop *main_loop);
/* database: the entry of [databases] to log in to; looks at once. */
void	monitor_start(struct backend *, const char *database);
void	monitor_stop(struct backend *);

/*
 * Any thread: something may not fit what is believed of this host: look at
 * once.
 */
void	monitor_look(struct backend *);
/*
 * The same when it has said itself, on another connection, that it is a
 * replica: it is not the primary until it has been asked again.
 */
void	monitor_doubt(struct backend *);

#endif
