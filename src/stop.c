/*
 * See stop.h.  The end of a state is looked for every POLL_US: what it waits
 * for are numbers that the workers write.
 */

#include <stdatomic.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "client/client.h"
#include "client/client_leave.h"
#include "config/config.h"
#include "daemon.h"
#include "front.h"
#include "net/loop.h"
#include "ops/suspend.h"
#include "pool/pool.h"
#include "stop.h"
#include "worker.h"

#define POLL_US		(20 * US_PER_MS)
/* What is left for cancels: this part of shutdown_timeout, at most so much. */
#define CUT_PART	5
#define CUT_US		(2 * US_PER_SECOND)
/* LAST lasts no longer: who was told to go is gone by then. */
#define LAST_US		(500 * US_PER_MS)

/* How often clients are looked for, for stop_after_clients. */
#define LOOK_US		(1 * US_PER_SECOND)

#define GOODBYE		"the pooler is shutting down; connect again"

enum stop_state {
	STOP_RUNNING,
	STOP_DELAYING,
	STOP_DRAINING,
	STOP_PAUSING,
	STOP_LAST,
};

static struct {
	struct loop		*loop;
	_Atomic enum stop_state	 state;
	bool			 is_limited;	/* by shutdown_timeout */
	const char		*why;
	int64_t			 gone_us;	/* when the last one left */
	int64_t			 spread_us;
	struct deadline		 delay;
	struct deadline		 cut;
	struct deadline		 timeout;
	struct deadline		 last;
	struct deadline		 idle;
	uint64_t		 logins;	/* at the last look */
	int64_t			 seen_us;	/* a client; 0: none yet */
	struct event		*poll;		/* has everybody gone? */
} stop;

static void	stop_drain(void);

const char *
stop_state_name(void)
{
	static const char	*const names[] = {
		[STOP_RUNNING] = "active",
		[STOP_DELAYING] = "shutting down",
		[STOP_DRAINING] = "draining",
		[STOP_PAUSING] = "pausing",
		[STOP_LAST] = "draining",
	};

	if (suspend_is_on())
		return "suspended";
	return names[atomic_load(&stop.state)];
}

/*
 * The end.
 */

static void
stop_end(const char *why)
{
	log_info(NULL, "stopping: %s", why);
	workers_stop();
	loop_stop(stop.loop);
}

static void
stop_on_last(struct loop *loop, struct deadline *deadline)
{
	(void)loop;
	(void)deadline;
	stop_end(stop.why);
}

/* Who came meanwhile is told so, watchers too. */
static void
stop_last(const char *why)
{
	stop.why = why;
	atomic_store(&stop.state, STOP_LAST);
	front_drain(false);
	workers_dismiss(REASON_SHUTDOWN, GOODBYE, true, 0);
	deadline_set(stop.loop, &stop.last, LAST_US, stop_on_last);
}

static bool
stop_is_quiet(void)
{
	struct pool	*pool;

	for (pool = pool_each(NULL); pool != NULL; pool = pool_each(pool))
		if (!pool_is_quiet(pool))
			return false;
	return true;
}

/* Whether a statement is being cancelled, or a transaction rolled back. */
static bool
stop_has_busy_servers(void)
{
	struct pool_numbers	 numbers;
	struct pool		*pool;

	for (pool = pool_each(NULL); pool != NULL; pool = pool_each(pool)) {
		pool_count(pool, 0, &numbers);
		if (numbers.linked > 0)
			return true;
	}
	return false;
}

/* What clients left behind is waited for a little longer. */
static void
stop_look_for_clients(void)
{
	if (clients_left() > 0) {
		stop.gone_us = 0;
		return;
	}
	if (stop.gone_us == 0)
		stop.gone_us = loop_now_us(stop.loop);
	if (!stop_has_busy_servers() ||
	    loop_now_us(stop.loop) - stop.gone_us > CUT_US)
		stop_last("all clients have gone");
}

static void
stop_on_poll(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	switch (atomic_load(&stop.state)) {
	case STOP_DRAINING:
		stop_look_for_clients();
		break;
	case STOP_PAUSING:
		if (stop_is_quiet())
			stop_end("no server is in use");
		break;
	case STOP_LAST:
		if (atomic_load(&client_numbers.total) == 0)
			stop_end(stop.why);
		break;
	default:
		break;
	}
	loop_run_tasks(stop.loop);
}

static void
stop_poll(void)
{
	struct timeval	interval = { 0, POLL_US };

	if (stop.poll == NULL)
		stop.poll = event_new(stop.loop->base, -1, EV_PERSIST,
		    stop_on_poll, NULL);
	event_add(stop.poll, &interval);
}

/*
 * SIGTERM.
 */

static void
stop_on_timeout(struct loop *loop, struct deadline *deadline)
{
	(void)loop;
	(void)deadline;
	log_warning(NULL, "shutdown_timeout is over");
	stop_end("shutdown_timeout");
}

static void
stop_on_cut(struct loop *loop, struct deadline *deadline)
{
	(void)deadline;
	if (atomic_load(&stop.state) == STOP_LAST)
		return;
	deadline_clear(loop, &stop.delay);
	if (clients_left() > 0)
		log_warning(NULL, "shutdown_timeout is nearly over and %d "
		    "clients are still connected: they are told to go, and "
		    "what they run is cancelled", clients_left());
	stop_drain();
	workers_dismiss(REASON_SHUTDOWN, GOODBYE, true, 0);
}

