/*
 * SHOW HOSTS: every host, what its monitor has found, and what it is used
 * for.  A row for each cluster that it belongs to; a host that stands alone
 * is asked by nobody.
 *
 * In the main thread, which is the one that writes what is told here.
 */

#include <stdio.h>

#include "base/clock.h"
#include "ops/show_private.h"
#include "pool/backend.h"
#include "pool/cluster.h"
#include "pool/pool.h"

static const char	*const roles[] = {
	[ROLE_UNKNOWN] = "",
	[ROLE_PRIMARY] = "primary",
	[ROLE_REPLICA] = "replica",
};

static const char	*const healths[] = {
	[HEALTH_UNKNOWN] = "unknown",
	[HEALTH_UP] = "up",
	[HEALTH_MUTE] = "mute",
	[HEALTH_DOWN] = "down",
};

static const char	*const uses[] = {
	[USE_NONE] = "nothing",
	[USE_UNKNOWN] = "unknown",
	[USE_LATE] = "nothing",
	[USE_READ] = "reads",
	[USE_WRITE] = "writes",
};

static int
host_connections(const struct backend *backend)
{
	struct pool_numbers	 numbers;
	struct pool		*pool;
	int			 sum = 0;

	for (pool = pool_each(NULL); pool != NULL; pool = pool_each(pool))
		if (pool->backend == backend) {
			pool_count(pool, 0, &numbers);
			sum += numbers.total;
		}
	return sum;
}

static void
show_host(struct show *show, struct backend *backend,
    const struct cluster *cluster, enum use use)
{
	char	address[ADDR_TEXT_BYTES] = "", lag[32], seen[32];
	int64_t	seen_us = atomic_load(&backend->seen_us);
	bool	is_asked = cluster != NULL;

	pthread_mutex_lock(&backend->shared.mutex);
	if (backend->shared.address_count > 0)
		addr_print_host(&backend->shared.addresses[0], address,
		    sizeof address);
	pthread_mutex_unlock(&backend->shared.mutex);
	snprintf(lag, sizeof lag, "%.3f",
	    (double)atomic_load(&backend->lag_us) / US_PER_SECOND);
	snprintf(seen, sizeof seen, "%.3f",
	    (double)(clock_now_us() - seen_us) / US_PER_SECOND);
	show_text(show, backend->host);
	show_number(show, backend->port);
	show_text(show, address);
	show_text(show, roles[atomic_load(&backend->says)]);
	show_text(show, !is_asked ? "not asked" : use == USE_LATE ?
	    "late" : healths[atomic_load(&backend->health)]);
	show_text(show, is_asked ? uses[use] : "writes");
	show_number(show, atomic_load(&backend->lag_bytes));
	show_text(show, is_asked ? lag : NULL);
	show_number(show, atomic_load(&backend->timeline));
	show_text(show, seen_us > 0 ? seen : NULL);
	show_number(show, host_connections(backend));
	show_text(show, cluster != NULL ? cluster->name : "");
	show_text(show, backend->report.error);
	show_row(show);
}

static void
show_members(struct show *show, const struct cluster *cluster)
{
	struct backend	*backend;

	for (int i = 0; i < CLUSTER_MEMBERS_MAX; i++) {
		backend = atomic_load(&cluster->members[i].backend);
		if (backend != NULL)
			show_host(show, backend, cluster, (enum use)
			    atomic_load(&cluster->members[i].use));
	}
}

static bool
host_is_used(const struct backend *backend)
{
	struct pool	*pool;

	for (pool = pool_each(NULL); pool != NULL; pool = pool_each(pool))
		if (pool->backend == backend &&
		    !atomic_load(&pool->is_retired) &&
		    (pool->set == NULL || host_connections(backend) > 0))
			return true;
	return false;
}

void
show_fill_hosts(struct show *show, struct loop *loop)
{
	struct cluster	*cluster;
	struct backend	*backend;

	if (loop->index != 0)
		return;
	for (cluster = cluster_each(NULL); cluster != NULL;
	    cluster = cluster_each(cluster))
		show_members(show, cluster);
	for (backend = backend_each(NULL); backend != NULL;
	    backend = backend_each(backend))
		if (!clusters_have(backend) && host_is_used(backend))
			show_host(show, backend, NULL, USE_NONE);
}
