/*
 * Asking a host what it is; see pool/monitor.h.
 *
 *	CLOSED -> RESOLVING -> CONNECTING -> IDLE <-> ASKING
 *	any -> CLOSED		failed, or silent for role_check_timeout
 *
 * A tick every role_check_interval moves it on: a closed one connects, an
 * idle one asks.  monitor_look() does the same between two ticks, and after a
 * failure of a connection that was good there is one more attempt at once,
 * so that a host that is gone is found out without waiting for a tick.
 *
 * libpq does not tell the SQLSTATE of a refused login.  It is known whether a
 * connection was made at all, and what libpq itself says (in English: no
 * locale is set) when the other side closes without a word; anything else
 * are words of PostgreSQL's, and say nothing about its role.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "net/loop.h"
#include "pool/backend.h"
#include "pool/cluster.h"
#include "pool/libpq.h"
#include "pool/monitor.h"

/* Shorter ones would ask without a pause. */
#define INTERVAL_LEAST_US	(10 * US_PER_MS)
/* A replica that somebody waits for is asked this often. */
#define REPLICA_LEAST_US	(5 * US_PER_MS)

/* The question as a prepared statement of the connection. */
enum monitor_plan {
	PLAN_NONE,
	PLAN_ASKED,
	PLAN_MADE,
	PLAN_NOT,		/* it did not work: asked as it is */
};

#define MONITOR_STATEMENT	"pgweir_monitor"

enum monitor_state {
	MONITOR_CLOSED,
	MONITOR_RESOLVING,
	MONITOR_CONNECTING,
	MONITOR_IDLE,
	MONITOR_ASKING,
};

struct monitor {
	struct backend		*backend;
	char			*database;	/* the entry's name */
	enum monitor_state	 state;
	enum monitor_plan	 plan;
	bool			 is_stopped;
	bool			 was_good;	/* it has answered here */
	uint32_t		 doubts;	/* when it was asked */
	uint64_t		 number;	/* of that question */
	int64_t			 asked_us;
	bool			 again;		/* somebody came too late */
	struct libpq		 libpq;
	struct config		*config;	/* held unless closed */
	struct deadline		 tick, limit;
	struct letter		 resolved;
};

static struct loop	*monitors_main;

static void	monitor_move(struct monitor *);
static void	monitor_hurry(struct monitor *);

/*
 * Its role; system, start and timeline, which is not in the control file
 * before the first checkpoint after a promotion; how far it is.  What only a
 * primary or only a replica can be asked stands behind CASE.
 */
static const char	monitor_query[] =
    "SELECT r.standby, s.system_identifier, "
    "(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::int8, "
    "CASE WHEN r.standby THEN (SELECT greatest((SELECT received_tli FROM "
    "pg_stat_wal_receiver), x.min_recovery_end_timeline, c.timeline_id) FROM "
    "pg_control_recovery() x, pg_control_checkpoint() c)::int8 ELSE "
    "('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))"
    "::bit(32)::int8 END, "
    "pg_wal_lsn_diff(CASE WHEN r.standby THEN "
    "coalesce(pg_last_wal_replay_lsn(), '0/0') ELSE "
    "pg_current_wal_insert_lsn() END, '0/0')::int8, "
    "CASE WHEN r.standby THEN coalesce(extract(epoch FROM clock_timestamp() "
    "- pg_last_xact_replay_timestamp()) * 1000000, 0)::int8 ELSE 0 END, "
    "current_setting('wal_block_size')::int8, "
    "pg_size_bytes(current_setting('wal_segment_size')) "
    "FROM (SELECT pg_is_in_recovery() AS standby OFFSET 0) r, "
    "pg_control_system() s";

enum { MONITOR_COLUMNS = 8 };
/* What stands at the beginning of a page, and of a segment. */
enum { WAL_PAGE_HEAD = 24, WAL_SEGMENT_HEAD = 40 };

void
monitors_init(struct loop *main_loop)
{
	monitors_main = main_loop;
}

/*
 * What was found.
 */

static void
monitor_tell(struct monitor *monitor, enum health health, const char *error)
{
	struct backend	*backend = monitor->backend;
	enum health	 before = (enum health)atomic_load(&backend->health);
	size_t		 n;

	snprintf(backend->report.error, sizeof backend->report.error, "%s",
	    error);
	/* libpq's have several lines. */
	n = strlen(backend->report.error);
	while (n > 0 && backend->report.error[n - 1] == '\n')
		backend->report.error[--n] = '\0';
	for (n = 0; backend->report.error[n] != '\0'; n++)
		if (strchr("\n\t", backend->report.error[n]) != NULL)
			backend->report.error[n] = ' ';
	if (health != before && health != HEALTH_UP)
		log_warning(NULL, "host %s %s: %s", backend->name,
		    health == HEALTH_DOWN ? "is down" :
		    "cannot be asked what it is", backend->report.error);
	else if (health != before)
		log_info(NULL, "host %s answers: it is a %s", backend->name,
		    backend->report.role == ROLE_PRIMARY ? "primary" :
		    "replica");
	atomic_store(&backend->health, health);
	clusters_judge(backend);
}

