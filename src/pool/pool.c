/*
 * Pools of server connections: who gets which server, and when one is opened.
 *
 *	pool_take --- idle, own loop -------------------------> LINKED
 *	    |
 *	    +-- idle, other loop: SENT_FOR -- two letters ----> granted()
 *	    |
 *	    +-- none: QUEUED --- pool_give: task or letter ---> granted()
 *	              |    |
 *	              |    place free: server_open() --> pool_give()
 *	              |
 *	              +--- pool_failed() ---------------------> refused()
 *
 * An idle server stays registered with the loop that used it last, in that
 * loop's lane, and is taken by the same loop first; so the steady state tells
 * the kernel nothing.  The line has a lane a loop as well.  A server given
 * back goes to the oldest waiter of its own loop, unless one elsewhere has
 * waited longer by more than a slack (pool_pick.c).
 *
 * Always true while nobody holds the mutex:
 *
 *	(1) total <= pool_size + reserve, except just after a reload made the
 *	    pool smaller.  A place is counted before a connection is opened
 *	    and until after it is closed.
 *	(2) Somebody is in line only when nothing is idle that suits, or when
 *	    paused.
 *	(3) If somebody is in line and the pool is not paused, a server is
 *	    opening, moving or linked, or a retry is set, or the pool is
 *	    hungry: waits for a limit that other pools share.  While a
 *	    place is being freed, its thread still has to look.
 *
 * The mutex is a leaf: no callback and no second lock while it is held.  What
 * must be done afterwards is collected in a struct errand.
 */

#include <assert.h>

#include "base/mem.h"
#include "pool/backend.h"
#include "pool/pool.h"
#include "pool/pool_private.h"
#include "pool/pool_set.h"

static void	pool_on_pressing(struct loop *, struct deadline *);

struct pool_lane *
pool_lane_of(struct pool *pool, const struct loop *loop)
{
	assert(loop->index < pool->lane_count);
	return &pool->lanes[loop->index];
}

/* The rules above, for asserts. */
static bool
pool_is_sane_locked(const struct pool *pool)
{
	bool	alive = pool->shared.total > pool->shared.idle ||
		    pool->shared.is_backing_off ||
		    pool->shared.hungry != NULL ||
		    pool->shared.releasing > 0 ||
		    atomic_load_explicit(&pool->is_paused,
		    memory_order_relaxed);

	return pool->shared.idle >= 0 && pool->shared.moving >= 0 &&
	    pool->shared.opening >= 0 && pool->shared.waiting >= 0 &&
	    pool->shared.idle + pool->shared.moving + pool->shared.opening <=
	    pool->shared.total &&
	    (pool->shared.waiting == 0 || alive);
}

void
pool_unlock(struct pool *pool)
{
	assert(pool_is_sane_locked(pool));
	pthread_mutex_unlock(&pool->shared.mutex);
}

void
pool_run_errand(struct pool *pool, const struct errand *errand)
{
	for (int i = 0; i < errand->open_count; i++)
		server_open(pool, errand->open_on[i], errand->is_reserve);
	if (errand->evicts_own)
		pool_evict_own(pool);
	else if (errand->evict_from != NULL)
		pool_evict(errand->evict_from, pool);
}

/*
 * The line.
 */

struct ticket *
pool_oldest_locked(struct pool *pool)
{
	struct ticket	*oldest = NULL, *first;

	for (int i = 0; i < pool->lane_count; i++) {
		first = TAILQ_FIRST(&pool->lanes[i].line);
		if (first != NULL &&
		    (oldest == NULL || first->since_us < oldest->since_us))
			oldest = first;
	}
	return oldest;
}

/* At the end; or, coming back, in front of those who came later. */
void
pool_join_line_locked(struct pool *pool, struct ticket *ticket)
{
	struct ticket_list	*line = &pool_lane_of(pool, ticket->loop)->line;
	struct ticket		*after = TAILQ_LAST(line, ticket_list);

	while (after != NULL && after->since_us > ticket->since_us)
		after = TAILQ_PREV(after, ticket_list, entry);
	if (after != NULL)
		TAILQ_INSERT_AFTER(line, after, ticket, entry);
	else
		TAILQ_INSERT_HEAD(line, ticket, entry);
	pool->shared.waiting++;
	ticket->state = TICKET_QUEUED;
}

/* The pool does not wait for a shared limit any more. */
static void
pool_feed_locked(struct pool *pool)
{
	if (pool->shared.hungry == NULL)
		return;
	atomic_fetch_sub(&pool->shared.hungry->hungry, 1);
	pool->shared.hungry = NULL;
}

