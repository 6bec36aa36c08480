/*
 * KILL and KILL_CLIENT: a letter to every loop, whose clients are its own.
 */

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ops/console_private.h"
#include "ops/process.h"
#include "pool/pool.h"

struct kill_letter {
	struct letter	letter;
	char		*database;	/* NULL: by id */
	uint64_t	id;
	/* By id the letter goes round, and home to say whether it was there. */
	struct loop	*home;
	uint64_t	asking;		/* the console's client */
	int		next_loop;
	bool		is_found;
};

static bool
kill_is_meant(const struct kill_letter *kill, const struct client *client)
{
	if (client->pool == NULL && kill->database != NULL)
		return false;
	return kill->database != NULL ?
	    strcmp(client->database, kill->database) == 0 :
	    client->id == kill->id;
}

static void
kill_on_loop(struct loop *loop, struct kill_letter *kill)
{
	struct client	*client, *next;

	for (client = TAILQ_FIRST(client_list_of(loop)); client != NULL;
	    client = next) {
		next = TAILQ_NEXT(client, all);
		if (kill_is_meant(kill, client)) {
			kill->is_found = true;
			client_dismiss(client, REASON_KILLED, "the "
			    "connection was closed by an administrator",
			    true);
		}
	}
}

static void
kill_on_letter(struct loop *loop, struct letter *letter)
{
	struct kill_letter	*kill = container_of(letter,
				    struct kill_letter, letter);

	kill_on_loop(loop, kill);
	free(kill->database);
	free(kill);
}

static void
kill_on_home(struct loop *loop, struct letter *letter)
{
	struct kill_letter	*kill = container_of(letter,
				    struct kill_letter, letter);
	struct console		*console = console_find(loop, kill->asking);

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

static void
kill_on_round(struct loop *loop, struct letter *letter)
{
	struct kill_letter	*kill = container_of(letter,
				    struct kill_letter, letter);

	kill_on_loop(loop, kill);
	if (kill->next_loop < process.loop_count) {
		loop_post(process.loop(kill->next_loop++), letter);
		return;
	}
	kill->letter.read = kill_on_home;
	loop_post(kill->home, letter);
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

void
console_kill_one(struct console *console, uint64_t id)
{
	struct kill_letter	*kill;

	console->is_busy = true;
	kill = mem_new(sizeof *kill);
	kill->id = id;
	kill->home = console->client->loop;
	kill->asking = console->client->id;
	kill->next_loop = 2;
	kill->letter.read = kill_on_round;
	loop_post(process.loop(1), &kill->letter);
}
