/*
 * See ops/metrics.h: families of the whole process.
 */

#include <sys/resource.h>

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/errors.h"
#include "base/mem.h"
#include "base/reason.h"
#include "client/client.h"
#include "config/config.h"
#include "config/userlist.h"
#include "ops/hosts.h"
#include "ops/http.h"
#include "ops/metrics.h"
#include "ops/metrics_text.h"
#include "ops/overview.h"
#include "ops/process.h"
#include "pool/backend.h"
#include "pool/budget.h"
#include "pool/peers.h"
#include "session/prepared.h"
#include "session/settings.h"

/*
 * Errors and ends of connections.
 */

static int
metrics_compare_kinds(const void *a, const void *b)
{
	const struct error_kind	*one = a, *other = b;
	int			 order = (int)one->last.is_servers -
				    (int)other->last.is_servers;

	return order != 0 ? order :
	    strcmp(one->last.sqlstate, other->last.sqlstate);
}

/* What nobody was told yet counts 0. */
static size_t
metrics_possible_errors(struct error_kind *kinds)
{
	size_t	n = 0;

	for (int i = REASON_NONE + 1; i < REASON_COUNT; i++) {
		kinds[n] = (struct error_kind){ 0 };
		snprintf(kinds[n].last.sqlstate,
		    sizeof kinds[n].last.sqlstate, "%s",
		    reason_sqlstate((enum reason)i));
		n++;
	}
	return n;
}

/*
 * Kinds that differ in the reason only are one series.  Those that pgweir may
 * tell are there from the start: a rate over a counter that appears with its
 * first event does not see that event.
 */
static void
metrics_errors(struct buf *out)
{
	static const char	 name[] = "pgweir_errors_total";
	struct error_kind	*kinds;
	uint64_t		 count = 0;
	size_t			 n;

	kinds = mem_new((REASON_COUNT + ERRORS_KINDS_MAX) * sizeof *kinds);
	n = metrics_possible_errors(kinds);
	n += errors_kinds(kinds + n);
	qsort(kinds, n, sizeof *kinds, metrics_compare_kinds);
	metrics_head(out, name, "counter", "errors that clients were told, by "
	    "who said it and SQLSTATE");
	for (size_t i = 0; i < n; i++) {
		count += kinds[i].count;
		if (i + 1 < n && metrics_compare_kinds(&kinds[i],
		    &kinds[i + 1]) == 0)
			continue;
		metrics_open(out, name);
		metrics_label(out, "source",
		    kinds[i].last.is_servers ? "server" : "pgweir");
		metrics_label(out, "sqlstate", kinds[i].last.sqlstate);
		metrics_value(out, (double)count);
		count = 0;
	}
	free(kinds);
}

static void
metrics_closed(struct buf *out, const char *name, const char *help,
    _Atomic uint64_t counts[REASON_COUNT])
{
	metrics_head(out, name, "counter", help);
	for (int i = REASON_NONE + 1; i < REASON_COUNT; i++) {
		metrics_open(out, name);
		metrics_label(out, "reason", reason_label((enum reason)i));
		metrics_value(out, (double)atomic_load(&counts[i]));
	}
}

/*
 * The process.
 */

static int64_t
metrics_descriptors(void)
{
	DIR	*directory = opendir("/proc/self/fd");
	int64_t	 n = 0;

	if (directory == NULL)
		return 0;
	while (readdir(directory) != NULL)
		n++;
	closedir(directory);
	return n - 3;		/* ".", ".." and the one of this */
}

static int64_t
metrics_resident_bytes(void)
{
	FILE	*file = fopen("/proc/self/statm", "re");
	long	 size, resident = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%ld %ld", &size, &resident) != 2)
		resident = 0;
	fclose(file);
	return resident * sysconf(_SC_PAGESIZE);
}

static void
metrics_process(struct buf *out)
{
	static const char	 cpu[] = "process_cpu_seconds_total";
	static const char	 hidden[] = "pgweir_log_lines_hidden_total";
	struct rusage		 usage;
	struct rlimit		 limit;
	int64_t			 age_us = clock_now_us() -
				    process.started_us;

	getrusage(RUSAGE_SELF, &usage);
	metrics_head(out, cpu, "counter", "CPU time, of user and system");
	metrics_open(out, cpu);
	metrics_value(out, (double)(usage.ru_utime.tv_sec +
	    usage.ru_stime.tv_sec) + (double)(usage.ru_utime.tv_usec +
	    usage.ru_stime.tv_usec) / 1e6);
	metrics_integer(out, "process_resident_memory_bytes",
	    "memory that is resident", metrics_resident_bytes());
	metrics_integer(out, "process_open_fds", "open file descriptors",
	    metrics_descriptors());
	getrlimit(RLIMIT_NOFILE, &limit);
	metrics_integer(out, "process_max_fds",
	    "file descriptors that are allowed", (int64_t)limit.rlim_cur);
	metrics_integer(out, "process_start_time_seconds",
	    "when the process started, since 1970",
	    (clock_wall_us() - age_us) / US_PER_SECOND);
	metrics_head(out, hidden, "counter",
	    "lines of the log that were counted instead of written");
	metrics_open(out, hidden);
	metrics_value(out, (double)log_hidden());
	metrics_integer(out, "pgweir_shutting_down",
	    "1 once the process has been asked to stop",
	    strcmp(process.state(), "active") != 0);
}

static void
metrics_version(struct buf *out)
{
	static const char	 name[] = "pgweir_info";

	metrics_head(out, name, "gauge", "the version, as a label");
	metrics_open(out, name);
	metrics_label(out, "version", PACKAGE_VERSION);
	metrics_value(out, 1);
	metrics_integer(out, "pgbouncer_up", "the scrape succeeded", 1);
}