void
pool_leave_line_locked(struct pool *pool, struct ticket *ticket)
{
	assert(ticket->state == TICKET_QUEUED);
	TAILQ_REMOVE(&pool_lane_of(pool, ticket->loop)->line, ticket, entry);
	pool->shared.waiting--;
	if (pool->shared.waiting == 0)
		pool_feed_locked(pool);
	ticket->state = TICKET_GRANTED;
}

/*
 * Places.
 */

/* The pool waits for a place in a limit that it shares with others. */
static void
pool_hunger_locked(struct pool *pool, struct limit *limit)
{
	if (pool->shared.hungry == limit)
		return;
	pool_feed_locked(pool);
	pool->shared.hungry = limit;
	atomic_fetch_add(&limit->hungry, 1);
}

/* Reserve a place for one more server, if all limits allow it. */
static bool
pool_reserve_locked(struct pool *pool, bool is_reserve, struct limit **full)
{
	const struct pool_settings *settings = &pool_profile(pool)->settings;
	int	size = settings->pool_size;

	*full = NULL;
	if (size > 0 && is_reserve)
		size += settings->reserve_pool_size;
	if (size > 0 && pool->shared.total >= size)
		return false;
	if (!limit_reserve(pool->database_limit)) {
		*full = pool->database_limit;
		return false;
	}
	if (!limit_reserve(pool->user_limit)) {
		limit_release(pool->database_limit);
		*full = pool->user_limit;
		return false;
	}
	pool->shared.total++;
	pool->shared.opening++;
	pool->shared.reserve += is_reserve;
	return true;
}

/*
 * Open a server for everybody in line whom no opening one will serve; after
 * a failure only one, to see whether the host is back.
 */
void
pool_grow_locked(struct pool *pool, struct errand *errand)
{
	struct limit	*full = NULL;
	int		 wanted = pool->shared.waiting;

	if (pool->shared.backoff_us > 0 && wanted > 1)
		wanted = 1;
	if (pool->shared.is_backing_off || atomic_load(&pool->is_paused))
		return;
	while (pool->shared.opening < wanted &&
	    errand->open_count < (int)ARRAY_LENGTH(errand->open_on)) {
		if (!pool_reserve_locked(pool, false, &full))
			break;
		errand->open_on[errand->open_count++] =
		    pool_oldest_locked(pool)->loop;
	}
	if (full != NULL) {
		pool_hunger_locked(pool, full);
		errand->evict_from = full;
	} else
		pool_feed_locked(pool);
	/* What is idle suits nobody in line, and is in the way. */
	errand->evicts_own = pool->shared.waiting > 0 &&
	    pool->shared.opening == 0 && pool->shared.idle > 0;
}

void
pool_grow(struct pool *pool)
{
	struct errand	errand = { .open_count = 0 };

	pthread_mutex_lock(&pool->shared.mutex);
	pool_grow_locked(pool, &errand);
	pool_unlock(pool);
	pool_run_errand(pool, &errand);
}

static void
pool_open_up_to(struct pool *pool, struct loop *loop, int wanted)
{
	struct errand	 errand = { .open_count = 0 };
	struct limit	*full;

	pthread_mutex_lock(&pool->shared.mutex);
	/* After a failure one server shows whether the host is back. */
	if (pool->shared.backoff_us > 0 && wanted > 1)
		wanted = 1;
	while (pool->shared.total < wanted &&
	    !pool->shared.is_backing_off &&
	    !atomic_load(&pool->is_paused) &&
	    !atomic_load(&pool->is_retired) &&
	    errand.open_count < (int)ARRAY_LENGTH(errand.open_on) &&
	    pool_reserve_locked(pool, false, &full))
		errand.open_on[errand.open_count++] = loop;
	pool_unlock(pool);
	pool_run_errand(pool, &errand);
}

void
pool_fill(struct pool *pool, struct loop *loop)
{
	pool_open_up_to(pool, loop,
	    pool_profile(pool)->settings.min_pool_size);
}

void
pool_try(struct pool *pool, struct loop *loop)
{
	pool_open_up_to(pool, loop, 1);
}

/*
 * Taking.
 */

void
pool_unlist_locked(struct pool *pool, struct server *server)
{
	assert(server->state == SERVER_IDLE);
	TAILQ_REMOVE(&pool_lane_of(pool, server->loop)->idle, server, entry);
	pool->shared.idle--;
}

