/*
 * Replication connections: coming and going; see relay/replication.h.
 *
 *	replication_on_start()	-> WAITING
 *	replication_try()	WAITING -> OPENING
 *	replication_on_opened()	OPENING -> PASSING, or back to WAITING
 *	replication_end()	any -> ENDING
 *	replication_on_stop()	any -> CLOSED
 *
 * What waits looks again every RETRY_US.  A place that is freed elsewhere
 * goes to the lines of the pools first, which are told of it.
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "pool/backend.h"
#include "pool/cancel.h"
#include "pool/pool_set.h"
#include "relay/relay_choose.h"
#include "relay/replication.h"
#include "wire/put.h"

#define RETRY_US	(100 * US_PER_MS)
/* A client that takes nothing any more is not waited for. */
#define ENDING_US	(10 * US_PER_SECOND)

static void	replication_try(struct replication *);

static const uint8_t	replication_successors[] = {
	[REPLICATION_WAITING] = 1 << REPLICATION_OPENING |
	    1 << REPLICATION_CLOSED,
	[REPLICATION_OPENING] = 1 << REPLICATION_WAITING |
	    1 << REPLICATION_PASSING | 1 << REPLICATION_CLOSED,
	[REPLICATION_PASSING] = 1 << REPLICATION_ENDING |
	    1 << REPLICATION_CLOSED,
	[REPLICATION_ENDING] = 1 << REPLICATION_CLOSED,
	[REPLICATION_CLOSED] = 0,
};

static void
replication_set_state(struct replication *replication,
    enum replication_state state)
{
	assert(replication_successors[replication->state] & 1 << state);
	replication->state = state;
	assert((replication->server != NULL) ==
	    (state == REPLICATION_PASSING));
	assert((replication->client == NULL) ==
	    (state == REPLICATION_CLOSED));
}

const char *
replication_kind(const struct client *client)
{
	const struct replication	*replication;

	if (client == NULL || client->service != &replication_service ||
	    client->served == NULL)
		return "none";
	replication = client->served;
	return replication->is_logical ? "logical" : "physical";
}

static const struct pool_settings *
replication_limits(const struct replication *replication)
{
	return &pool_profile(replication->client->pool)->settings;
}

static struct pool_lane *
replication_lane(const struct replication *replication)
{
	return &replication->client->pool->lanes[
	    replication->client->loop->index];
}

static void
replication_free(struct replication *replication)
{
	assert(replication->state == REPLICATION_CLOSED);
	for (size_t i = 0; replication->startup[i] != NULL; i++)
		free(replication->startup[i]);
	free(replication->startup);
	free(replication->text);
	buf_done(&replication->keeper.greeting);
	buf_done(&replication->held);
	free(replication);
}

/*
 * Waiting.
 */

static void
replication_no_host(struct replication *replication)
{
	const struct pool_settings *limits = replication_limits(replication);
	char	trouble[400], limit[32];

	cluster_explain(replication->client->pool->set->cluster, trouble,
	    sizeof trouble);
	text_seconds(limits->failover_wait_us, limit, sizeof limit);
	client_fail(replication->client, REASON_NO_PRIMARY, "no host for this "
	    "replication connection was there within failover_wait (%s): %s",
	    limit, trouble);
}

static void
replication_no_place(struct replication *replication, struct pool *pool)
{
	char	text[1000], limit[32];

	text_seconds(replication_limits(replication)->query_wait_timeout_us,
	    limit, sizeof limit);
	pool_explain_wait(pool, limit, text, sizeof text);
	client_fail_as(replication->client, REASON_WAIT_TIMEOUT,
	    reason_sqlstate(REASON_WAIT_TIMEOUT), text, "A replication "
	    "connection takes a place of max_db_connections and of "
	    "max_user_connections, beside pool_size.");
}

static void
replication_on_retry(struct loop *loop, struct deadline *deadline)
{
	struct client	*client = container_of(deadline, struct client,
			    deadline);

	(void)loop;
	replication_try(client->served);
}

/* pool: where there is no place; NULL: there is no host. */
static void
replication_wait(struct replication *replication, struct pool *pool)
{
	const struct pool_settings *limits = replication_limits(replication);
	struct client	*client = replication->client;
	int64_t		 waited_us = loop_now_us(client->loop) -
			    replication->since_us;
	int64_t		 limit_us = pool != NULL ?
			    limits->query_wait_timeout_us :
			    limits->failover_wait_us;

	if (limit_us > 0 && waited_us >= limit_us) {
		if (pool == NULL)
			replication_no_host(replication);
		else
			replication_no_place(replication, pool);
		return;
	}
	deadline_set(client->loop, &client->deadline, RETRY_US,
	    replication_on_retry);
	replication_pace(replication);
}

/*
 * Opening.
 */