static void
metrics_reloads(struct buf *out)
{
	static const char	 name[] = "pgweir_config_reloads_total";

	metrics_integer(out, "pgweir_config_last_reload_successful",
	    "0 when the last reload was refused and the configuration before "
	    "it stays in force", !process.reload_has_failed);
	metrics_integer(out, "pgweir_config_last_reload_success_timestamp_"
	    "seconds", "when the configuration in force was read, since 1970",
	    process.config_read_us / US_PER_SECOND);
	metrics_head(out, name, "counter", "reloads, by their result");
	for (int i = 0; i < 2; i++) {
		metrics_open(out, name);
		metrics_label(out, "result", i == 0 ? "success" : "failure");
		metrics_value(out, (double)process.reloads[i]);
	}
}

static void
metrics_lists(struct buf *out, const struct overview *overview)
{
	struct config	*config = config_current();
	size_t		 count, bytes;

	metrics_integer(out, "pgbouncer_databases",
	    "databases in the configuration",
	    (int64_t)config->database_count);
	metrics_integer(out, "pgbouncer_users", "users in auth_file",
	    (int64_t)userlist_count(config->userlist));
	metrics_integer(out, "pgbouncer_pools", "pools",
	    (int64_t)overview->pool_count);
	metrics_integer(out, "pgbouncer_used_clients",
	    "clients that have logged in",
	    atomic_load(&client_numbers.served));
	metrics_integer(out, "pgbouncer_login_clients",
	    "clients that are logging in",
	    atomic_load(&client_numbers.logging_in));
	metrics_integer(out, "pgbouncer_free_servers",
	    "servers that are idle",
	    overview->sum.idle + overview->sum.moving);
	metrics_integer(out, "pgbouncer_used_servers",
	    "servers that are in use or being opened", overview->sum.total -
	    overview->sum.idle - overview->sum.moving);
	metrics_integer(out, "pgbouncer_config_max_client_connections",
	    "max_client_conn", config->option.max_client_conn);
	metrics_integer(out, "pgbouncer_config_max_user_connections",
	    "max_user_connections", config->option.max_user_connections);
	statements_memory(&count, &bytes);
	metrics_integer(out, "pgweir_prepared_statements",
	    "texts of prepared statements that are kept", (int64_t)count);
	metrics_integer(out, "pgweir_prepared_statement_bytes",
	    "memory of those", (int64_t)bytes);
	settings_memory(&count, &bytes);
	metrics_integer(out, "pgweir_session_settings",
	    "different sets of settings that clients have", (int64_t)count);
	config_release(config);
}

static void
metrics_total(struct buf *out, const char *name, const char *help,
    uint64_t value)
{
	metrics_head(out, name, "counter", help);
	metrics_open(out, name);
	metrics_value(out, (double)value);
}

static void
metrics_on_budget(void *arg, const struct budget_row *row)
{
	struct buf	*out = arg;

	metrics_open(out, "pgweir_budget_connections");
	metrics_label(out, "host", row->backend->name);
	metrics_value(out, row->need < 0 ? INFINITY : (double)row->need);
}

static void
metrics_on_available(void *arg, const struct budget_row *row)
{
	struct buf	*out = arg;

	if (row->available == 0)
		return;
	metrics_open(out, "pgweir_budget_max_connections");
	metrics_label(out, "host", row->backend->name);
	metrics_value(out, (double)row->available);
}

static void
metrics_budget(struct buf *out)
{
	metrics_head(out, "pgweir_budget_connections", "gauge",
	    "connections that all processes of this service could open");
	budget_each(metrics_on_budget, out);
	metrics_head(out, "pgweir_budget_max_connections", "gauge",
	    "connections that the host lets in, less those reserved");
	budget_each(metrics_on_available, out);
}

static void
metrics_peers(struct buf *out)
{
	struct peers_counts	counts;

	peers_counts(&counts);
	metrics_integer(out, "pgweir_peers",
	    "other processes of this service that are known", peers_count());
	metrics_total(out, "pgweir_cancels_passed_total",
	    "cancel requests that were passed on to peers", counts.passed);
	metrics_total(out, "pgweir_cancels_passed_done_total",
	    "of them, those for which a peer said it was done", counts.done);
	metrics_total(out, "pgweir_cancels_dropped_total",
	    "cancel requests that were not passed on because too many were "
	    "under way", counts.dropped);
}

void
metrics_write(struct buf *out)
{
	struct overview	*overview = overview_new();

	metrics_version(out);
	metrics_lists(out, overview);
	metrics_pools(out, overview);
	metrics_hosts(out);
	metrics_peers(out);
	metrics_budget(out);
	metrics_errors(out);
	metrics_closed(out, "pgweir_client_disconnects_total",
	    "client connections that ended, by reason",
	    reason_clients_closed);
	metrics_closed(out, "pgweir_server_disconnects_total",
	    "server connections that ended, by reason",
	    reason_servers_closed);
	metrics_reloads(out);
	metrics_process(out);
	overview_free(overview);
}

void
metrics_serve(struct evhttp_request *request)
{
	int64_t		start_us = clock_now_us();
	struct buf	out;
	static const char name[] = "pgweir_scrape_duration_seconds";

	buf_init(&out);
	metrics_write(&out);
	metrics_head(&out, name, "gauge", "how long writing this took");
	metrics_open(&out, name);
	metrics_value(&out, (double)(clock_now_us() - start_us) / 1e6);
	http_answer(request, 200, "text/plain; version=0.0.4; charset=utf-8",
	    &out);
}
