/*
 * KILL and KILL_CLIENT: a letter to every loop, whose clients are its own.
 */

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ops/console_private.h"
#include "ops/console_round.h"
#include "ops/process.h"
#include "pool/pool.h"

static bool
kill_is_meant(const struct client *client, const char *database, uint64_t id)
{
	return database == NULL ? client->id == id : client->pool != NULL &&
	    strcmp(client->database, database) == 0;
}

/* Of the database, or (NULL) the one with this id; false: there is none. */
static bool
kill_on_loop(struct loop *loop, const char *database, uint64_t id)
{
	struct client	*client, *next;
	bool		 is_found = false;

	for (client = TAILQ_FIRST(client_list_of(loop)); client != NULL;
	    client = next) {
		next = TAILQ_NEXT(client, all);
		if (kill_is_meant(client, database, id)) {
			is_found = true;
			client_dismiss(client, REASON_KILLED, "the "
			    "connection was closed by an administrator",
			    true);
		}
	}
	return is_found;
}

/*
 * A database.
 */

struct kill_letter {
	struct letter	 letter;
	char		*database;
};

static void
kill_on_letter(struct loop *loop, struct letter *letter)
{
	struct kill_letter	*kill = container_of(letter,
				    struct kill_letter, letter);

	kill_on_loop(loop, kill->database, 0);
	free(kill->database);
	free(kill);
}

void
console_kill_all(const char *database)
{
	for (int i = 0; i < process.loop_count; i++) {
		struct kill_letter	*kill = mem_new(sizeof *kill);

		kill->database = mem_string(database);
		kill->letter.read = kill_on_letter;
		loop_post(process.loop(i), &kill->letter);
	}
}

/*
 * One client.
 */

struct kill_round {
	struct console_round	 round;
	uint64_t		 id;
	bool			 is_found;
};

static void
kill_visit(struct console_round *round, struct loop *loop)
{
	struct kill_round	*kill = container_of(round, struct kill_round,
				    round);

	if (kill_on_loop(loop, NULL, kill->id))
		kill->is_found = true;
}

static void
kill_home(struct console_round *round, struct console *console)
{
	struct kill_round	*kill = container_of(round, struct kill_round,
				    round);

	if (console != NULL) {
		if (kill->is_found)
			console_done(console, "KILL_CLIENT");
		else
			console_error(console,
			    reason_sqlstate(REASON_BAD_PARAMETER),
			    "there is no client with the id %llu",
			    (unsigned long long)kill->id);
		console_go_on(console);
	}
	free(kill);
}

void
console_kill_one(struct console *console, uint64_t id)
{
	struct kill_round	*kill = mem_new(sizeof *kill);

	kill->round.visit = kill_visit;
	kill->round.home = kill_home;
	kill->id = id;
	console_round_begin(&kill->round, console);
}
