/*
 * Which idle server a ticket gets, and which ticket a server.
 *
 * What is on a server from clients before may suit a ticket's wish exactly,
 * well, fairly, or not at all (server_hooks.suits()); who has no use for a
 * server closes it, so that another one can be opened in its place.  That is
 * the last resort: first comes whatever suits, then a server that is opened
 * anew.  Somebody in line whom no server suits that is given back is passed
 * over for PATIENCE_US, or while one is being opened, in favour of those whom
 * it does suit; then it gets one all the same.
 *
 * Everything here runs under the pool's mutex.
 */

#include "pool/backend.h"
#include "pool/pool.h"
#include "pool/pool_private.h"

#define SLACK_US	(US_PER_MS / 2)
#define PATIENCE_US	(20 * US_PER_MS)
/* How many are looked at for one that fits better than the first. */
#define WISH_DEPTH	8

static enum server_suits
pool_suits(const struct server *server, const void *wish)
{
	if (server->mark == wish)
		return SUITS_EXACTLY;
	return server_hooks.suits == NULL ? SUITS_WELL :
	    server_hooks.suits(server, wish);
}

/*
 * Taking.
 */

/* The one that was given back longest ago, so that all are used in turn. */
static struct server *
pool_pick_last_locked(struct pool_lane *lane, const void *wish)
{
	struct server	*server;

	TAILQ_FOREACH_REVERSE(server, &lane->idle, server_list, entry)
		if (pool_suits(server, wish) != SUITS_NOT)
			return server;
	return NULL;
}

struct server *
pool_pick_locked(struct pool_lane *lane, const void *wish, bool round_robin)
{
	struct server		*server, *found = NULL;
	enum server_suits	 suits, best = SUITS_NOT;
	int			 depth = 0;

	if (round_robin)
		return pool_pick_last_locked(lane, wish);
	TAILQ_FOREACH(server, &lane->idle, entry) {
		if ((suits = pool_suits(server, wish)) > best) {
			best = suits;
			found = server;
		}
		if (best == SUITS_EXACTLY ||
		    (++depth >= WISH_DEPTH && best != SUITS_NOT))
			break;
	}
	return found;
}

struct server *
pool_pick_elsewhere_locked(struct pool *pool, const struct ticket *ticket,
    bool round_robin)
{
	struct server	*server = NULL;
	int		 here = ticket->loop->index;

	for (int i = 1; server == NULL && i < pool->lane_count; i++)
		server = pool_pick_locked(
		    &pool->lanes[(here + i) % pool->lane_count],
		    ticket->wish, round_robin);
	return server;
}

static bool
limit_has_room(const struct limit *limit)
{
	int	max = atomic_load(&limit->max);

	return max == 0 || atomic_load(&limit->count) < max;
}

bool
pool_must_make_room_locked(const struct pool *pool)
{
	int	size = pool_profile(pool)->settings.pool_size;

	return !pool->shared.is_backing_off &&
	    ((size > 0 && pool->shared.total >= size) ||
	    !limit_has_room(pool->database_limit) ||
	    !limit_has_room(pool->user_limit));
}

struct server *
pool_pick_unfit_locked(struct pool *pool, const struct ticket *ticket)
{
	int	here = ticket->loop->index;

	for (int i = 0; i < pool->lane_count; i++) {
		struct pool_lane	*lane =
		    &pool->lanes[(here + i) % pool->lane_count];

		if (!TAILQ_EMPTY(&lane->idle))
			return TAILQ_LAST(&lane->idle, server_list);
	}
	return NULL;
}

/*
 * Giving.
 */

/* In this lane, among those who came until then, whom it suits best. */
static struct ticket *
pool_next_here_locked(struct pool_lane *lane, const struct server *server,
    int64_t until_us)
{
	struct ticket		*ticket, *found = NULL;
	enum server_suits	 suits, best = SUITS_NOT;
	int			 depth = 0;

	TAILQ_FOREACH(ticket, &lane->line, entry) {
		if (ticket->since_us > until_us || depth++ == WISH_DEPTH)
			break;
		if ((suits = pool_suits(server, ticket->wish)) > best) {
			best = suits;
			found = ticket;
		}
		if (best == SUITS_EXACTLY)
			break;
	}
	return found;
}

/* Who has waited longest of those whom it suits at all. */
static struct ticket *
pool_next_suited_locked(struct pool *pool, const struct server *server)
{
	struct ticket	*ticket, *oldest = NULL;

	for (int i = 0; i < pool->lane_count; i++)
		TAILQ_FOREACH(ticket, &pool->lanes[i].line, entry) {
			if (oldest != NULL &&
			    ticket->since_us >= oldest->since_us)
				break;
			if (pool_suits(server, ticket->wish) != SUITS_NOT) {
				oldest = ticket;
				break;
			}
		}
	return oldest;
}

struct ticket *
pool_next_locked(struct pool *pool, const struct server *server, bool is_new)
{
	struct pool_lane	*lane = pool_lane_of(pool, server->loop);
	struct ticket		*own, *oldest, *next;

	if (pool->shared.waiting == 0 ||
	    atomic_load_explicit(&pool->is_paused, memory_order_relaxed))
		return NULL;
	oldest = pool_oldest_locked(pool);
	/* A new one was perhaps opened for whom no other suited. */
	if (is_new)
		return oldest;
	own = TAILQ_FIRST(&lane->line);
	if (own != NULL && own->since_us <= oldest->since_us + SLACK_US &&
	    own->wish == server->mark)
		return own;
	next = pool_next_here_locked(lane, server,
	    oldest->since_us + SLACK_US);
	if (next != NULL)
		return next;
	if (pool_suits(server, oldest->wish) != SUITS_NOT)
		return oldest;
	next = pool_next_suited_locked(pool, server);
	if (pool->shared.opening > 0 || pool->shared.is_backing_off)
		return next;
	return next != NULL && loop_now_us(server->loop) - oldest->since_us <
	    PATIENCE_US ? next : oldest;
}
