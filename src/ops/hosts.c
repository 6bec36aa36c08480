/*
 * See ops/hosts.h.
 */

#include <stdlib.h>

#include "base/mem.h"
#include "net/loop.h"
#include "ops/hosts.h"
#include "ops/metrics_text.h"
#include "ops/process.h"
#include "pool/pool.h"

static const char	*const host_roles[] = {
	[ROLE_UNKNOWN] = "",
	[ROLE_PRIMARY] = "primary",
	[ROLE_REPLICA] = "replica",
};

static const char	*const host_states[] = {
	[HEALTH_UNKNOWN] = "unknown",
	[HEALTH_UP] = "up",
	[HEALTH_MUTE] = "mute",
	[HEALTH_DOWN] = "down",
};

/*
 * A host that stands alone is asked by nobody: what its pools have met counts.
 * One that has servers, or has not failed, is taken to be up.
 */
static const char *
host_state_alone(const struct backend *backend, bool *is_used)
{
	struct pool		*pool;
	struct pool_numbers	 numbers;
	bool			 has_server, fails = false;

	*is_used = false;
	for (pool = pool_each(NULL); pool != NULL; pool = pool_each(pool)) {
		if (pool->backend != backend)
			continue;
		pool_count(pool, 0, &numbers);
		has_server = numbers.total > numbers.opening;
		fails = fails || numbers.fails;
		*is_used = *is_used || has_server ||
		    !atomic_load(&pool->is_retired);
		if (has_server)
			return "up";
	}
	return fails ? "down" : "up";
}

void
hosts_each(void (*each)(void *, const struct host_row *), void *arg)
{
	struct cluster	*cluster;
	struct host_row	 host;
	bool		 is_used;

	for (cluster = cluster_each(NULL); cluster != NULL;
	    cluster = cluster_each(cluster))
		for (int i = 0; i < CLUSTER_MEMBERS_MAX; i++) {
			host.backend = atomic_load(
			    &cluster->members[i].backend);
			if (host.backend == NULL)
				continue;
			host.cluster = cluster;
			host.use = (enum use)atomic_load(
			    &cluster->members[i].use);
			host.role = host_roles[atomic_load(
			    &host.backend->says)];
			host.state = host_states[atomic_load(
			    &host.backend->health)];
			each(arg, &host);
		}
	for (host.backend = backend_each(NULL); host.backend != NULL;
	    host.backend = backend_each(host.backend)) {
		if (clusters_have(host.backend))
			continue;
		host.cluster = NULL;
		host.use = USE_WRITE;
		host.role = "";
		host.state = host_state_alone(host.backend, &is_used);
		if (is_used)
			each(arg, &host);
	}
}

struct hosts_wanted {
	bool	writes, is_there, are_any;
};

static void
hosts_on_wanted(void *arg, const struct host_row *host)
{
	struct hosts_wanted	*wanted = arg;

	wanted->are_any = true;
	if (host->state[0] == 'd' || host->use < USE_READ)
		return;
	/* A primary serves reads where there is no replica. */
	if (!wanted->writes || host->use == USE_WRITE)
		wanted->is_there = true;
}

/* Before anybody has come, a host that stands alone is not known yet. */
bool
hosts_have(bool writes)
{
	struct hosts_wanted	wanted = { .writes = writes };

	hosts_each(hosts_on_wanted, &wanted);
	return wanted.is_there || !wanted.are_any;
}

struct host_try {
	struct letter	 letter;
	struct pool	*pool;
};

/* In a worker, as for a client. */
static void
host_on_try(struct loop *loop, struct letter *letter)
{
	struct host_try	*attempt = container_of(letter, struct host_try,
			    letter);

	pool_try(attempt->pool, loop);
	free(attempt);
}