static void
monitor_close(struct monitor *monitor)
{
	libpq_close(&monitor->libpq);
	deadline_clear(monitors_main, &monitor->limit);
	config_release(monitor->config);
	monitor->config = NULL;
	monitor->state = MONITOR_CLOSED;
	monitor->plan = PLAN_NONE;
}

/* Ordinary connections may be answered although we are not. */
static bool
monitor_is_alive_elsewhere(const struct monitor *monitor)
{
	struct config	*config = config_current();
	int64_t		 limit_us = config->option.role_check_timeout_us;

	config_release(config);
	return loop_now_us(monitors_main) -
	    atomic_load(&monitor->backend->alive_us) < limit_us;
}

static bool
monitor_lacks_descriptors(void)
{
	int	fd = dup(STDERR_FILENO);

	if (fd < 0)
		return errno == EMFILE || errno == ENFILE;
	close(fd);
	return false;
}

static bool
monitor_was_refused(const struct monitor *monitor, const char *error)
{
	static const char	*const libpqs[] = {
		"server closed the connection unexpectedly",
		"could not receive data from server",
		"could not send data to server",
		"SSL SYSCALL error",
	};

	if (!monitor->libpq.is_met)
		return !monitor_lacks_descriptors();
	for (size_t i = 0; i < ARRAY_LENGTH(libpqs); i++)
		if (strstr(error, libpqs[i]) != NULL)
			return true;
	return false;
}

static void
monitor_fail(struct monitor *monitor, const char *why)
{
	bool	again = monitor->was_good;
	bool	refused = monitor_was_refused(monitor, why);
	char	error[300];

	/* md5 and SCRAM secrets are of no use to libpq. */
	if (PQconnectionNeedsPassword(monitor->libpq.connection))
		snprintf(error, sizeof error, "%.*s, and libpq takes a plain "
		    "one only: set monitor_password",
		    (int)strcspn(why, "\n"), why);
	else
		snprintf(error, sizeof error, "%s", why);
	monitor_close(monitor);
	monitor->was_good = false;
	if (again) {
		/* It may have been restarted: a new connection will tell. */
		monitor_move(monitor);
		return;
	}
	monitor_tell(monitor, refused ? HEALTH_DOWN : HEALTH_MUTE, error);
}

static void
monitor_on_limit(struct loop *loop, struct deadline *deadline)
{
	struct monitor	*monitor = container_of(deadline, struct monitor,
			    limit);

	(void)loop;
	monitor_close(monitor);
	monitor->was_good = false;
	monitor_tell(monitor, monitor_is_alive_elsewhere(monitor) ?
	    HEALTH_MUTE : HEALTH_DOWN,
	    "it did not answer within role_check_timeout");
}

/*
 * Asking.
 */

static int64_t
monitor_number(PGresult *result, int column)
{
	return strtoll(PQgetvalue(result, 0, column), NULL, 10);
}

/*
 * Where the next record will be inserted is behind the head of its page, and
 * a replica that has replayed all there is stands in front of it.
 */
static int64_t
monitor_position(PGresult *result)
{
	int64_t	lsn = monitor_number(result, 4);

	if (lsn % monitor_number(result, 7) == WAL_SEGMENT_HEAD)
		return lsn - WAL_SEGMENT_HEAD;
	if (lsn % monitor_number(result, 6) == WAL_PAGE_HEAD)
		return lsn - WAL_PAGE_HEAD;
	return lsn;
}