/*
 * A backup comes over two connections, which have to meet the same host; so
 * who does not need the primary goes where the last one went.
 */
static struct pool *
replication_choose(struct replication *replication)
{
	struct pool	*home = replication->client->pool, *pool;

	if (!pool_has_choice(home))
		return home;
	pool = pool_set_choose(home->set, replication->need,
	    atomic_load(&home->set->replicated));
	if (replication->need == NEED_READ)
		atomic_store(&home->set->replicated, pool);
	return pool;
}

static void
replication_try(struct replication *replication)
{
	struct client	*client = replication->client;
	struct pool	*pool = replication_choose(replication);

	if (pool == NULL || atomic_load(&pool->is_paused) ||
	    !pool_open_kept(pool, client->loop, &replication->keeper)) {
		replication_wait(replication, pool);
		return;
	}
	replication_set_state(replication, REPLICATION_OPENING);
}

static void
replication_greet(struct replication *replication)
{
	struct client	*client = replication->client;
	struct buf	*reported = &replication->keeper.greeting;
	struct buf	 greeting;

	buf_init(&greeting);
	put_auth(&greeting, MSG_AUTH_OK, NULL, 0);
	buf_add(&greeting, buf_bytes(reported), buf_length(reported));
	buf_done(reported);
	client_make_key(client, &greeting);
	put_ready(&greeting, STATUS_IDLE);
	stream_write(&client->stream, buf_bytes(&greeting),
	    buf_length(&greeting));
	COUNT(replication_lane(replication)->counters.sent,
	    buf_length(&greeting));
	buf_done(&greeting);
}

static void
replication_on_opened(struct pool_keeper *keeper, struct server *server)
{
	struct replication	*replication = container_of(keeper,
				    struct replication, keeper);
	struct pool_lane	*lane;
	struct log_who		 who;

	if (replication->state == REPLICATION_CLOSED) {
		server_close(&server, REASON_CLIENT_LOST,
		    "its client left before it was there");
		replication_free(replication);
		return;
	}
	if (pool_has_choice(replication->client->pool) &&
	    !pool_serves(server->pool, replication->need)) {
		server_close(&server, REASON_SERVER_OLD,
		    "its host is not the right one any more");
		buf_done(&keeper->greeting);
		replication_set_state(replication, REPLICATION_WAITING);
		replication_wait(replication, NULL);
		return;
	}
	server->user = replication;
	server->on_event = replication_on_server_event;
	replication->server = server;
	replication_set_state(replication, REPLICATION_PASSING);
	client_who(replication->client, &who);
	log_info(&who, "has a server to itself for %s replication: %s",
	    replication_kind(replication->client),
	    server->pool->backend->name);
	lane = replication_lane(replication);
	COUNT(lane->counters.server_assignment_count, 1);
	COUNT(lane->pins.tied[PIN_REPLICATION_NUMBER], 1);
	replication_greet(replication);
	replication_go_on(replication);
}

static void
replication_on_failed(struct pool_keeper *keeper,
    const struct pool_error *error)
{
	struct replication	*replication = container_of(keeper,
				    struct replication, keeper);

	if (replication->state == REPLICATION_CLOSED)
		replication_free(replication);
	else
		client_fail_as(replication->client, error->reason,
		    error->sqlstate, error->text, error->hint);
}

/*
 * Starting.
 */

/* False: pgweir.route has a value that there is not; the client was told. */
static bool
replication_take_startup(struct replication *replication,
    const struct client_start *start)
{
	enum route	  route = replication_limits(replication)->route;
	const char	 *const *at;
	size_t		  n = 0;

	for (at = start->settings; at != NULL && *at != NULL; at++)
		n++;
	replication->startup = mem_new((n + 3) *
	    sizeof replication->startup[0]);
	n = 0;
	replication->startup[n++] = mem_string("replication");
	replication->startup[n++] = mem_string(start->replication);
	for (at = start->settings; at != NULL && *at != NULL; at += 2) {
		if (!text_equal_nocase(at[0], ROUTE_NAME)) {
			replication->startup[n++] = mem_string(at[0]);
			replication->startup[n++] = mem_string(at[1]);
		} else if (!relay_take_route(replication->client, at[1],
		    &route))
			return false;
	}
	replication->need = route == ROUTE_REPLICA ? NEED_READ : NEED_WRITE;
	return true;
}

