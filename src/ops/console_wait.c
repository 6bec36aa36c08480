/*
 * Commands that wait for something in all loops: a letter goes round them
 * again and again, until none has it.  A cancel ends the wait.
 *
 *	WAIT_CLOSE  servers that RECONNECT, a reload or their age has doomed
 *	SUSPEND	    what has been read and not sent on
 */

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ops/console_private.h"
#include "ops/console_round.h"
#include "ops/suspend.h"
#include "pool/pool.h"

#define WAIT_ROUND_US	(50 * US_PER_MS)

struct wait_round {
	struct console_round	 round;
	char			*database;	/* NULL: all */
	bool			(*look)(struct loop *, const char *database);
	bool			 has;
};

static void	wait_begin(struct console *);

static bool
wait_has_doomed(struct loop *loop, const char *database)
{
	const struct server	*server;

	TAILQ_FOREACH(server, server_list_of(loop), all)
		if ((database == NULL ||
		    strcmp(server->pool->database, database) == 0) &&
		    (server->is_stale || server->generation !=
		    atomic_load(&server->pool->generation)))
			return true;
	return false;
}

static void
wait_on_pause(struct loop *loop, struct deadline *deadline)
{
	(void)loop;
	wait_begin(container_of(deadline, struct console, poll));
}

static void
wait_home(struct console_round *round, struct console *console)
{
	struct wait_round	*wait = container_of(round, struct wait_round,
				    round);
	bool			 has = wait->has;
	const char		*tag;

	free(wait->database);
	free(wait);
	/* It has left, or a cancel has answered it. */
	if (console == NULL || console->waiting_tag == NULL)
		return;
	if (has) {
		deadline_set(console->client->loop, &console->poll,
		    WAIT_ROUND_US, wait_on_pause);
		return;
	}
	tag = console->waiting_tag;
	console->waiting_tag = NULL;
	console_done(console, tag);
	console_go_on(console);
}

static void
wait_visit(struct console_round *round, struct loop *loop)
{
	struct wait_round	*wait = container_of(round, struct wait_round,
				    round);

	if (wait->look(loop, wait->database))
		wait->has = true;
}

static void
wait_begin(struct console *console)
{
	struct wait_round	*wait = mem_new(sizeof *wait);

	wait->round.visit = wait_visit;
	wait->round.home = wait_home;
	wait->database = mem_string(console->waiting_database);
	wait->look = console->look;
	console_round_begin(&wait->round, console);
}

static void
wait_for(struct console *console, const char *tag, const char *database,
    bool (*look)(struct loop *, const char *))
{
	console->waiting_tag = tag;
	console->look = look;
	free(console->waiting_database);
	console->waiting_database = mem_string(database);
	wait_begin(console);
}

void
console_wait_close(struct console *console, const char *database)
{
	wait_for(console, "WAIT_CLOSE", database, wait_has_doomed);
}

void
console_wait_suspend(struct console *console)
{
	wait_for(console, "SUSPEND", NULL, suspend_look);
}
