/*
 * SUSPEND: nothing is read from clients and servers and nobody is accepted,
 * until RESUME, SIGUSR2 or the end of the last console.
 *
 * Whether it is on is one flag; every loop is told to look at it, so that the
 * order in which it is told does not matter.
 */

#ifndef OPS_SUSPEND_H
#define OPS_SUSPEND_H

#include <stdbool.h>

struct loop;

bool	suspend_is_on(void);		/* any thread */
/* Any thread; suspend_look() has to go round the loops afterwards. */
void	suspend_begin(void);
/* Any thread; why is for the log.  Nothing if it is not on. */
void	suspend_end(const char *why);

/*
 * In the thread of the loop: do as the flag says.  True: something that was
 * read before has still to go out.  Who does not take it within
 * suspend_timeout is closed here.
 */
bool	suspend_look(struct loop *, const char *database);
/* Nothing of the loop's clients and servers is read, or all again. */
void	suspend_loop(struct loop *, bool is_suspended);

#endif
