/*
 * WAIT_CLOSE: answered when no server is left that RECONNECT, a reload or its
 * age has doomed.  A letter goes round the loops again and again; a cancel
 * ends the wait.
 */

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ops/console_private.h"
#include "ops/process.h"
#include "pool/pool.h"

#define WAIT_ROUND_US	(50 * US_PER_MS)

struct wait_round {
	struct letter	 letter;
	struct loop	*home;
	uint64_t	 client_id;
	char		*database;	/* NULL: all */
	int		 next_loop;
	bool		 has_doomed;
};

static void	wait_begin(struct console *);

static bool
wait_has_doomed(const struct loop *loop, const char *database)
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
	bool			 has_doomed = round->has_doomed;

	free(round->database);
	free(round);
	/* It has left, or a cancel has answered it. */
	if (console == NULL || console->waiting_tag == NULL)
		return;
	if (has_doomed) {
		deadline_set(loop, &console->poll, WAIT_ROUND_US,
		    wait_on_pause);
		return;
	}
	console->waiting_tag = NULL;
	console_done(console, "WAIT_CLOSE");
	console_go_on(console);
}

static void
wait_on_letter(struct loop *loop, struct letter *letter)
{
	struct wait_round	*round = container_of(letter,
				    struct wait_round, letter);

	round->has_doomed = round->has_doomed ||
	    wait_has_doomed(loop, round->database);
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
	round->next_loop = 1;
	round->letter.read = wait_on_letter;
	loop_post(process.loop(0), &round->letter);
}

void
console_wait_close(struct console *console, const char *database)
{
	console->is_busy = true;
	console->waiting_tag = "WAIT_CLOSE";
	free(console->waiting_database);
	console->waiting_database = mem_string(database);
	wait_begin(console);
}