void
pool_move_locked(struct pool *pool, struct server *server,
    struct ticket *ticket, void (*read)(struct loop *, struct letter *))
{
	server_set_state(server, SERVER_MOVING);
	server->ticket = ticket;
	server->letter.read = read;
	pool->shared.moving++;
}

/* An error that is still fresh answers for the attempt we do not make. */
static bool
pool_refuses_locked(const struct pool *pool, const struct ticket *ticket)
{
	if (!pool->shared.is_backing_off)
		return false;
	if (pool->shared.is_lasting)
		return pool->shared.total == pool->shared.opening;
	return ticket->is_impatient && pool->shared.total == 0;
}

/* An idle server that suits, or one that has to make room, wherever it is. */
static struct server *
pool_find_idle_locked(struct pool *pool, const struct ticket *ticket)
{
	bool		 round_robin = pool_profile(pool)->round_robin;
	struct server	*server;

	server = pool_pick_locked(pool_lane_of(pool, ticket->loop),
	    ticket->wish, round_robin);
	if (server == NULL)
		server = pool_pick_elsewhere_locked(pool, ticket,
		    round_robin);
	if (server == NULL && pool_must_make_room_locked(pool))
		server = pool_pick_unfit_locked(pool, ticket);
	return server;
}

static struct server *
pool_take_idle_locked(struct pool *pool, struct ticket *ticket,
    struct server **far)
{
	struct server	*server;

	if (pool->shared.idle == 0 ||
	    atomic_load_explicit(&pool->is_paused, memory_order_relaxed) ||
	    (server = pool_find_idle_locked(pool, ticket)) == NULL)
		return NULL;
	pool_unlist_locked(pool, server);
	if (server->loop == ticket->loop) {
		server_enter_linked(server);
		return server;
	}
	*far = server;
	pool_move_locked(pool, server, ticket, pool_on_sent_for);
	ticket->state = TICKET_SENT_FOR;
	return NULL;
}

struct server *
pool_take(struct pool *pool, struct ticket *ticket)
{
	struct errand	 errand = { .open_count = 0 };
	struct server	*server, *far = NULL;

	assert(ticket->state == TICKET_NONE);
	pthread_mutex_lock(&pool->shared.mutex);
	server = pool_take_idle_locked(pool, ticket, &far);
	if (server == NULL) {
		ticket->pool = pool;
		ticket->is_refused = ticket->is_leaving = false;
		ticket->is_moved = ticket->waits_for_host = false;
		ticket->awaits = false;
		if (!ticket->keeps_since)
			ticket->since_us = loop_now_us(ticket->loop);
		if (far == NULL && pool_refuses_locked(pool, ticket)) {
			ticket->is_refused = true;
			ticket->state = TICKET_GRANTED;
		} else if (far == NULL) {
			pool_join_line_locked(pool, ticket);
			pool_grow_locked(pool, &errand);
		}
	}
	pool_unlock(pool);
	if (server != NULL)
		return server;
	if (far != NULL)
		loop_post(far->loop, &far->letter);
	else if (ticket->is_refused)
		pool_answer(ticket, ticket->loop);
	else {
		pool_run_errand(pool, &errand);
		if (pool_profile(pool)->settings.reserve_pool_size > 0)
			deadline_set(ticket->loop, &ticket->deadline,
			    pool_profile(pool)->settings
			    .reserve_pool_timeout_us, pool_on_pressing);
	}
	return NULL;
}

/* It waited for reserve_pool_timeout: now the reserve may be used. */
static void
pool_on_pressing(struct loop *loop, struct deadline *deadline)
{
	struct ticket	*ticket = container_of(deadline, struct ticket,
			    deadline);
	struct pool	*pool = ticket->pool;
	struct errand	 errand = { .is_reserve = true };
	struct limit	*full;

	pthread_mutex_lock(&pool->shared.mutex);
	if (ticket->state == TICKET_QUEUED && !pool->shared.is_backing_off &&
	    pool->shared.backoff_us == 0 && !atomic_load(&pool->is_paused) &&
	    pool_reserve_locked(pool, true, &full))
		errand.open_on[errand.open_count++] = loop;
	pool_unlock(pool);
	pool_run_errand(pool, &errand);
}

