/*
 * From ready to gone: signals, reloading, stopping.
 *
 *	RUNNING -- SIGTERM --> DELAYING -- shutdown_delay --> DRAINING -> end
 *	RUNNING -- SIGINT ---> PAUSING -- no server in use --> end
 *	any ------ SIGQUIT --> end
 *
 * DELAYING still accepts.  DRAINING has closed the listeners, after everybody
 * in their queues was accepted; idle clients are told 57P01, the others at
 * their transaction boundary.  shutdown_timeout after the signal it ends.
 */

#ifndef LIFECYCLE_H
#define LIFECYCLE_H

#include <stdbool.h>

struct config;
struct loop;

/* Set up the log from the configuration; the command line adds to it. */
void	lifecycle_log(const struct config *, int verbose, bool is_quiet,
	    bool is_daemon);
/* Main thread, before the loop runs: signals, and ops/process.h. */
void	lifecycle_start(struct loop *, const char *config_file);

#endif
