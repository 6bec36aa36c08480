/*
 * Time limits.  client->deadline has one meaning at a time: waiting for a
 * server, a query that runs, a transaction that idles, a client that idles.
 */

#include <stdio.h>

#include "base/mem.h"
#include "base/text.h"
#include "config/choice.h"
#include "config/config.h"
#include "pool/pool_set.h"
#include "relay/relay_answer.h"
#include "relay/relay_choose.h"
#include "relay/relay_finish.h"
#include "relay/relay_private.h"
#include "relay/relay_timeouts.h"

_Atomic int64_t	relay_slow_us;

/* What the transaction was taken for, where there are several hosts. */
static void
relay_describe_route(const struct relay *relay, char *text, size_t size)
{
	static const char	*const needs[] = {
		[NEED_WRITE] = "a write", [NEED_READ] = "a read",
		[NEED_ANY] = "for any host",
	};

	text[0] = '\0';
	if (pool_has_choice(relay->client->pool))
		snprintf(text, size, "%s under route %s; ",
		    needs[relay->choice.need],
		    choice_name(CHOICE_ROUTE, (int)relay_route(relay)));
}

void
relay_log_slow(const struct relay *relay, int64_t now_us)
{
	const struct server	*server = relay->server;
	int64_t			 waited_us = relay->times.waited_us;
	char			 took[32], waited[32], route[64];

	relay_describe_route(relay, route, sizeof route);
	text_seconds(now_us - relay->times.query_us + waited_us, took,
	    sizeof took);
	text_seconds(waited_us, waited, sizeof waited);
	log_info(relay_who(relay), "slow query: %s, of it %s in line for a "
	    "server; %sserver %llu at %s, process %u", took, waited, route,
	    (unsigned long long)server->id, server->pool->backend->name,
	    (unsigned)server->backend_pid);
}

void
relay_on_wait_timeout(struct loop *loop, struct deadline *deadline)
{
	struct relay	*relay = relay_of_deadline(deadline);
	struct pool	*pool = relay->ticket.pool;
	char		 text[1000], limit[32];
	bool		 is_failing;

	(void)loop;
	if (!pool_withdraw(pool, &relay->ticket))
		return;		/* a server is on its way after all */
	text_seconds(relay_limits(relay)->query_wait_timeout_us, limit,
	    sizeof limit);
	is_failing = pool_explain_wait(pool, limit, text, sizeof text);
	relay_set_state(relay, RELAY_IDLE);
	relay_refuse_held(relay, reason_sqlstate(REASON_WAIT_TIMEOUT), text,
	    is_failing ? "No server could be opened: the last attempt says "
	    "why." :
	    "Raise the limit that is reached if the pool is always in use, "
	    "or query_wait_timeout to wait longer.");
}

void
relay_on_idle_timeout(struct loop *loop, struct deadline *deadline)
{
	struct relay	*relay = relay_of_deadline(deadline);
	char		 what[200];
	bool		 is_pinned = relay_idle_limit(relay) !=
			    relay_limits(relay)->client_idle_timeout_us;

	(void)loop;
	pins_text(relay->ties.pins, what, sizeof what);
	if (is_pinned)
		client_fail(relay->client, REASON_IDLE_CLIENT, "the "
		    "connection kept a server to itself (%s) and was idle "
		    "for longer than pinned_idle_timeout", what);
	else
		client_fail(relay->client, REASON_IDLE_CLIENT, "the "
		    "connection was idle for longer than "
		    "client_idle_timeout");
}

void
relay_on_idle_transaction(struct loop *loop, struct deadline *deadline)
{
	struct relay	*relay = relay_of_deadline(deadline);

	(void)loop;
	client_fail(relay->client, REASON_IDLE_TRANSACTION, "idle "
	    "transaction timeout: it was idle for longer than "
	    "idle_transaction_timeout and is rolled back");
}

void
relay_on_transaction_timeout(struct loop *loop, struct deadline *deadline)
{
	struct relay	*relay = container_of(deadline, struct relay,
			    times.deadline);

	(void)loop;
	client_fail(relay->client, REASON_TRANSACTION_TIMEOUT, "transaction "
	    "timeout: it ran for longer than transaction_timeout and is "
	    "rolled back");
}

void
relay_on_query_timeout(struct loop *loop, struct deadline *deadline)
{
	struct relay	*relay = relay_of_deadline(deadline);

	(void)loop;
	client_fail(relay->client, REASON_QUERY_TIMEOUT, "query timeout: "
	    "it ran for longer than query_timeout and is cancelled");
}
