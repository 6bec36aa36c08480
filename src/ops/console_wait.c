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
#include "ops/process.h"
#include "ops/suspend.h"
#include "pool/pool.h"

#define WAIT_ROUND_US	(50 * US_PER_MS)

struct wait_round {
	struct letter	 letter;
	struct loop	*home;
	uint64_t	 client_id;
	char		*database;	/* NULL: all */
	bool		(*look)(struct loop *, const char *database);
	int		 next_loop;
	bool		 has;
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
wait_on_home(struct loop *loop, struct letter *letter)
{
	struct wait_round	*round = container_of(letter,
				    struct wait_round, letter);
	struct console		*console = console_find(loop,
				    round->client_id);
	bool			 has = round->has;
	const char		*tag;

	free(round->database);
	free(round);
	/* It has left, or a cancel has answered it. */
	if (console == NULL || console->waiting_tag == NULL)
		return;
	if (has) {
		deadline_set(loop, &console->poll, WAIT_ROUND_US,
		    wait_on_pause);
		return;
	}
	tag = console->waiting_tag;
	console->waiting_tag = NULL;
	console_done(console, tag);
	console_go_on(console);
}

static void
wait_on_letter(struct loop *loop, struct letter *letter)
{
	struct wait_round	*round = container_of(letter,
				    struct wait_round, letter);

	if (round->look(loop, round->database))
		round->has = true;
	if (round->next_loop < process.loop_count) {
		loop_post(process.loop(round->next_loop++), letter);
		return;
	}
	letter->read = wait_on_home;
	loop_post(round->home, letter);
}

static void
wait_begin(struct console *console)
{
	struct wait_round	*round = mem_new(sizeof *round);

	round->home = console->client->loop;
	round->client_id = console->client->id;
	round->database = mem_string(console->waiting_database);
	round->look = console->look;
	round->next_loop = 1;
	round->letter.read = wait_on_letter;
	loop_post(process.loop(0), &round->letter);
}

static void
wait_for(struct console *console, const char *tag, const char *database,
    bool (*look)(struct loop *, const char *))
{
	console->is_busy = true;
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