static void
monitor_take_result(struct monitor *monitor, PGresult *result)
{
	struct backend		*backend = monitor->backend;
	struct backend_report	*report = &backend->report;
	int64_t			 started_us = monitor_number(result, 2);
	bool			 renewed = report->started_us != 0 &&
				    report->started_us != started_us;

	report->role = PQgetvalue(result, 0, 0)[0] == 't' ? ROLE_REPLICA :
	    ROLE_PRIMARY;
	report->system_identifier = strtoull(PQgetvalue(result, 0, 1), NULL,
	    10);
	report->started_us = started_us;
	report->timeline = (uint32_t)monitor_number(result, 3);
	report->lsn = monitor_position(result);
	report->asked_us = monitor->asked_us;
	report->replay_age_us = monitor_number(result, 5);
	atomic_store(&backend->says, report->role);
	atomic_store(&backend->timeline, report->timeline);
	atomic_store(&backend->lsn, report->lsn);
	atomic_store(&backend->seen_us, loop_now_us(monitors_main));
	atomic_store(&backend->settled, monitor->doubts);
	monitor->was_good = true;
	if (renewed)
		clusters_renew(backend);
	monitor_tell(monitor, HEALTH_UP, "");
	if (report->role == ROLE_PRIMARY)
		clusters_tide(backend, monitor->number, report->timeline,
		    report->lsn);
	else if (clusters_replayed(backend))
		monitor->again = true;
}

static void
monitor_ask(struct monitor *monitor)
{
	monitor->doubts = atomic_load(&monitor->backend->doubts);
	monitor->number = tide_ask();
	monitor->asked_us = loop_now_us(monitors_main);
	monitor->again = false;
	monitor->state = MONITOR_ASKING;
	deadline_set(monitors_main, &monitor->limit,
	    monitor->config->option.role_check_timeout_us, monitor_on_limit);
	if (monitor->plan == PLAN_MADE)
		libpq_ask_prepared(&monitor->libpq, MONITOR_STATEMENT);
	else
		libpq_ask(&monitor->libpq, monitor_query, 0, NULL);
}

/* After the first answer; it is asked often, and long to plan. */
static void
monitor_prepare(struct monitor *monitor)
{
	monitor->plan = PLAN_ASKED;
	deadline_set(monitors_main, &monitor->limit,
	    monitor->config->option.role_check_timeout_us, monitor_on_limit);
	libpq_prepare(&monitor->libpq, MONITOR_STATEMENT, monitor_query);
}

static struct monitor *
monitor_of(struct libpq *libpq)
{
	return container_of(libpq, struct monitor, libpq);
}

static void
monitor_on_ready(struct libpq *libpq)
{
	monitor_ask(monitor_of(libpq));
}

static void
monitor_on_result(struct libpq *libpq, PGresult *result)
{
	struct monitor	*monitor = monitor_of(libpq);
	const char	*sqlstate;

	if (monitor->plan == PLAN_ASKED)
		monitor->plan = PQresultStatus(result) == PGRES_COMMAND_OK ?
		    PLAN_MADE : PLAN_NOT;
	else if (PQresultStatus(result) == PGRES_TUPLES_OK &&
	    PQntuples(result) == 1 && PQnfields(result) == MONITOR_COLUMNS)
		monitor_take_result(monitor, result);
	else {
		/* Promoted between two of its functions, perhaps. */
		monitor_tell(monitor, HEALTH_MUTE,
		    PQresultErrorMessage(result));
		/* Behind another pooler it may be gone. */
		sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
		if (sqlstate != NULL && strcmp(sqlstate, "26000") == 0)
			monitor->plan = PLAN_NOT;
	}
}

static void
monitor_on_answered(struct libpq *libpq)
{
	struct monitor	*monitor = monitor_of(libpq);

	if (monitor->plan == PLAN_NONE) {
		monitor_prepare(monitor);
		return;
	}
	monitor->state = MONITOR_IDLE;
	deadline_clear(monitors_main, &monitor->limit);
	if (monitor->doubts != atomic_load(&monitor->backend->doubts))
		monitor_ask(monitor);
	else if (monitor->again)
		monitor_hurry(monitor);
}

static void
monitor_on_failed(struct libpq *libpq, const char *why)
{
	monitor_fail(monitor_of(libpq), why);
}

static const struct libpq_handlers	monitor_handlers = {
	.ready = monitor_on_ready,
	.result = monitor_on_result,
	.answered = monitor_on_answered,
	.failed = monitor_on_failed,
};

/*
 * Connecting.
 */

static void
monitor_connect(struct monitor *monitor, const struct addr *addr)
{
	const struct database	*entry = config_database(monitor->config,
				    monitor->database);
	struct libpq_login	 login = {
		.config = monitor->config,
		.backend = monitor->backend,
		.addr = addr,
		.name = "pgweir monitor",
	};

	if (!libpq_introduce(&login, entry)) {
		monitor->libpq.is_met = true;
		monitor_fail(monitor, "no user is known who could ask: set "
		    "monitor_user and monitor_password");
		return;
	}
	login.database = entry != NULL && entry->dbname != NULL ?
	    entry->dbname : strcmp(monitor->database, "*") == 0 ?
	    "postgres" : monitor->database;
	monitor->state = MONITOR_CONNECTING;
	libpq_open(&monitor->libpq, monitors_main, &monitor_handlers, &login);
}

