/*
 * Servers of a former life: their host was the primary and is not any more,
 * or was started anew, and nobody has told the other end of the connection.
 *
 * Idle ones are closed by the pool.  Those in use belong to the threads of
 * their loops, so a letter goes to every loop; the floor above tells whoever
 * uses one what became of his transaction.
 */

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "pool/pool.h"
#include "pool/pool_private.h"

enum { FORMER_LOOPS_MAX = 512 };

static struct {
	struct loop	*list[FORMER_LOOPS_MAX];
	int		 count;
} loops;

void
pools_add_loop(struct loop *loop)
{
	assert(loops.count < FORMER_LOOPS_MAX);
	loops.list[loops.count++] = loop;
}

void
pools_forget_loops(void)
{
	loops.count = 0;
}

struct former_letter {
	struct letter	 letter;
	struct pool	*pool;
	char		*why;
};

static void
pool_on_former(struct loop *loop, struct letter *letter)
{
	struct former_letter	*former = container_of(letter,
				    struct former_letter, letter);
	struct pool		*pool = former->pool;
	struct server		*server, *next;
	uint32_t		 generation = atomic_load(&pool->generation);

	for (server = TAILQ_FIRST(server_list_of(loop)); server != NULL;
	    server = next) {
		next = TAILQ_NEXT(server, all);
		if (server->pool == pool && server->user != NULL &&
		    server->state == SERVER_LINKED &&
		    server->generation != generation)
			server_hooks.condemn(server, former->why);
	}
	free(former->why);
	free(former);
}

void
pool_close_former(struct pool *pool, const char *why)
{
	struct former_letter	*former;

	pool_reconnect(pool);
	for (int i = 0; i < loops.count; i++) {
		former = mem_new(sizeof *former);
		former->pool = pool;
		former->why = mem_string(why);
		former->letter.read = pool_on_former;
		loop_post(loops.list[i], &former->letter);
	}
}