static bool
host_try(const struct backend *backend)
{
	struct pool		*pool, *any = NULL;
	struct pool_numbers	 numbers;
	struct host_try		*attempt;

	for (pool = pool_each(NULL); pool != NULL; pool = pool_each(pool)) {
		if (pool->backend != backend ||
		    atomic_load(&pool->is_retired))
			continue;
		pool_count(pool, 0, &numbers);
		if (numbers.total > numbers.opening)
			return false;
		any = pool;
	}
	if (any == NULL)
		return false;
	attempt = mem_new(sizeof *attempt);
	attempt->pool = any;
	attempt->letter.read = host_on_try;
	loop_post(process.loop(1), &attempt->letter);
	return true;
}

bool
hosts_try(void)
{
	struct backend	*backend;
	bool		 some = false;

	for (backend = backend_each(NULL); backend != NULL;
	    backend = backend_each(backend))
		if (!clusters_have(backend) && host_try(backend))
			some = true;
	return some;
}

/*
 * Families.
 */

static double
host_is_up(const struct host_row *host)
{
	return host->state[0] == 'u' && host->state[1] == 'p';
}

static double
host_takes_writes(const struct host_row *host)
{
	return host->use == USE_WRITE;
}

static double
host_takes_reads(const struct host_row *host)
{
	return host->use == USE_READ;
}

static double
host_lag_seconds(const struct host_row *host)
{
	return (double)atomic_load(&host->backend->lag_us) / 1e6;
}

static double
host_lag_bytes(const struct host_row *host)
{
	return (double)atomic_load(&host->backend->lag_bytes);
}

static double
host_timeline(const struct host_row *host)
{
	return (double)atomic_load(&host->backend->timeline);
}

struct host_family {
	const char	*name, *help;
	double		(*value)(const struct host_row *);
};

static const struct host_family	host_families[] = {
	{ "pgweir_host_up", "1: it answers", host_is_up },
	{ "pgweir_host_takes_writes", "1: it is the primary for pgweir",
	    host_takes_writes },
	{ "pgweir_host_takes_reads", "1: it is a replica that may be used",
	    host_takes_reads },
	{ "pgweir_host_replay_lag_seconds",
	    "how old what a replica has replayed is", host_lag_seconds },
	{ "pgweir_host_replay_lag_bytes",
	    "how far a replica is behind the primary", host_lag_bytes },
	{ "pgweir_host_timeline", "its timeline, 0 where nobody asks",
	    host_timeline },
};

struct hosts_sample {
	struct buf			*out;
	const struct host_family	*family;
};

static void
hosts_on_sample(void *arg, const struct host_row *host)
{
	struct hosts_sample	*sample = arg;

	metrics_open(sample->out, sample->family->name);
	metrics_label(sample->out, "host", host->backend->name);
	metrics_label(sample->out, "cluster",
	    host->cluster != NULL ? host->cluster->name : "");
	metrics_value(sample->out, sample->family->value(host));
}

/* One counter of each cluster. */
static void
metrics_clusters(struct buf *out, const char *name, const char *help,
    size_t offset)
{
	struct cluster	*cluster;

	metrics_head(out, name, "counter", help);
	for (cluster = cluster_each(NULL); cluster != NULL;
	    cluster = cluster_each(cluster)) {
		metrics_open(out, name);
		metrics_label(out, "cluster", cluster->name);
		metrics_value(out, (double)atomic_load(
		    (_Atomic uint64_t *)((char *)cluster + offset)));
	}
}

void
metrics_hosts(struct buf *out)
{
	for (size_t i = 0; i < sizeof host_families /
	    sizeof host_families[0]; i++) {
		struct hosts_sample	sample = { out, &host_families[i] };

		metrics_head(out, host_families[i].name, "gauge",
		    host_families[i].help);
		hosts_each(hosts_on_sample, &sample);
	}
	metrics_clusters(out, "pgweir_failovers_total",
	    "how often another host became the primary",
	    offsetof(struct cluster, failovers));
	metrics_clusters(out, "pgweir_role_conflicts_total",
	    "how often a primary was not believed",
	    offsetof(struct cluster, conflicts));
}