/* Nobody new: cancel requests of peers, and the console, may still come. */
static void
stop_close_front(void)
{
	atomic_store(&clients_are_leaving, true);
	front_drain(true);
}

static void
stop_drain(void)
{
	if (atomic_load(&stop.state) == STOP_DRAINING)
		return;
	atomic_store(&stop.state, STOP_DRAINING);
	stop_close_front();
	workers_dismiss(REASON_SHUTDOWN, GOODBYE, false, stop.spread_us);
	stop_poll();
}

static void
stop_on_delay(struct loop *loop, struct deadline *deadline)
{
	(void)loop;
	(void)deadline;
	stop_drain();
}

/* Transactions need some of the time, too. */
static int64_t
stop_spread_us(const struct option_values *option)
{
	int64_t	half_us = (option->shutdown_timeout_us -
		    option->shutdown_delay_us) / 2;

	if (half_us < 0)
		half_us = 0;
	return option->shutdown_spread_us < half_us ?
	    option->shutdown_spread_us : half_us;
}

static void
stop_terminate(void)
{
	struct config			*config = config_current();
	const struct option_values	*option = &config->option;
	int64_t		 cut_us = option->shutdown_timeout_us / CUT_PART;
	char		 delay[32], timeout[32];

	text_seconds(option->shutdown_delay_us, delay, sizeof delay);
	text_seconds(option->shutdown_timeout_us, timeout, sizeof timeout);
	log_info(NULL, "shutting down: new connections for %s more, then "
	    "clients leave at their transaction boundaries, all within %s",
	    delay, timeout);
	daemon_notify("STOPPING=1");
	stop.is_limited = true;
	stop.spread_us = stop_spread_us(option);
	atomic_store(&stop.state, STOP_DELAYING);
	deadline_set(stop.loop, &stop.timeout, option->shutdown_timeout_us,
	    stop_on_timeout);
	deadline_set(stop.loop, &stop.cut, option->shutdown_timeout_us -
	    (cut_us < CUT_US ? cut_us : CUT_US), stop_on_cut);
	if (option->shutdown_delay_us > 0)
		deadline_set(stop.loop, &stop.delay,
		    option->shutdown_delay_us, stop_on_delay);
	else
		stop_drain();
	config_release(config);
}

/*
 * After the last client.
 */

/* Short visits between two looks are seen by their number. */
static bool
stop_has_applications(void)
{
	uint64_t	logins = atomic_load(&client_numbers.logins);
	bool		came = logins != stop.logins;

	stop.logins = logins;
	return came || atomic_load(&client_numbers.served) >
	    atomic_load(&client_numbers.consoles);
}

static void
stop_on_idle_look(struct loop *loop, struct deadline *deadline)
{
	struct config	*config = config_current();
	int64_t		 idle_us = config->option.stop_after_clients_us;
	int64_t		 now_us = loop_now_us(loop);

	config_release(config);
	if (stop_has_applications())
		stop.seen_us = now_us;
	if (idle_us > 0 && stop.seen_us != 0 &&
	    now_us - stop.seen_us >= idle_us) {
		log_info(NULL, "no client is left: stop_after_clients");
		if (atomic_load(&stop.state) == STOP_RUNNING)
			stop_terminate();
		return;
	}
	deadline_set(loop, deadline, idle_us > 0 && idle_us / 4 < LOOK_US ?
	    idle_us / 4 + 1 : LOOK_US, stop_on_idle_look);
}

void
stop_init(struct loop *loop)
{
	stop.loop = loop;
	stop_on_idle_look(loop, &stop.idle);
}

/*
 * The other ways.
 */

/* As PgBouncer's SIGTERM: nobody is sent away, nobody new comes in. */
static void
stop_wait_for_clients(void)
{
	log_info(NULL, "shutting down when all clients have left");
	atomic_store(&stop.state, STOP_DRAINING);
	stop_close_front();
	stop_poll();
}

static void
stop_wait_for_servers(void)
{
	log_info(NULL, "shutting down when no server is in use");
	atomic_store(&stop.state, STOP_PAUSING);
	stop_close_front();
	pools_pause(NULL);
	stop_poll();
}

void
stop_begin(enum shutdown_mode mode)
{
	bool	again = atomic_load(&stop.state) != STOP_RUNNING;

	suspend_end("it shuts down");
	/* An end that waits for others, if need be for ever, gets a limit. */
	if (again && mode == SHUTDOWN_DRAIN && !stop.is_limited) {
		if (atomic_load(&stop.state) == STOP_PAUSING)
			pools_resume(NULL);
		stop_terminate();
		return;
	}
	if (mode == SHUTDOWN_NOW || (again && mode != SHUTDOWN_DRAIN))
		stop_end(again ? "asked again" : "at once");
	else if (again)
		return;
	else if (mode == SHUTDOWN_DRAIN)
		stop_terminate();
	else if (mode == SHUTDOWN_WAIT_FOR_CLIENTS)
		stop_wait_for_clients();
	else
		stop_wait_for_servers();
}
