/*
 * Which host may serve the next transaction of a client.
 *
 * That is asked where there are several hosts (pool_has_choice()), of the
 * first statement of a transaction.  What counts is, in this order: a comment
 * in front of the statement, SET pgweir.route, pgweir.route at the start of
 * the connection, and the configuration's route for user, database, or all.
 *
 * Under split everything is a write that is not proven to only read
 * (relay_split.c), and a transaction block goes where its first statement may
 * go, if that is enough to know (relay_begin.c).
 *
 * A client under split or primary sees one server that can be written to: it
 * is never told what the hosts report of their roles.
 */

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "config/choice.h"
#include "config/config.h"
#include "pool/pool_set.h"
#include "relay/relay_answer.h"
#include "relay/relay_begin.h"
#include "relay/relay_choose.h"
#include "relay/relay_greet.h"
#include "relay/relay_private.h"
#include "relay/relay_reader.h"
#include "relay/relay_split.h"
#include "relay/relay_timeouts.h"
#include "wire/put.h"
#include "wire/sqlwish.h"

_Atomic int64_t	relay_notify_us;

/*
 * The need.
 */

enum route
relay_route(const struct relay *relay)
{
	return relay->choice.route != ROUTE_DEFAULT ? relay->choice.route :
	    relay_limits(relay)->route;
}

bool
relay_take_route(struct client *client, const char *value, enum route *route)
{
	if (choice_parse(CHOICE_ROUTE, value, route))
		return true;
	client_fail(client, REASON_BAD_PARAMETER, "invalid value for "
	    "parameter \"pgweir.route\": \"%.60s\"; there are split, "
	    "primary, replica and any", value);
	return false;
}

/* Statements begin with few letters that are of interest here. */
static bool
text_may_wish(const char *text, size_t n)
{
	return n > 0 && strchr("/ \t\r\n", text[0]) != NULL &&
	    text[0] != '\0';
}

/* Of a batch all of it has been looked at; see relay_may_follow(). */
static enum route_why
relay_proof(struct relay *relay, const char *text, size_t n)
{
	enum route_why	why;

	if (relay_limits(relay)->mode == POOL_MODE_SESSION)
		return WHY_SESSION_MODE;
	if (text == NULL || relay->state != RELAY_IDLE)
		return WHY_OTHER;
	if (relay->choice.primary_why != 0)
		return (enum route_why)relay->choice.primary_why;
	why = relay->choice.is_batch ? (enum route_why)relay->batch.why :
	    relay_text_why(relay, text, n);
	if (relay->block.state == BEGIN_HELD ||
	    (relay->choice.is_batch && relay->batch.begins_inside))
		return relay_begin_why(relay, why);
	return why == WHY_READ &&
	    settings_are_serializable(relay->settings.wanted) ?
	    WHY_SERIALIZABLE : why;
}

static enum need
relay_need(struct relay *relay, const char *text, size_t n)
{
	enum route	route = relay_route(relay);
	char		value[SQLWISH_VALUE_BYTES];
	bool		wishes = text != NULL && text_may_wish(text, n);

	if (wishes && sqlwish_comment(text, n, ROUTE_NAME, value))
		choice_parse(CHOICE_ROUTE, value, &route);
	switch (route) {
	case ROUTE_REPLICA:
		relay->choice.why = WHY_WISH_REPLICA;
		return NEED_READ;
	case ROUTE_ANY:
		relay->choice.why = WHY_WISH_ANY;
		return NEED_ANY;
	case ROUTE_SPLIT:
		relay->reads.heeds_writes = true;
		relay->choice.why = relay_proof(relay, text, n);
		relay->choice.wants_read = relay->choice.why == WHY_READ ||
		    relay->choice.why == WHY_READ_ONLY ||
		    relay->choice.why == WHY_SPLIT_BLOCK;
		return relay->choice.wants_read ? NEED_READ : NEED_WRITE;
	default:
		relay->choice.why = WHY_WISH_PRIMARY;
		return NEED_WRITE;
	}
}

void
relay_choose(struct relay *relay, const char *text, size_t n)
{
	if (!pool_has_choice(relay->client->pool))
		return;
	relay->choice.wants_read = relay->reads.heeds_writes = false;
	relay->choice.need = relay_need(relay, text, n);
	relay->choice.has_need = true;
	/* A login needs no more than an answer. */
	if (relay->state == RELAY_GREETING &&
	    pool_set_choose(relay->client->pool->set, relay->choice.need,
	    NULL) == NULL)
		relay->choice.need = NEED_ANY;
}

struct server *
relay_ask(struct relay *relay)
{
	struct pool	*pool = relay->client->pool;

	if (pool_has_choice(pool)) {
		if (relay->choice.need == NEED_READ &&
		    relay->state != RELAY_GREETING)
			return relay_ask_for_reader(relay);
		return pool_set_take(pool->set, relay->choice.need, NULL,
		    &relay->ticket);
	}
	relay->ticket.set = pool->set;
	relay->ticket.need = relay->choice.need;
	return pool_take(pool, &relay->ticket);
}

