/*
 * What the console may ask of the process: functions that main hands down,
 * because ops is a floor below it.  Set before any thread runs.
 */

#ifndef OPS_PROCESS_H
#define OPS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;
struct loop;

enum shutdown_mode {
	SHUTDOWN_NOW,			/* SIGQUIT, SHUTDOWN */
	SHUTDOWN_WAIT_FOR_SERVERS,	/* SIGINT: as PAUSE, then exit */
	SHUTDOWN_WAIT_FOR_CLIENTS,	/* until all clients have left */
	SHUTDOWN_DRAIN,			/* SIGTERM: delay, then dismiss */
};

struct process {
	/*
	 * Any thread: set one option, or (name NULL) read the whole
	 * configuration anew, or keep the old one.  done() is called on the
	 * asking loop when it is in force; error is NULL or its faults.
	 */
	void		(*configure)(const char *name, const char *value,
			    struct loop *asking,
			    void (*done)(void *arg, const char *error),
			    void *arg);
	void		(*shutdown)(enum shutdown_mode);	/* any thread */
	void		(*set_accepting)(bool);	/* clients; main thread */
	/* All loops; 0 is main's and serves if it is the only one. */
	int		 loop_count;
	struct loop	*(*loop)(int index);
	int64_t		 started_us;
	const char	*(*state)(void);	/* "active", "draining", ... */
	/* Of the configuration; main thread writes, and it alone reads. */
	bool		 reload_has_failed;	/* the last one */
	uint64_t	 reloads[2];		/* taken over, refused */
	int64_t		 config_read_us;	/* the wall's clock */
};
extern struct process	process;

#endif
