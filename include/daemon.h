/*
 * What a long-running process does with the system around it: descriptors,
 * cores, identity, background, pid file.
 */

#ifndef DAEMON_H
#define DAEMON_H

#include <stdbool.h>
#include <stddef.h>

struct config;

/* Cores this process may use: affinity and cgroup quota counted; >= 1. */
int	daemon_cores(void);

/*
 * Raise RLIMIT_NOFILE as far as it goes, and warn when it is less than this
 * configuration may need, naming the option that causes it.
 */
void	daemon_raise_descriptors(const struct config *);

/* Become another user; false: error says why. */
bool	daemon_become(const char *user, char *error, size_t);

/*
 * Go on in the background.  The process that was started waits until
 * daemon_leave_terminal() and ends well then, or badly if there was an end
 * before; until then errors can still be said on the terminal.
 */
bool	daemon_detach(char *error, size_t);
void	daemon_leave_terminal(void);

/* Write our pid; false when another process that runs has written its own. */
bool	daemon_write_pid(const char *path, char *error, size_t);
void	daemon_remove_pid(const char *path);

/* Tell systemd, if it asked (NOTIFY_SOCKET): "READY=1" and the like. */
void	daemon_notify(const char *state);

#endif
