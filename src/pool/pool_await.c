/*
 * Waiting for a replica to catch up: tickets that are parked until one has
 * replayed some position, or until the primary has told which position that
 * is.  See pool/pool_set.h.
 *
 * How nobody is forgotten: who waits joins the list and looks at the replicas
 * once more; the main thread writes down how far a replica is and looks
 * through the list afterwards.  While somebody waits the monitors ask often.
 *
 * Any thread, unless it says otherwise.
 */

#include "pool/backend.h"
#include "pool/cluster_private.h"
#include "pool/pool_private.h"
#include "pool/pool_set.h"

bool
cluster_is_awaited(const struct cluster *cluster)
{
	return atomic_load(&cluster->awaiting) > 0;
}

void
pool_set_unlist_locked(struct pool_set *set, struct ticket *ticket)
{
	TAILQ_REMOVE(&set->shared.awaiting, ticket, entry);
	atomic_fetch_sub(&set->cluster->awaiting, 1);
}

void
pool_set_let_go_locked(struct ticket *ticket)
{
	ticket->is_parked = false;
	ticket->is_moved = true;
	ticket->state = TICKET_GRANTED;
}

/* Main thread; out of their list, each is its own thread's again. */
void
pool_set_answer_all(struct ticket_list *moved)
{
	struct ticket	*ticket;

	while ((ticket = TAILQ_FIRST(moved)) != NULL) {
		TAILQ_REMOVE(moved, ticket, entry);
		pool_answer(ticket, clusters_loop());
	}
}

static bool
ticket_has_come(const struct ticket *ticket, const struct backend *backend)
{
	return ticket->awaited_number == 0 && backend_has_replayed(backend,
	    ticket->awaited_timeline, ticket->awaited_lsn);
}

static bool
ticket_is_answered(const struct ticket *ticket, uint64_t number)
{
	return ticket->awaited_number != 0 && ticket->awaited_number <= number;
}

static uint64_t
cluster_answered(struct cluster *cluster)
{
	uint64_t	number;

	pthread_mutex_lock(&cluster->tide.shared.mutex);
	number = cluster->tide.shared.answered;
	pthread_mutex_unlock(&cluster->tide.shared.mutex);
	return number;
}

static bool
ticket_is_served(const struct ticket *ticket, struct cluster *cluster)
{
	const struct backend	*backend;

	if (ticket->awaited_number != 0)
		return ticket_is_answered(ticket, cluster_answered(cluster));
	for (int i = 0; i < CLUSTER_MEMBERS_MAX; i++) {
		backend = atomic_load(&cluster->members[i].backend);
		if (backend != NULL && atomic_load(&cluster->members[i].use) ==
		    USE_READ && ticket_has_come(ticket, backend))
			return true;
	}
	return false;
}

bool
pool_set_await(struct pool_set *set, struct ticket *ticket)
{
	uint32_t	epoch = atomic_load(&set->cluster->epoch);

	ticket->set = set;
	ticket->need = NEED_READ;
	ticket->pool = set->home;
	ticket->is_refused = ticket->is_leaving = ticket->is_moved = false;
	ticket->waits_for_host = false;
	if (!ticket->keeps_since)
		ticket->since_us = loop_now_us(ticket->loop);
	ticket->keeps_since = true;
	pthread_mutex_lock(&set->shared.mutex);
	ticket->state = TICKET_PARKED;
	ticket->is_parked = ticket->awaits = true;
	TAILQ_INSERT_TAIL(&set->shared.awaiting, ticket, entry);
	atomic_fetch_add(&set->cluster->awaiting, 1);
	pthread_mutex_unlock(&set->shared.mutex);
	/* It is let go meanwhile, perhaps: then moved() is on its way. */
	return (!ticket_is_served(ticket, set->cluster) &&
	    atomic_load(&set->cluster->epoch) == epoch) ||
	    !pool_set_unpark(ticket);
}

/*
 * When there is something new; main thread.
 */

static void
pool_set_let_go(struct pool_set *set, const struct backend *backend,
    uint64_t answered)
{
	struct ticket_list	 moved = TAILQ_HEAD_INITIALIZER(moved);
	struct ticket		*ticket, *next;

	pthread_mutex_lock(&set->shared.mutex);
	for (ticket = TAILQ_FIRST(&set->shared.awaiting); ticket != NULL;
	    ticket = next) {
		next = TAILQ_NEXT(ticket, entry);
		if (backend != NULL ? !ticket_has_come(ticket, backend) :
		    !ticket_is_answered(ticket, answered))
			continue;
		pool_set_unlist_locked(set, ticket);
		pool_set_let_go_locked(ticket);
		TAILQ_INSERT_TAIL(&moved, ticket, entry);
	}
	pthread_mutex_unlock(&set->shared.mutex);
	pool_set_answer_all(&moved);
}

void
pool_sets_replayed(struct cluster *cluster, const struct backend *backend)
{
	struct pool_set	*set;

	for (set = atomic_load(&cluster->sets); set != NULL;
	    set = set->older)
		pool_set_let_go(set, backend, 0);
}

void
pool_sets_answered(struct cluster *cluster)
{
	uint64_t	 answered;
	struct pool_set	*set;

	if (!cluster_is_awaited(cluster))
		return;
	answered = cluster_answered(cluster);
	for (set = atomic_load(&cluster->sets); set != NULL;
	    set = set->older)
		pool_set_let_go(set, NULL, answered);
}

/*
 * For SHOW; any thread.
 */

static void
ticket_count(const struct ticket *ticket, int64_t now_us,
    struct pool_numbers *numbers)
{
	numbers->waiting++;
	if (now_us - ticket->since_us > numbers->oldest_wait_us)
		numbers->oldest_wait_us = now_us - ticket->since_us;
}

void
pool_set_count(struct pool_set *set, int64_t now_us,
    struct pool_numbers *numbers)
{
	const struct ticket	*ticket;

	pthread_mutex_lock(&set->shared.mutex);
	TAILQ_FOREACH(ticket, &set->shared.parked, entry)
		ticket_count(ticket, now_us, numbers);
	TAILQ_FOREACH(ticket, &set->shared.awaiting, entry)
		ticket_count(ticket, now_us, numbers);
	pthread_mutex_unlock(&set->shared.mutex);
}
