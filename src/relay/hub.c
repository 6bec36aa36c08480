/*
 * See relay/hub.h.
 *
 *	DOWN -- an order ----> OPENING -- logged in --> UP
 *	DOWN <-- refused ----- OPENING		all orders come back as bad
 *	DOWN <-- lost -------- UP		opened again at once, then
 *						after pauses that double
 *	DOWN <-- no channels for LINGER_TICKS - UP
 *
 * UP, one query at a time is on its way: LISTEN and UNLISTEN for what has
 * changed since the last one.  An order that changes nothing runs a query as
 * well: its answer comes behind every notification that was committed before
 * the order was given.
 *
 * Once a second it is looked whether the pool is still the one to use: after
 * a reload or RECONNECT the connection is made anew.
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "pool/pool_set.h"
#include "relay/hub_private.h"
#include "relay/hearer.h"
#include "wire/error_fields.h"
#include "wire/get.h"
#include "wire/msg.h"
#include "wire/put.h"

#define TICK_US		US_PER_SECOND
#define PAUSE_MIN_US	US_PER_SECOND
#define PAUSE_MAX_US	(15 * US_PER_SECOND)
/* No message to who only listens is longer. */
#define MESSAGE_BYTES_MAX	(1024 * 1024)

enum { LINGER_TICKS = 10, READ_BYTES = 16 * 1024 };

static struct {
	pthread_mutex_t		mutex;
	struct hash_table	by_name;
} hubs = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static void	hub_work(struct hub *);
static void	hub_open(struct hub *);
static void	hub_on_opened(struct pool_keeper *, struct server *);
static void	hub_on_failed(struct pool_keeper *, const struct pool_error *);
static void	hub_on_event(struct server *, enum stream_event);

/*
 * Finding.
 */

/* One encoding has many spellings; a second hub for one would do no harm. */
static bool
hub_has_encoding(const struct hub *hub, const char *encoding)
{
	return encoding == NULL ? hub->encoding == NULL :
	    hub->encoding != NULL &&
	    text_equal_nocase(hub->encoding, encoding);
}

static struct hub *
hub_find_locked(const struct pool *pool, const char *encoding, uint64_t hash)
{
	struct hash_node	*node;
	struct hub		*hub;

	for (node = hash_table_first(&hubs.by_name, hash); node != NULL;
	    node = hash_table_same(node)) {
		hub = container_of(node, struct hub, node);
		if (strcmp(hub->database, pool->database) == 0 &&
		    strcmp(hub->user, pool->user) == 0 &&
		    hub_has_encoding(hub, encoding))
			return hub;
	}
	return NULL;
}

static struct hub *
hub_new(const struct pool *pool, struct loop *loop, const char *encoding)
{
	struct hub	*hub = mem_new(sizeof *hub +
			    (size_t)pool->lane_count *
			    sizeof hub->branches[0]);

	hub->database = mem_string(pool->database);
	hub->user = mem_string(pool->user);
	if (encoding != NULL) {
		hub->encoding = mem_string(encoding);
		hub->startup[0] = "client_encoding";
		hub->startup[1] = hub->encoding;
		hub->keeper.startup = hub->startup;
	}
	hub->loop = loop;
	hub->lane_count = pool->lane_count;
	hub->loops = mem_new((size_t)pool->lane_count *
	    sizeof hub->loops[0]);
	hub->keeper.opened = hub_on_opened;
	hub->keeper.failed = hub_on_failed;
	hash_table_init(&hub->channels);
	TAILQ_INIT(&hub->changed);
	STAILQ_INIT(&hub->waiting);
	STAILQ_INIT(&hub->asked);
	buf_init(&hub->in);
	return hub;
}

struct hub *
hub_of(struct pool *pool, struct loop *loop, const char *encoding)
{
	uint64_t	 hash = hash_mix(hash_text(pool->database),
			    hash_text(pool->user));
	struct hub	*hub;

	pthread_mutex_lock(&hubs.mutex);
	if ((hub = hub_find_locked(pool, encoding, hash)) == NULL) {
		hub = hub_new(pool, loop, encoding);
		hash_table_add(&hubs.by_name, &hub->node, hash);
	}
	pthread_mutex_unlock(&hubs.mutex);
	return hub;
}

