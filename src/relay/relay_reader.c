/*
 * Which replica serves a client's next read.
 *
 * The one that has served its last one, while that is usable and has replayed
 * what was written before (route/causal.h).  Otherwise one that has replayed
 * that, and what the client has read: it had read no more than the primary
 * had written by then, so when it leaves a replica the primary is asked, as
 * after a write, and what it answers is kept as what was seen.
 *
 * What the primary has shown, when it stood in, counts in the same way.
 *
 * While there is no such replica the primary serves the reads, at once or
 * after read_your_writes_wait.  Of a client that may only be served by a
 * replica (route = replica without replica_fallback) failover_wait counts.
 */

#include "base/clock.h"
#include "config/config.h"
#include "pool/cluster.h"
#include "pool/monitor.h"
#include "pool/pool_set.h"
#include "relay/relay_choose.h"
#include "relay/relay_private.h"
#include "relay/relay_reader.h"
#include "route/causal.h"

/*
 * No replica ever has what a busy client has just been shown by the primary.
 * Who has read there for STUCK_US waits for a replica, which is asked all the
 * time then, for PAUSE_US; if that was in vain, after twice as long again.
 */
#define STUCK_US	(5 * US_PER_MS)
#define STUCK_MOST_US	(64 * STUCK_US)
#define PAUSE_US	(10 * US_PER_MS)

static void	relay_on_patience_over(struct loop *, struct deadline *);

struct causal *
relay_causal(struct relay *relay)
{
	struct client		*client = relay->client;
	enum causal_scope	 scope = relay_limits(relay)->read_your_writes;
	char			 address[ADDR_TEXT_BYTES];
	struct addr		 peer;

	if (scope == CAUSAL_OFF || relay->reads.causal != NULL)
		return relay->reads.causal;
	addr_of_peer(&peer, client->stream.fd);
	relay->reads.causal = causal_join(scope,
	    &client->pool->set->cluster->tide, client->database,
	    client->user, addr_is_unix(&peer) ? "" :
	    addr_print_host(&peer, address, sizeof address));
	return relay->reads.causal;
}

/* Somebody waits for the replicas: they are asked soon. */
static void
relay_hurry_replicas(const struct cluster *cluster)
{
	struct backend	*backend;

	for (int i = 0; i < CLUSTER_MEMBERS_MAX; i++) {
		backend = atomic_load(&cluster->members[i].backend);
		if (backend != NULL && atomic_load(&cluster->members[i].use) ==
		    USE_READ)
			monitor_look(backend);
	}
}

static void
relay_hurry_primary(const struct cluster *cluster)
{
	struct backend	*writer = cluster_writer(cluster);

	if (writer != NULL)
		monitor_look(writer);
}

/* From now on only a replica will do that is as far as it has seen. */
static void
relay_note_seen(struct relay *relay)
{
	struct cluster	*cluster = relay->client->pool->set->cluster;

	if (relay->reads.seen == NULL)
		relay->reads.seen = causal_join(CAUSAL_SESSION, &cluster->tide,
		    NULL, NULL, NULL);
	causal_write(relay->reads.seen);
}

/*
 * What the primary has shown no replica may have; so that it is known soon
 * which of them has.
 */
void
relay_note_read(struct relay *relay)
{
	struct relay_reads	*reads = &relay->reads;

	if (relay->block.is_at_replica)
		return;
	relay_note_seen(relay);
	relay_hurry_primary(relay->client->pool->set->cluster);
	if (!reads->is_ahead) {
		reads->primary_us = loop_now_us(relay->client->loop);
		reads->stuck_us = STUCK_US;
	}
	reads->has_left = reads->is_ahead = true;
}

void
relay_set_reader(struct relay *relay, struct pool *pool)
{
	relay->reads.pool = pool;
	relay->reads.has_left = relay->reads.is_ahead = false;
}

/* Until it reads there again, it sees no more there. */
static void
relay_leave_reader(struct relay *relay)
{
	if (!relay->reads.has_left)
		relay_note_seen(relay);
	relay->reads.has_left = true;
}

/* Both of two; the ticket says what would have to come. */
static enum causal_state
relay_position(struct relay *relay, struct causal *causal)
{
	struct ticket		*ticket = &relay->ticket;
	enum causal_state	 state;
	uint32_t		 timeline = 0;
	int64_t			 lsn = 0;

	state = causal_state(causal, &timeline, &lsn);
	if (state == CAUSAL_UNKNOWN && causal_wanted(causal) >
	    ticket->awaited_number)
		ticket->awaited_number = causal_wanted(causal);
	if (state == CAUSAL_AT && (timeline > ticket->awaited_timeline ||
	    (timeline == ticket->awaited_timeline &&
	    lsn > ticket->awaited_lsn))) {
		ticket->awaited_timeline = timeline;
		ticket->awaited_lsn = lsn;
	}
	return state;
}

static bool
relay_reader_is_usable(const struct relay *relay)
{
	const struct pool_set	*set = relay->client->pool->set;

	return relay->reads.pool != NULL && relay->reads.pool->set == set &&
	    cluster_use(set->cluster, relay->reads.pool->backend) == USE_READ;
}

