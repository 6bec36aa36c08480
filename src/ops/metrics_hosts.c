/*
 * The families of /metrics that have hosts or clusters as labels.
 */

#include "base/clock.h"
#include "ops/metrics.h"
#include "pool/backend.h"
#include "pool/cluster.h"

static double
host_is_up(struct backend *backend, enum use use)
{
	(void)use;
	return atomic_load(&backend->health) == HEALTH_UP;
}

static double
host_is_writer(struct backend *backend, enum use use)
{
	(void)backend;
	return use == USE_WRITE;
}

static double
host_is_reader(struct backend *backend, enum use use)
{
	(void)backend;
	return use == USE_READ;
}

static double
host_lag_bytes(struct backend *backend, enum use use)
{
	(void)use;
	return (double)atomic_load(&backend->lag_bytes);
}

static double
host_lag_seconds(struct backend *backend, enum use use)
{
	(void)use;
	return (double)atomic_load(&backend->lag_us) / US_PER_SECOND;
}

static double
host_timeline(struct backend *backend, enum use use)
{
	(void)use;
	return atomic_load(&backend->timeline);
}

static const struct {
	const char	*name, *help;
	double		(*value)(struct backend *, enum use);
} host_families[] = {
	{ "pgweir_host_up", "whether it answers its monitor", host_is_up },
	{ "pgweir_host_writes", "whether it gets the writes",
	    host_is_writer },
	{ "pgweir_host_reads", "whether it gets reads as a replica",
	    host_is_reader },
	{ "pgweir_host_lag_bytes", "how far it is behind the primary",
	    host_lag_bytes },
	{ "pgweir_host_lag_seconds",
	    "age of what it has replayed last, 0 if nothing is missing",
	    host_lag_seconds },
	{ "pgweir_host_timeline", "its timeline", host_timeline },
};

static double
cluster_has_primary(struct cluster *cluster)
{
	return cluster_writer(cluster) != NULL;
}

static double
cluster_failovers(struct cluster *cluster)
{
	return (double)atomic_load(&cluster->failovers);
}

static double
cluster_conflicts(struct cluster *cluster)
{
	return (double)atomic_load(&cluster->conflicts);
}

static const struct {
	const char	*name, *type, *help;
	double		(*value)(struct cluster *);
} cluster_families[] = {
	{ "pgweir_cluster_has_primary", "gauge",
	    "whether some host gets the writes", cluster_has_primary },
	{ "pgweir_cluster_failovers_total", "counter",
	    "how often another host became the primary", cluster_failovers },
	{ "pgweir_cluster_conflicts_total", "counter",
	    "how often a host said it is the primary and did not get the "
	    "writes", cluster_conflicts },
};

static void
metrics_members(struct buf *out, const char *name, struct cluster *cluster,
    double (*value)(struct backend *, enum use))
{
	struct backend	*backend;

	for (int i = 0; i < CLUSTER_MEMBERS_MAX; i++) {
		backend = atomic_load(&cluster->members[i].backend);
		if (backend == NULL)
			continue;
		metrics_open(out, name);
		metrics_label(out, "cluster", cluster->name);
		metrics_label(out, "host", backend->name);
		metrics_value(out, value(backend, (enum use)
		    atomic_load(&cluster->members[i].use)));
	}
}

void
metrics_hosts(struct buf *out)
{
	struct cluster	*cluster;

	for (size_t f = 0; f < sizeof host_families /
	    sizeof host_families[0]; f++) {
		metrics_head(out, host_families[f].name, "gauge",
		    host_families[f].help);
		for (cluster = cluster_each(NULL); cluster != NULL;
		    cluster = cluster_each(cluster))
			metrics_members(out, host_families[f].name, cluster,
			    host_families[f].value);
	}
	for (size_t f = 0; f < sizeof cluster_families /
	    sizeof cluster_families[0]; f++) {
		metrics_head(out, cluster_families[f].name,
		    cluster_families[f].type, cluster_families[f].help);
		for (cluster = cluster_each(NULL); cluster != NULL;
		    cluster = cluster_each(cluster)) {
			if (cluster_is_plain(cluster))
				continue;
			metrics_open(out, cluster_families[f].name);
			metrics_label(out, "cluster", cluster->name);
			metrics_value(out, cluster_families[f].value(cluster));
		}
	}
}