static bool
pool_take_out(struct pool *pool, struct ticket *ticket, bool is_leaving)
{
	bool	queued;

	if (ticket->set != NULL && pool_set_unpark(ticket))
		return true;
	pthread_mutex_lock(&pool->shared.mutex);
	queued = ticket->state == TICKET_QUEUED;
	if (queued) {
		pool_leave_line_locked(pool, ticket);
		ticket->state = TICKET_NONE;
	} else
		ticket->is_leaving = is_leaving;
	pool_unlock(pool);
	if (queued)
		deadline_clear(ticket->loop, &ticket->deadline);
	return queued;
}

bool
pool_withdraw(struct pool *pool, struct ticket *ticket)
{
	return pool_take_out(pool, ticket, false);
}

bool
pool_leave(struct pool *pool, struct ticket *ticket)
{
	return pool_take_out(pool, ticket, true);
}

/*
 * Giving.
 */

static bool
pool_must_close_locked(struct pool *pool, struct server *server, int64_t now)
{
	const struct pool_settings *settings = &pool_profile(pool)->settings;

	return server->is_stale ||
	    server->generation != atomic_load(&pool->generation) ||
	    atomic_load(&pool->is_retired) ||
	    (settings->server_lifetime_us > 0 &&
	    now - server->opened_us >= settings->server_lifetime_us) ||
	    (settings->pool_size > 0 &&
	    pool->shared.total > settings->pool_size &&
	    (pool->shared.waiting == 0 || !server->is_reserve));
}

/*
 * Hand the server to somebody in line or put it to the idle ones.  False:
 * it has to be closed instead, for the reason given.
 */
static bool
pool_settle_locked(struct pool *pool, struct server *server, bool is_new,
    int64_t hungry_us, struct ticket **next, enum reason *reason)
{
	struct loop	*loop = server->loop;

	if (pool_must_close_locked(pool, server, loop_now_us(loop))) {
		*reason = REASON_SERVER_OLD;
		return false;
	}
	*next = pool_next_locked(pool, server, is_new);
	if (hungry_us < (*next == NULL ? INT64_MAX : (*next)->since_us)) {
		*reason = REASON_SERVER_EVICTED;
		return false;
	}
	if (*next == NULL) {
		TAILQ_INSERT_HEAD(&pool_lane_of(pool, loop)->idle, server,
		    entry);
		pool->shared.idle++;
		server_enter_idle(server);
		return true;
	}
	pool_leave_line_locked(pool, *next);
	if ((*next)->loop == loop)
		(*next)->server = server;
	else {
		(*next)->state = TICKET_SENT_FOR;
		pool_move_locked(pool, server, *next, pool_on_arrival);
	}
	return true;
}

void
pool_give(struct pool *pool, struct server **given)
{
	struct server	*server = *given;
	struct ticket	*next = NULL;
	enum reason	 reason = REASON_NONE;
	int64_t		 hungry_us;
	bool		 is_new, kept;

	*given = NULL;
	assert(server->pool == pool && server->state == SERVER_LINKED);
	if (server->cancels > 0) {
		server_enter_awaiting_cancel(server);
		return;
	}
	server->user = NULL;
	server->on_event = NULL;
	is_new = server->used_us == 0;
	server->used_us = loop_now_us(server->loop);
	hungry_us = pool_hungry_since_us(pool);

	pthread_mutex_lock(&pool->shared.mutex);
	pool->shared.opening -= is_new;
	kept = pool_settle_locked(pool, server, is_new, hungry_us, &next,
	    &reason);
	pool_unlock(pool);

	if (!kept)
		server_close(&server, reason, NULL);
	else if (next != NULL && server->state == SERVER_MOVING) {
		server_leave_loop(server);
		loop_post(next->loop, &server->letter);
	} else if (next != NULL)
		pool_answer(next, server->loop);
	if (is_new)
		pool_grow(pool);
}

void
pool_on_last_cancel(struct server *server)
{
	if (!server->awaits_cancel) {
		if ((server->state == SERVER_LINKED ||
		    server->state == SERVER_CLEANING) &&
		    server->on_event != NULL)
			server->on_event(server, STREAM_DRAINED);
		return;
	}
	server->awaits_cancel = false;
	server_set_state(server, SERVER_LINKED);
	pool_give(server->pool, &server);
}

bool
pool_claim(struct pool *pool, struct server *server)
{
	bool	idle;

	pthread_mutex_lock(&pool->shared.mutex);
	idle = server->state == SERVER_IDLE;
	if (idle) {
		pool_unlist_locked(pool, server);
		server_enter_linked(server);
	}
	pool_unlock(pool);
	return idle;
}

