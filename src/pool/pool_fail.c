/*
 * Pools when things go wrong or change: a server that cannot be opened, a
 * place that is free again, a pause that is over.
 *
 * After a failure nobody tries again before a pause that doubles up to
 * BACKOFF_MAX_US; the loop where it failed keeps the time.  Whoever waits is
 * told at once when waiting cannot heal it.
 */

#include "base/mem.h"
#include "pool/backend.h"
#include "pool/pool.h"
#include "pool/pool_private.h"
#include "pool/pool_set.h"

#define BACKOFF_MAX_US	(15 * US_PER_SECOND)

static void	pool_on_retry(struct loop *, struct deadline *);

/* Everybody in line who should not go on waiting is told. */
static void
pool_refuse_line_locked(struct pool *pool, bool is_lasting,
    struct ticket_list *refused)
{
	struct ticket	*ticket, *next;

	for (int i = 0; i < pool->lane_count; i++) {
		for (ticket = TAILQ_FIRST(&pool->lanes[i].line);
		    ticket != NULL; ticket = next) {
			next = TAILQ_NEXT(ticket, entry);
			if (!is_lasting && !ticket->is_impatient)
				continue;
			pool_leave_line_locked(pool, ticket);
			ticket->is_refused = true;
			TAILQ_INSERT_TAIL(refused, ticket, entry);
		}
	}
}

static void
pool_answer_all(struct ticket_list *tickets, struct loop *loop)
{
	struct ticket	*ticket;

	while ((ticket = TAILQ_FIRST(tickets)) != NULL) {
		TAILQ_REMOVE(tickets, ticket, entry);
		pool_answer(ticket, loop);
	}
}

void
pool_move_line(struct pool *pool, struct loop *loop)
{
	struct ticket_list	 moved = TAILQ_HEAD_INITIALIZER(moved);
	struct ticket		*ticket, *next;
	struct errand		 errand = { .open_count = 0 };

	pthread_mutex_lock(&pool->shared.mutex);
	for (int i = 0; i < pool->lane_count; i++) {
		for (ticket = TAILQ_FIRST(&pool->lanes[i].line);
		    ticket != NULL; ticket = next) {
			next = TAILQ_NEXT(ticket, entry);
			if (ticket->set == NULL ||
			    pool_serves(pool, ticket->need))
				continue;
			pool_leave_line_locked(pool, ticket);
			ticket->is_moved = true;
			TAILQ_INSERT_TAIL(&moved, ticket, entry);
		}
	}
	if (pool_serves(pool, NEED_ANY)) {
		pool->shared.is_backing_off = false;
		pool->shared.backoff_us = 0;
		pool_grow_locked(pool, &errand);
	}
	pool_unlock(pool);
	pool_run_errand(pool, &errand);
	pool_answer_all(&moved, loop);
}

void
pool_failed(struct pool *pool, struct loop *loop,
    const struct pool_error *error, bool is_lasting)
{
	struct ticket_list	 refused = TAILQ_HEAD_INITIALIZER(refused);
	int64_t			 pause_us = 0;
	int64_t			 least_us =
				    pool_profile(pool)->settings
				    .server_login_retry_us;

	pthread_mutex_lock(&pool->shared.mutex);
	pool->shared.error = *error;
	pool->shared.is_lasting = is_lasting;
	if (!pool->shared.is_backing_off) {
		pause_us = pool->shared.backoff_us * 2;
		if (pause_us > BACKOFF_MAX_US)
			pause_us = BACKOFF_MAX_US;
		if (pause_us < least_us || pause_us == 0)
			pause_us = least_us > 0 ? least_us : US_PER_MS;
		pool->shared.backoff_us = pause_us;
		pool->shared.is_backing_off = true;
		/* One that is set, perhaps in another loop, comes earlier. */
		if (pool->shared.has_retry)
			pause_us = 0;
		pool->shared.has_retry = true;
	}
	if (is_lasting)
		pool_refuse_line_locked(pool, true, &refused);
	pool_unlock(pool);

	if (pause_us > 0)
		deadline_set(loop, &pool->retry, pause_us, pool_on_retry);
	pool_answer_all(&refused, loop);
}