/*
 * Waiting.
 */

static void
relay_explain_no_host(struct relay *relay, char *text, size_t size)
{
	char	trouble[400], limit[32];

	pool_set_explain(relay->ticket.set, trouble, sizeof trouble);
	text_seconds(relay_limits(relay)->failover_wait_us, limit,
	    sizeof limit);
	snprintf(text, size, "no host for this %s was there within "
	    "failover_wait (%s): %s", relay->choice.need == NEED_WRITE ?
	    "transaction that may write" : "transaction", limit, trouble);
}

void
relay_refuse_no_host(struct relay *relay)
{
	char	text[1000];

	relay_explain_no_host(relay, text, sizeof text);
	if (!pool_withdraw(relay->ticket.pool, &relay->ticket))
		return;		/* one has come after all */
	relay_set_state(relay, RELAY_IDLE);
	relay_refuse_held(relay, reason_sqlstate(REASON_NO_PRIMARY), text,
	    NULL);
}

static void
relay_on_no_host(struct loop *loop, struct deadline *deadline)
{
	(void)loop;
	relay_refuse_no_host(relay_of_deadline(deadline));
}

/* What it waits for; the pool's line is told in PgBouncer's words. */
static void
relay_explain_wait(struct relay *relay, char *text, size_t size)
{
	char	trouble[1000], limit[32];

	if (!relay->ticket.waits_for_host) {
		pool_explain_wait(relay->ticket.pool, NULL, trouble,
		    sizeof trouble);
		snprintf(text, size, "No server connection available in "
		    "postgres backend, client being queued: %s", trouble);
		return;
	}
	pool_set_explain(relay->ticket.set, trouble, sizeof trouble);
	text_seconds(relay_limits(relay)->failover_wait_us, limit,
	    sizeof limit);
	snprintf(text, size, "waiting for a host, %s at most: %s", limit,
	    trouble);
}

/* Until the limit; a wait that has begun elsewhere goes on. */
static void
relay_watch_limit(struct relay *relay, int64_t waited_us)
{
	const struct pool_settings *limits = relay_limits(relay);
	bool	 for_host = relay->ticket.waits_for_host;
	int64_t	 limit_us = for_host ? limits->failover_wait_us :
		    limits->query_wait_timeout_us;

	if (limit_us > 0)
		limit_us = limit_us > waited_us ? limit_us - waited_us : 1;
	deadline_set(relay->client->loop, &relay->client->deadline, limit_us,
	    for_host ? relay_on_no_host : relay_on_wait_timeout);
}

static void
relay_on_long_wait(struct loop *loop, struct deadline *deadline)
{
	struct relay		*relay = relay_of_deadline(deadline);
	char			 text[1200];
	struct error_fields	 fields = { .severity = "NOTICE",
				    .sqlstate = "57P03", .message = text };
	struct buf		 notice;
	int64_t			 waited_us = loop_now_us(loop) -
				    relay->ticket.since_us;
	int64_t			 notify_us = atomic_load_explicit(
				    &relay_notify_us, memory_order_relaxed);

	relay_explain_wait(relay, text, sizeof text);
	buf_init(&notice);
	put_notice(&notice, &fields);
	relay_write(relay, &notice);
	/* A loop has few durations, however many wait. */
	if (notify_us > 0)
		waited_us -= waited_us % notify_us;
	relay_watch_limit(relay, waited_us);
}

void
relay_watch_wait(struct relay *relay)
{
	const struct pool_settings *limits = relay_limits(relay);
	int64_t	 limit_us = relay->ticket.waits_for_host ?
		    limits->failover_wait_us : limits->query_wait_timeout_us;
	int64_t	 notify_us = atomic_load_explicit(&relay_notify_us,
		    memory_order_relaxed);

	if (relay->ticket.awaits)
		relay_watch_catching_up(relay);
	else if (notify_us > 0 && (limit_us <= 0 || notify_us < limit_us))
		deadline_set(relay->client->loop, &relay->client->deadline,
		    notify_us, relay_on_long_wait);
	else
		relay_watch_limit(relay, 0);
}

/* The roles have changed: from the line of one host to that of another. */
void
relay_on_moved(struct ticket *ticket)
{
	struct relay	*relay = container_of(ticket, struct relay, ticket);
	struct server	*server;

	if (relay->state == RELAY_CLOSED) {
		relay_free(relay);
		return;
	}
	if (relay->state == RELAY_GREETING) {
		relay_greet_take(relay);
		return;
	}
	ticket->keeps_since = true;
	if ((server = relay_ask(relay)) != NULL)
		relay_on_granted(ticket, server);
	else
		relay_watch_wait(relay);
}
