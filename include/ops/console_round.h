/*
 * A letter that goes round all loops, one after the other, and home again to
 * the console that has sent it.  Embedded in what it collects.
 */

#ifndef OPS_CONSOLE_ROUND_H
#define OPS_CONSOLE_ROUND_H

#include <stdint.h>

#include "net/loop.h"

struct console;

struct console_round {
	struct letter	 letter;
	/* In the thread of each loop. */
	void		(*visit)(struct console_round *, struct loop *);
	/* In that of the console, which is NULL if it has left. */
	void		(*home)(struct console_round *, struct console *);
	struct loop	*home_loop;
	uint64_t	 client_id;
	int		 next_loop;
};

/* The console is busy from now on; both functions are set. */
void	console_round_begin(struct console_round *, struct console *);

#endif