static void
pool_on_retry(struct loop *loop, struct deadline *deadline)
{
	struct pool	*pool = container_of(deadline, struct pool, retry);
	struct errand	 errand = { .open_count = 0 };

	pthread_mutex_lock(&pool->shared.mutex);
	pool->shared.has_retry = false;
	pool->shared.is_backing_off = false;
	pool_grow_locked(pool, &errand);
	pool_unlock(pool);
	pool_run_errand(pool, &errand);
	pool_fill(pool, loop);
}

static void
pool_on_refill(struct loop *loop, struct deadline *deadline)
{
	struct pool	*pool = container_of(deadline, struct pool, refill);

	pthread_mutex_lock(&pool->shared.mutex);
	pool->shared.is_refilling = false;
	pthread_mutex_unlock(&pool->shared.mutex);
	pool_fill(pool, loop);
}

/*
 * A server has gone: min_pool_size is made up after a pause, so that servers
 * which die as soon as they are opened are not opened in circles.
 */
static bool
pool_must_refill_locked(struct pool *pool)
{
	if (pool->shared.is_refilling || pool->shared.total >=
	    pool_profile(pool)->settings.min_pool_size)
		return false;
	pool->shared.is_refilling = true;
	return true;
}

/*
 * The impatient wait while another attempt than the one that has failed may
 * serve them: a PostgreSQL that is full turns some away, and lets others in.
 */
void
pool_release_place(struct pool *pool, struct loop *loop, bool is_reserve,
    bool was_opening)
{
	struct ticket_list	refused = TAILQ_HEAD_INITIALIZER(refused);
	struct errand		errand = { .open_count = 0 };
	bool			refills;

	pthread_mutex_lock(&pool->shared.mutex);
	pool->shared.releasing++;
	pool->shared.total--;
	pool->shared.reserve -= is_reserve;
	pool->shared.opening -= was_opening;
	if (was_opening && pool->shared.opening == 0 &&
	    pool->shared.is_backing_off)
		pool_refuse_line_locked(pool, false, &refused);
	pthread_mutex_unlock(&pool->shared.mutex);
	pool_answer_all(&refused, loop);
	limit_release(pool->database_limit);
	limit_release(pool->user_limit);
	pool_limit_freed(pool->database_limit, pool);
	pool_limit_freed(pool->user_limit, pool);
	pthread_mutex_lock(&pool->shared.mutex);
	pool->shared.releasing--;
	pool_grow_locked(pool, &errand);
	refills = pool_must_refill_locked(pool);
	pool_unlock(pool);
	pool_run_errand(pool, &errand);
	if (refills)
		deadline_set(loop, &pool->refill, US_PER_MS +
		    pool_profile(pool)->settings.server_login_retry_us,
		    pool_on_refill);
}

/* An idle server that goes to the oldest in line; NULL: no more of either. */
static struct server *
pool_serve_one_locked(struct pool *pool)
{
	struct ticket	*ticket = pool_oldest_locked(pool);
	struct server	*server;

	if (ticket == NULL || pool->shared.idle == 0 ||
	    atomic_load(&pool->is_paused))
		return NULL;
	pool_leave_line_locked(pool, ticket);
	server = pool_pick_locked(pool_lane_of(pool, ticket->loop),
	    ticket->wish, false);
	if (server == NULL)
		server = pool_pick_elsewhere_locked(pool, ticket, false);
	if (server == NULL)
		server = pool_pick_unfit_locked(pool, ticket);
	pool_unlist_locked(pool, server);
	pool_move_locked(pool, server, ticket, pool_on_sent_for);
	ticket->state = TICKET_SENT_FOR;
	return server;
}

/* Ending the pause and serving the line is one step for everybody else. */
void
pool_resume(struct pool *pool)
{
	struct errand	 errand = { .open_count = 0 };
	struct server	*server;

	pthread_mutex_lock(&pool->shared.mutex);
	atomic_store(&pool->is_paused, false);
	while ((server = pool_serve_one_locked(pool)) != NULL) {
		struct loop	*loop = server->loop;

		/* The letter box is a leaf as well. */
		loop_post(loop, &server->letter);
	}
	pool_grow_locked(pool, &errand);
	pool_unlock(pool);
	pool_run_errand(pool, &errand);
}
