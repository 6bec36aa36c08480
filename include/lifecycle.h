/*
 * From ready to gone: signals and reloading; what is asked of the process by
 * those below main.  Stopping is in stop.h.
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