static void
monitor_on_resolved(struct loop *loop, struct letter *letter)
{
	struct monitor	*monitor = container_of(letter, struct monitor,
			    resolved);
	struct addr	 addr;

	(void)loop;
	if (monitor->state != MONITOR_RESOLVING)
		return;
	if (backend_address(monitor->backend, &addr, monitors_main, NULL))
		monitor_connect(monitor, &addr);
	else
		monitor_fail(monitor, "its name cannot be resolved");
}

static void
monitor_open(struct monitor *monitor)
{
	struct addr	addr;

	monitor->config = config_current();
	monitor->state = MONITOR_RESOLVING;
	monitor->resolved.read = monitor_on_resolved;
	deadline_set(monitors_main, &monitor->limit,
	    monitor->config->option.role_check_timeout_us, monitor_on_limit);
	/* Members are literal or pinned: they have an address. */
	if (backend_address(monitor->backend, &addr, monitors_main, NULL))
		monitor_connect(monitor, &addr);
	else
		monitor_fail(monitor, "its name cannot be resolved");
}

static void
monitor_move(struct monitor *monitor)
{
	if (monitor->is_stopped)
		return;
	if (monitor->state == MONITOR_CLOSED)
		monitor_open(monitor);
	else if (monitor->state == MONITOR_IDLE)
		monitor_ask(monitor);
}

static void
monitor_on_tick(struct loop *loop, struct deadline *deadline)
{
	struct monitor	*monitor = container_of(deadline, struct monitor,
			    tick);
	struct config	*config = config_current();
	int64_t		 interval_us = config->option.role_check_interval_us;

	config_release(config);
	deadline_set(loop, &monitor->tick, interval_us > INTERVAL_LEAST_US ?
	    interval_us : INTERVAL_LEAST_US, monitor_on_tick);
	monitor_move(monitor);
}

/*
 * Before its tick.  The answer to a question that is out may be too old for
 * who wants to know now.  A replica is not asked more often than it matters.
 */
static void
monitor_hurry(struct monitor *monitor)
{
	bool	is_replica = atomic_load(&monitor->backend->says) ==
		    ROLE_REPLICA;

	if (monitor->is_stopped)
		return;
	if (monitor->state == MONITOR_ASKING)
		monitor->again = true;
	else if (is_replica && loop_now_us(monitors_main) -
	    monitor->asked_us < REPLICA_LEAST_US)
		deadline_set(monitors_main, &monitor->tick, REPLICA_LEAST_US,
		    monitor_on_tick);
	else
		monitor_move(monitor);
}

void
monitor_start(struct backend *backend, const char *database)
{
	struct monitor	*monitor = backend->monitor;

	if (monitor != NULL && !monitor->is_stopped)
		return;
	if (monitor == NULL) {
		monitor = backend->monitor = mem_new(sizeof *monitor);
		monitor->backend = backend;
	}
	free(monitor->database);
	monitor->database = mem_string(database);
	monitor->is_stopped = false;
	/* What it was in a former life does not count. */
	memset(&backend->report, 0, sizeof backend->report);
	atomic_store(&backend->says, ROLE_UNKNOWN);
	atomic_store(&backend->health, HEALTH_UNKNOWN);
	deadline_set(monitors_main, &monitor->tick, INTERVAL_LEAST_US,
	    monitor_on_tick);
}

void
monitor_stop(struct backend *backend)
{
	struct monitor	*monitor = backend->monitor;

	if (monitor == NULL)
		return;
	monitor->is_stopped = true;
	monitor->was_good = false;
	deadline_clear(monitors_main, &monitor->tick);
	monitor_close(monitor);
}

/*
 * From other threads.
 */

static void
monitor_on_wish(struct loop *loop, struct letter *letter)
{
	struct backend	*backend = container_of(letter, struct backend, look);

	(void)loop;
	atomic_store(&backend->is_looked_for, false);
	clusters_judge(backend);
	if (backend->monitor != NULL)
		monitor_hurry(backend->monitor);
}

void
monitor_look(struct backend *backend)
{
	if (monitors_main == NULL ||
	    atomic_exchange(&backend->is_looked_for, true))
		return;
	backend->look.read = monitor_on_wish;
	loop_post(monitors_main, &backend->look);
}

void
monitor_doubt(struct backend *backend)
{
	atomic_fetch_add(&backend->doubts, 1);
	monitor_look(backend);
}