/* NULL: none is there, or none has replayed as much as the ticket says. */
static struct pool *
relay_reader(struct relay *relay)
{
	struct pool_set	*set = relay->client->pool->set;
	struct ticket	*ticket = &relay->ticket;
	struct pool	*pool = NULL;
	bool		 usable;

	ticket->awaited_number = 0;
	ticket->awaited_timeline = 0;
	ticket->awaited_lsn = 0;
	if (relay->reads.heeds_writes)
		relay_position(relay, relay_causal(relay));
	if (relay->reads.pool != NULL) {
		usable = relay_reader_is_usable(relay);
		if (usable && !relay->reads.is_ahead &&
		    ticket->awaited_number == 0 &&
		    backend_has_replayed(relay->reads.pool->backend,
		    ticket->awaited_timeline, ticket->awaited_lsn))
			return relay->reads.pool;
		relay_leave_reader(relay);
		if (!usable)
			relay->reads.pool = NULL;
	}
	if (relay->reads.seen != NULL)
		relay_position(relay, relay->reads.seen);
	if (ticket->awaited_number == 0)
		pool = pool_set_choose_reader(set, relay->reads.pool,
		    ticket->awaited_timeline, ticket->awaited_lsn);
	if (pool == NULL && ticket->awaited_number != 0)
		relay_hurry_primary(set->cluster);
	else if (pool == NULL && ticket->awaited_timeline != 0)
		relay_hurry_replicas(set->cluster);
	return pool;
}

/*
 * Asking.
 */

static bool
cluster_has_reader(const struct cluster *cluster)
{
	for (int i = 0; i < CLUSTER_MEMBERS_MAX; i++)
		if (atomic_load(&cluster->members[i].use) == USE_READ)
			return true;
	return false;
}

static bool
relay_may_read_from_primary(const struct relay *relay)
{
	return relay->reads.heeds_writes ||
	    relay_limits(relay)->replica_fallback;
}

static bool
relay_is_stuck(const struct relay *relay)
{
	return relay->reads.is_ahead && loop_now_us(relay->client->loop) -
	    relay->reads.primary_us >= relay->reads.stuck_us;
}

/* How long it may wait for a replica that is there to catch up. */
static int64_t
relay_patience_us(const struct relay *relay)
{
	const struct pool_settings *limits = relay_limits(relay);

	if (!relay_may_read_from_primary(relay))
		return limits->failover_wait_us;
	return limits->read_your_writes_wait_us == 0 &&
	    relay_is_stuck(relay) ? PAUSE_US :
	    limits->read_your_writes_wait_us;
}

struct server *
relay_ask_for_reader(struct relay *relay)
{
	struct pool_set	*set = relay->client->pool->set;
	struct pool	*reader;
	struct server	*server;
	uint32_t	 epoch;

	for (;;) {
		epoch = atomic_load(&set->cluster->epoch);
		reader = relay_reader(relay);
		if (reader == NULL && cluster_has_reader(set->cluster)) {
			if (!relay->reads.is_awaiting)
				relay->reads.patience_us =
				    relay_patience_us(relay);
			if (relay->reads.is_tired ||
			    relay->reads.patience_us == 0)
				return pool_set_take(set, NEED_WRITE, NULL,
				    &relay->ticket);
			if (pool_set_await(set, &relay->ticket))
				return NULL;
			continue;
		}
		if (pool_set_take_from(set, reader, epoch, &relay->ticket,
		    &server))
			return server;
	}
}

/*
 * The deadline stays as it is when what was waited for has come, and is not
 * enough: there is one for all of it.
 */
void
relay_watch_catching_up(struct relay *relay)
{
	struct client	*client = relay->client;

	if (!relay->reads.is_awaiting)
		deadline_set(client->loop, &client->deadline,
		    relay->reads.patience_us, relay_on_patience_over);
	relay->reads.is_awaiting = true;
}

static void
relay_on_patience_over(struct loop *loop, struct deadline *deadline)
{
	struct relay	*relay = relay_of_deadline(deadline);

	relay->reads.is_awaiting = false;
	if (!relay_may_read_from_primary(relay)) {
		relay_refuse_no_host(relay);
		return;
	}
	relay->reads.is_tired = true;
	relay->reads.primary_us = loop_now_us(loop);
	if (relay->reads.stuck_us < STUCK_MOST_US)
		relay->reads.stuck_us *= 2;
	/* Or it is being told to ask again just now. */
	if (pool_withdraw(relay->ticket.pool, &relay->ticket))
		relay_on_moved(&relay->ticket);
}

/* One that wanted to read and did not get to a replica has a reason. */
void
relay_note_route(struct relay *relay, bool is_replica)
{
	const struct ticket	*ticket = &relay->ticket;
	enum route_why		 why = (enum route_why)relay->choice.why;

	if (relay->choice.need == NEED_READ && !is_replica)
		why = (ticket->awaited_number != 0 ||
		    ticket->awaited_timeline != 0) && cluster_has_reader(
		    relay->client->pool->set->cluster) ? WHY_BEHIND :
		    WHY_NO_REPLICA;
	COUNT(relay_lane(relay)->routes.taken[is_replica ? TARGET_REPLICA :
	    TARGET_PRIMARY][why], 1);
}

void
relay_reader_done(struct relay *relay)
{
	causal_leave(relay->reads.causal);
	causal_leave(relay->reads.seen);
	relay->reads.causal = relay->reads.seen = NULL;
}