static void
replication_on_start(struct client *client, const struct client_start *start)
{
	struct replication	*replication = mem_new(sizeof *replication);
	struct pool_lane	*lane;

	client->served = replication;
	replication->client = client;
	replication->is_logical = strcmp(start->replication, "database") == 0;
	replication->since_us = loop_now_us(client->loop);
	buf_init(&replication->keeper.greeting);
	buf_init(&replication->held);
	buf_add(&replication->held, start->early, start->early_length);
	lane = replication_lane(replication);
	COUNT(lane->counters.client_login_count, 1);
	histogram_record(&lane->times->login,
	    loop_now_us(client->loop) - client->connected_us);
	if (!replication_take_startup(replication, start))
		return;
	if (replication_limits(replication)->pin == PIN_POLICY_ERROR) {
		COUNT(lane->pins.refused[PIN_REPLICATION_NUMBER], 1);
		client_fail(client, REASON_PIN_REFUSED, "a replication "
		    "connection has a server to itself, and pin = error");
		return;
	}
	replication->keeper.opened = replication_on_opened;
	replication->keeper.failed = replication_on_failed;
	replication->keeper.client = client;
	replication->keeper.startup =
	    (const char *const *)replication->startup;
	replication_try(replication);
}

/*
 * Ending.
 */

/* ENDING, and everything has gone out. */
static void
replication_ended(struct replication *replication)
{
	struct client	*client = replication->client;

	if (replication->text != NULL)
		client_fail(client, replication->reason, "%s",
		    replication->text);
	else
		client_close(client, replication->reason, NULL);
}

static void
replication_on_late(struct loop *loop, struct deadline *deadline)
{
	struct client	*client = container_of(deadline, struct client,
			    deadline);

	(void)loop;
	replication_ended(client->served);
}

void
replication_end(struct replication *replication, enum reason reason,
    const char *text)
{
	struct client	*client = replication->client;
	char		*copy = text == NULL ? NULL : mem_string(text);

	free(replication->text);
	replication->text = copy;
	replication->reason = reason;
	server_close(&replication->server, reason, copy);
	replication_set_state(replication, REPLICATION_ENDING);
	if (stream_unsent(&client->stream) == 0) {
		replication_ended(replication);
		return;
	}
	deadline_set(client->loop, &client->deadline, ENDING_US,
	    replication_on_late);
	replication_pace(replication);
}

void
replication_condemn(struct server *server, const char *why)
{
	if (server->on_event == replication_on_server_event)
		replication_end(server->user, REASON_SERVER_LOST, why);
}

static void
replication_on_dismiss(struct client *client, enum reason reason,
    const char *text, bool is_now)
{
	struct replication	*replication = client->served;

	if (is_now || replication->state != REPLICATION_PASSING)
		client_fail(client, reason, "%s", text);
	else if (replication_is_at_rest(replication))
		replication_end(replication, reason, text);
	else {
		replication->reason = reason;
		free(replication->text);
		replication->text = mem_string(text);
	}
}

static void
replication_on_cancel(struct client *client,
    void (*done)(struct loop *, void *), void *arg)
{
	struct replication	*replication = client->served;

	if (replication->state == REPLICATION_PASSING &&
	    replication->asked > 0 && replication->server->cancels == 0)
		cancel_server(replication->server, done, arg);
	else
		done(client->loop, arg);
}

static void
replication_on_event(struct client *client, enum stream_event event)
{
	struct replication	*replication = client->served;

	if (event == STREAM_READABLE)
		replication_read_client(replication);
	else if (event != STREAM_DRAINED)
		client_close(client, REASON_CLIENT_LOST,
		    stream_error(&client->stream));
	else if (replication->state == REPLICATION_ENDING)
		replication_ended(replication);
	else
		replication_pace(replication);
}

static const char *
replication_application(const struct client *client)
{
	const struct replication	*replication = client->served;
	char				**at = replication->startup;

	for (; at != NULL && at[0] != NULL; at += 2)
		if (strcmp(at[0], "application_name") == 0)
			return at[1];
	return NULL;
}

static void
replication_on_free(struct loop *loop, struct task *task)
{
	(void)loop;
	replication_free(container_of(task, struct replication, task));
}

static void
replication_on_stop(struct client *client)
{
	struct replication	*replication = client->served;
	bool			 is_opening = replication->state ==
				    REPLICATION_OPENING;

	if (replication->server != NULL)
		server_close(&replication->server, replication->has_left ?
		    REASON_CLIENT_LEFT : REASON_CLIENT_LOST,
		    "its client has gone");
	deadline_clear(client->loop, &client->deadline);
	atomic_fetch_sub(&replication_lane(replication)->clients, 1);
	client->served = NULL;
	replication->client = NULL;
	replication->keeper.client = NULL;
	replication_set_state(replication, REPLICATION_CLOSED);
	if (is_opening)
		return;
	replication->task.run = replication_on_free;
	loop_defer(client->loop, &replication->task);
}

const struct client_service	replication_service = {
	.name = "replication",
	.start = replication_on_start,
	.on_event = replication_on_event,
	.cancel = replication_on_cancel,
	.dismiss = replication_on_dismiss,
	.may_speak = replication_may_speak,
	.application = replication_application,
	.stop = replication_on_stop,
};