struct hub_branch *
hub_branch_of(struct hub *hub, const struct loop *loop)
{
	return &hub->branches[loop->index];
}

static const struct log_who *
hub_who(const struct hub *hub)
{
	static _Thread_local struct log_who	who;

	memset(&who, 0, sizeof who);
	who.kind = "listener";
	who.database = hub->database;
	who.user = hub->user;
	return &who;
}

/*
 * Orders.
 */

void
hub_order_free(struct hub_order *order)
{
	for (size_t i = 0; i < order->count; i++)
		free(order->names[i]);
	free(order->names);
	free(order);
}

static void
hub_on_answer(struct loop *loop, struct letter *letter)
{
	struct hub_order	*order = container_of(letter,
				    struct hub_order, letter);

	(void)loop;
	order->answered(order);
}

static void
hub_answer(struct hub *hub, struct hub_orders *orders, bool is_good)
{
	struct hub_order	*order;

	while ((order = STAILQ_FIRST(orders)) != NULL) {
		STAILQ_REMOVE_HEAD(orders, next);
		if (!is_good)
			hub_unwant(hub, order);
		order->is_good = is_good;
		order->letter.read = hub_on_answer;
		loop_post(order->loop, &order->letter);
	}
}

static void
hub_on_order(struct loop *loop, struct letter *letter)
{
	struct hub_order	*order = container_of(letter,
				    struct hub_order, letter);
	struct hub		*hub = order->hub;

	(void)loop;
	if (order->is_release) {
		hub_unwant(hub, order);
		hub_order_free(order);
	} else {
		hub_want(hub, order);
		STAILQ_INSERT_TAIL(&hub->waiting, order, next);
	}
	hub_work(hub);
}

void
hub_send(struct hub_order *order)
{
	order->letter.read = hub_on_order;
	loop_post(order->hub->loop, &order->letter);
}

/*
 * The connection.
 */

static void
hub_ask(struct hub *hub)
{
	struct buf	query, message;

	buf_init(&query);
	buf_init(&message);
	hub_put_changes(hub, &query);
	if (buf_length(&query) == 0 && !STAILQ_EMPTY(&hub->waiting))
		buf_add_text(&query, "SELECT 1");
	if (buf_length(&query) > 0) {
		buf_add(&query, "", 1);
		put_query(&message, (const char *)buf_bytes(&query));
		STAILQ_CONCAT(&hub->asked, &hub->waiting);
		hub->is_asking = true;
		hub->has_failed = false;
		stream_write(&hub->server->stream, buf_bytes(&message),
		    buf_length(&message));
	}
	buf_done(&query);
	buf_done(&message);
}

static void
hub_work(struct hub *hub)
{
	if (hub->server != NULL) {
		if (!hub->is_asking)
			hub_ask(hub);
	} else if (!hub->is_opening && !STAILQ_EMPTY(&hub->waiting))
		hub_open(hub);
}

static void
hub_on_retry(struct loop *loop, struct deadline *deadline)
{
	struct hub	*hub = container_of(deadline, struct hub, deadline);

	(void)loop;
	if (hub->channels.count > 0)
		hub_open(hub);
}

/* Who wants to begin is told no; who listened already waits. */
static void
hub_retry_later(struct hub *hub)
{
	hub_answer(hub, &hub->asked, false);
	hub_answer(hub, &hub->waiting, false);
	hub_sweep(hub);
	hub->pause_us *= 2;
	if (hub->pause_us < PAUSE_MIN_US)
		hub->pause_us = PAUSE_MIN_US;
	if (hub->pause_us > PAUSE_MAX_US)
		hub->pause_us = PAUSE_MAX_US;
	if (hub->channels.count > 0)
		deadline_set(hub->loop, &hub->deadline, hub->pause_us,
		    hub_on_retry);
}

static void
hub_refuse(struct hub *hub, const char *why)
{
	hub->is_opening = false;
	log_warning(hub_who(hub), "cannot listen: %s", why);
	hub_retry_later(hub);
}

