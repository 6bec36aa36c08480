/*
 * See client/client_leave.h.  A loop's clients are told step by step; how far
 * it is, is the id of the last one told, because the list of a loop is in the
 * order of ids.
 */

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "client/client.h"
#include "client/client_leave.h"

#define STEP_US		(50 * US_PER_MS)
/* Fewer than this a step would only take time. */
#define STEP_LEAST	5

enum { LEAVING_LOOPS_MAX = 512 };

struct leaving {
	struct deadline	 deadline;
	enum reason	 reason;
	char		*text;
	uint64_t	 told;		/* up to this id */
	int		 each;		/* in a step */
};

_Atomic bool		clients_are_leaving;
static struct leaving	leavings[LEAVING_LOOPS_MAX];

int
clients_left(void)
{
	return atomic_load(&client_numbers.served) -
	    atomic_load(&client_numbers.watchers);
}

static void
leaving_step(struct loop *loop, struct deadline *deadline)
{
	struct leaving	*leaving = container_of(deadline, struct leaving,
			    deadline);
	struct client	*client, *next;
	int		 n = 0;

	for (client = TAILQ_FIRST(client_list_of(loop)); client != NULL;
	    client = next) {
		next = TAILQ_NEXT(client, all);
		if (client->id <= leaving->told)
			continue;
		if (n == leaving->each) {
			deadline_set(loop, deadline, STEP_US, leaving_step);
			return;
		}
		leaving->told = client->id;
		if (client->is_watcher)
			continue;
		client_dismiss(client, leaving->reason, leaving->text, false);
		n++;
	}
	free(leaving->text);
	leaving->text = NULL;
}

static void
client_dismiss_all_now(struct loop *loop, enum reason reason,
    const char *text)
{
	struct client	*client, *next;

	for (client = TAILQ_FIRST(client_list_of(loop)); client != NULL;
	    client = next) {
		next = TAILQ_NEXT(client, all);
		client_dismiss(client, reason, text, true);
	}
}

void
client_dismiss_all(struct loop *loop, enum reason reason, const char *text,
    bool is_now, int64_t spread_us)
{
	struct leaving	*leaving = &leavings[loop->index];
	int64_t		 count = client_count_of(loop);

	deadline_clear(loop, &leaving->deadline);
	free(leaving->text);
	leaving->text = NULL;
	if (is_now) {
		client_dismiss_all_now(loop, reason, text);
		return;
	}
	leaving->reason = reason;
	leaving->text = mem_string(text);
	leaving->told = 0;
	leaving->each = spread_us <= 0 ? (int)count + 1 :
	    (int)((count * STEP_US + spread_us - 1) / spread_us);
	if (leaving->each < STEP_LEAST)
		leaving->each = STEP_LEAST;
	leaving_step(loop, &leaving->deadline);
}
