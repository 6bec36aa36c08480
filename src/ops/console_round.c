/*
 * See ops/console_round.h.
 */

#include "base/mem.h"
#include "ops/console.h"
#include "ops/console_round.h"
#include "ops/process.h"

static void
round_on_home(struct loop *loop, struct letter *letter)
{
	struct console_round	*round = container_of(letter,
				    struct console_round, letter);

	round->home(round, console_find(loop, round->client_id));
}

static void
round_on_letter(struct loop *loop, struct letter *letter)
{
	struct console_round	*round = container_of(letter,
				    struct console_round, letter);

	round->visit(round, loop);
	if (round->next_loop < process.loop_count) {
		loop_post(process.loop(round->next_loop++), letter);
		return;
	}
	letter->read = round_on_home;
	loop_post(round->home_loop, letter);
}

void
console_round_begin(struct console_round *round, struct console *console)
{
	console->is_busy = true;
	round->home_loop = console->client->loop;
	round->client_id = console->client->id;
	round->next_loop = 1;
	round->letter.read = round_on_letter;
	loop_post(process.loop(0), &round->letter);
}