static void
hub_open(struct hub *hub)
{
	struct config	*config = config_current();
	struct pool	*pool = pool_find(config, hub->database, hub->user);

	config_release(config);
	deadline_clear(hub->loop, &hub->deadline);
	hub->is_opening = true;
	if (pool == NULL) {
		hub_refuse(hub, "the database is not in the configuration "
		    "any more");
		return;
	}
	/* Notifications are the primary's. */
	if (pool_has_choice(pool))
		pool = pool_set_choose(pool->set, NEED_WRITE, NULL);
	if (pool == NULL) {
		/* A failover is short. */
		hub->pause_us = 0;
		hub_refuse(hub, "no host can be written to now");
	} else if (!pool_open_kept(pool, hub->loop, &hub->keeper))
		hub_refuse(hub, "max_db_connections or max_user_connections "
		    "is reached");
}

static void
hub_on_failed(struct pool_keeper *keeper, const struct pool_error *error)
{
	hub_refuse(container_of(keeper, struct hub, keeper), error->text);
}

bool
hub_is_listening(const struct hub *hub)
{
	return atomic_load_explicit(&hub->is_listening, memory_order_relaxed);
}

/* Nothing is listened to any more, but all of it is wanted. */
static void
hub_forget_server(struct hub *hub)
{
	struct hash_node	*node = NULL;
	struct hub_channel	*channel;

	atomic_store(&hub->is_listening, false);
	STAILQ_CONCAT(&hub->asked, &hub->waiting);
	STAILQ_CONCAT(&hub->waiting, &hub->asked);
	while ((node = hash_table_each(&hub->channels, node)) != NULL) {
		channel = container_of(node, struct hub_channel, node);
		channel->is_listened = false;
		hub_channel_changed(hub, channel);
	}
	hub_sweep(hub);
	deadline_clear(hub->loop, &hub->deadline);
	buf_done(&hub->in);
	hub->is_asking = false;
}

static void
hub_lose(struct hub *hub, enum reason reason, const char *why)
{
	if (hub->error[0] != '\0')
		why = hub->error;
	if (hub->channels.count > 0) {
		log_warning(hub_who(hub), "the connection that listens to "
		    "%u channels is lost: %s; notifications are missed until "
		    "it is back", hub->channels.count, why);
		hub->was_lost = true;
	}
	server_close(&hub->server, reason, why);
	hub_forget_server(hub);
	hub->error[0] = '\0';
	if (hub->channels.count == 0)
		return;
	if (hub->pause_us == 0) {
		hub->pause_us = US_PER_MS;
		hub_open(hub);
	} else
		hub_retry_later(hub);
}

static void
hub_on_tick(struct loop *loop, struct deadline *deadline)
{
	struct hub	*hub = container_of(deadline, struct hub, deadline);
	struct pool	*pool = hub->server->pool;

	deadline_set(loop, deadline, TICK_US, hub_on_tick);
	hub->idle_ticks = hub->channels.count > 0 ? 0 : hub->idle_ticks + 1;
	if (pool_has_choice(pool) && !pool_serves(pool, NEED_WRITE)) {
		hub_lose(hub, REASON_SERVER_OLD,
		    "its host cannot be written to any more");
		return;
	}
	if (hub->is_asking)
		return;
	if (hub->idle_ticks >= LINGER_TICKS) {
		server_close(&hub->server, REASON_SERVER_IDLE, NULL);
		hub_forget_server(hub);
	} else if (atomic_load(&pool->is_retired) ||
	    hub->server->generation != atomic_load(&pool->generation))
		hub_lose(hub, REASON_SERVER_OLD,
		    "the configuration has changed");
}

static void
hub_on_opened(struct pool_keeper *keeper, struct server *server)
{
	struct hub	*hub = container_of(keeper, struct hub, keeper);

	hub->is_opening = false;
	hub->idle_ticks = 0;
	hub->server = server;
	buf_done(&keeper->greeting);
	server->on_event = hub_on_event;
	deadline_set(hub->loop, &hub->deadline, TICK_US, hub_on_tick);
	hub_work(hub);
}

/*
 * What PostgreSQL says.
 */

static void
hub_post_notice(struct hub *hub, struct loop *loop, const uint8_t *at,
    size_t n, const char *channel, uint32_t pid)
{
	struct hub_notice	*notice = mem_new(sizeof *notice + n);

	memcpy(notice->bytes, at, n);
	notice->hub = hub;
	notice->pid = pid;
	notice->length = (uint32_t)n;
	notice->channel = (const char *)notice->bytes +
	    ((const uint8_t *)channel - at);
	notice->hash = hearer_hash(at, n);
	notice->letter.read = hearers_on_notice;
	loop_post(loop, &notice->letter);
}

