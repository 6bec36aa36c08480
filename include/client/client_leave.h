/*
 * Everybody leaves, because the process stops.
 *
 * Once clients_are_leaving is set nobody is let in any more, but for cancel
 * requests, and for the console on the unix socket: who looks there is a
 * watcher, is told to go at the very end only, and is waited for by nobody.
 */

#ifndef CLIENT_CLIENT_LEAVE_H
#define CLIENT_CLIENT_LEAVE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/reason.h"

struct loop;

/* Main thread sets it; any thread reads it. */
extern _Atomic bool	clients_are_leaving;

/*
 * In the thread of the loop: every client of it is told to go, one that is
 * idle at once and another at its transaction boundary.  They are told in the
 * order in which they came, evenly over spread_us, and a few at a time where
 * there are few; so not all of them connect elsewhere at once.  0: all now.
 * A second call takes over from the first.  is_now: in the middle of their
 * transactions; watchers too.
 */
void	client_dismiss_all(struct loop *, enum reason, const char *text,
	    bool is_now, int64_t spread_us);

/* Any thread: clients that have to be waited for; not who is logging in. */
int	clients_left(void);

#endif
