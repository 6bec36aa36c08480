/*
 * Servers of a former life: their host was the primary and is not any more,
 * or was started anew, and nobody has told the other end of the connection;
 * or, under server_fast_close, they are to be opened anew for a reason of
 * ours, and a session would keep its one for as long as it likes.
 *
 * Idle ones are closed by the pool.  Those in use belong to the threads of
 * their loops, so a letter goes to every loop; the floor above tells whoever
 * uses one what became of his transaction, or lets him end it first.
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
	void		(*tell)(struct server *, const char *why);
	char		*why;
};

_Atomic bool	pool_fast_close;

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
			former->tell(server, former->why);
	}
	free(former->why);
	free(former);
}

static void
pool_tell_former(struct pool *pool,
    void (*tell)(struct server *, const char *why), const char *why)
{
	struct former_letter	*former;

	for (int i = 0; i < loops.count; i++) {
		former = mem_new(sizeof *former);
		former->pool = pool;
		former->tell = tell;
		former->why = mem_string(why);
		former->letter.read = pool_on_former;
		loop_post(loops.list[i], &former->letter);
	}
}

void
pool_close_former(struct pool *pool, const char *why)
{
	pool_reconnect(pool);
	pool_tell_former(pool, server_hooks.condemn, why);
}

void
pool_reconnect(struct pool *pool)
{
	atomic_fetch_add(&pool->generation, 1);
	pool_close_idle(pool);
	if (atomic_load(&pool_fast_close) &&
	    pool_profile(pool)->settings.mode == POOL_MODE_SESSION)
		pool_tell_former(pool, server_hooks.recall, "its server was "
		    "of before RECONNECT or a change of the configuration "
		    "(server_fast_close)");
}