static bool
hub_on_notification(struct hub *hub, const uint8_t *at, size_t n)
{
	struct hub_channel	*channel;
	const char		*name;
	struct get		 get;
	uint32_t		 pid;

	get_init(&get, at + MSG_HEAD_BYTES, n - MSG_HEAD_BYTES);
	pid = get_u32(&get);
	name = get_string(&get);
	get_string(&get);
	if (!get_is_done(&get))
		return false;
	channel = hub_channel_find(hub, name);
	for (int i = 0; channel != NULL && i < hub->lane_count; i++)
		if (channel->wants[i] > 0)
			hub_post_notice(hub, hub->loops[i], at, n, name, pid);
	return true;
}

static void
hub_on_error(struct hub *hub, const uint8_t *body, size_t n)
{
	struct error_fields	fields;

	error_fields_parse(body, n, &fields);
	snprintf(hub->error, sizeof hub->error, "%s (%s)", fields.message,
	    fields.sqlstate);
	hub->has_failed = true;
}

/* False: it does not listen any more. */
static bool
hub_on_ready(struct hub *hub)
{
	if (!hub->is_asking)
		return true;
	hub->is_asking = false;
	if (hub->has_failed) {
		hub->pause_us = PAUSE_MAX_US;
		return false;
	}
	hub->pause_us = 0;
	hub->error[0] = '\0';
	if (hub->was_lost)
		log_info(hub_who(hub), "listens to %u channels again",
		    hub->channels.count);
	hub->was_lost = false;
	atomic_store(&hub->is_listening, true);
	hub_answer(hub, &hub->asked, true);
	hub_work(hub);
	return true;
}

static bool
hub_take(struct hub *hub, const uint8_t *at, size_t n)
{
	switch (at[0]) {
	case MSG_NOTIFICATION:
		return hub_on_notification(hub, at, n);
	case MSG_ERROR:
		hub_on_error(hub, at + MSG_HEAD_BYTES, n - MSG_HEAD_BYTES);
		return true;
	case MSG_READY:
		return hub_on_ready(hub);
	default:
		return true;
	}
}

static bool
hub_read(struct hub *hub)
{
	struct buf	*in = &hub->in;
	struct msg_head	 head;
	enum msg_result	 result;
	size_t		 total;
	ssize_t		 n;

	n = stream_read(&hub->server->stream, buf_reserve(in, READ_BYTES),
	    READ_BYTES);
	if (n == STREAM_AGAIN)
		return true;
	if (n <= 0)
		return false;
	buf_commit(in, (size_t)n);
	while ((result = msg_peek(buf_bytes(in), buf_length(in), &head)) ==
	    MSG_OK) {
		total = MSG_HEAD_BYTES + (size_t)head.length;
		if (total > MESSAGE_BYTES_MAX)
			return false;
		if (buf_length(in) < total)
			return true;
		if (!hub_take(hub, buf_bytes(in), total))
			return false;
		buf_consume(in, total);
	}
	if (buf_length(in) == 0)
		buf_done(in);
	return result != MSG_BAD;
}

static void
hub_on_event(struct server *server, enum stream_event event)
{
	struct hub	*hub = container_of(server->keeper, struct hub,
			    keeper);

	if (event == STREAM_DRAINED)
		return;
	if (event == STREAM_READABLE && hub_read(hub))
		return;
	hub_lose(hub, REASON_SERVER_LOST, "PostgreSQL closed it");
}

void
hubs_done(void)
{
	struct hash_node	*node;
	struct hub		*hub;

	while ((node = hash_table_each(&hubs.by_name, NULL)) != NULL) {
		hub = container_of(node, struct hub, node);
		hash_table_remove(&hubs.by_name, node);
		deadline_clear(hub->loop, &hub->deadline);
		hash_table_done(&hub->channels);
		for (int i = 0; i < hub->lane_count; i++)
			hash_table_done(&hub->branches[i].channels);
		buf_done(&hub->in);
		free(hub->loops);
		free(hub->database);
		free(hub->user);
		free(hub->encoding);
		free(hub);
	}
	hash_table_done(&hubs.by_name);
}
