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

/* Leave the terminal and go on in the background. */
bool	daemon_detach(char *error, size_t);

/* Write our pid; false when another process that runs has written its own. */
bool	daemon_write_pid(const char *path, char *error, size_t);
void	daemon_remove_pid(const char *path);

/* Tell systemd, if it asked (NOTIFY_SOCKET): "READY=1" and the like. */
void	daemon_notify(const char *state);

#endif
