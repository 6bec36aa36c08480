/*
 * All clusters; see pool/cluster.h.
 *
 * A cluster is found by its list of hosts, so that databases on the same
 * hosts share one.  It is made when it is first asked for, at the latest when
 * the configuration is applied, and never freed before the end.
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "config/config.h"
#include "pool/backend.h"
#include "pool/cluster_private.h"
#include "pool/pool_set.h"

static struct {
	pthread_mutex_t		 mutex;
	_Atomic(struct cluster *) newest;
	struct loop		*loop;		/* NULL: there are none */
	struct resolver		*resolver;
} clusters = { .mutex = PTHREAD_MUTEX_INITIALIZER };

void
clusters_init(struct loop *main_loop, struct resolver *resolver)
{
	clusters.loop = main_loop;
	clusters.resolver = resolver;
}

struct loop *
clusters_loop(void)
{
	return clusters.loop;
}

struct resolver *
clusters_resolver(void)
{
	return clusters.resolver;
}

struct cluster *
cluster_each(const struct cluster *cluster)
{
	return cluster == NULL ? atomic_load(&clusters.newest) :
	    cluster->older;
}

/*
 * Finding.
 */

static char *
cluster_name_of(const struct database *database)
{
	struct buf	 text;
	char		*name;

	buf_init(&text);
	for (size_t i = 0; i < database->host_count; i++)
		buf_printf(&text, "%s%s:%d", i > 0 ? "," : "",
		    database->hosts[i].name, database->hosts[i].port);
	name = mem_string_n((char *)buf_bytes(&text), buf_length(&text));
	buf_done(&text);
	return name;
}

static struct cluster *
cluster_new(const struct database *database, const char *name)
{
	struct cluster		*cluster = mem_new(sizeof *cluster);
	struct cluster_seed	*seed;

	tide_init(&cluster->tide);
	cluster->name = mem_string(name);
	cluster->database = mem_string(database->name);
	cluster->seed_count = database->host_count;
	for (size_t i = 0; i < database->host_count; i++) {
		seed = &cluster->seeds[i];
		seed->cluster = cluster;
		seed->host = mem_string(database->hosts[i].name);
		seed->port = database->hosts[i].port;
		seed->is_literal = database->hosts[i].is_literal;
	}
	atomic_init(&cluster->is_plain, cluster->seed_count == 1);
	return cluster;
}

/*
 * One name is a cluster as well, because it may get more addresses; but not
 * where any host will do, which is what the backend of that name does itself.
 */
static bool
cluster_is_needed(const struct config *config,
    const struct database *database)
{
	enum route	route = database->route != ROUTE_DEFAULT ?
			    database->route :
			    (enum route)config->option.route;

	return clusters.loop != NULL && (database->host_count > 1 ||
	    (!database->hosts[0].is_literal &&
	    route != ROUTE_ANY));
}

struct cluster *
cluster_of(const struct config *config, const struct database *database)
{
	struct cluster	*cluster;
	char		*name;

	if (!cluster_is_needed(config, database))
		return NULL;
	name = cluster_name_of(database);
	pthread_mutex_lock(&clusters.mutex);
	for (cluster = cluster_each(NULL); cluster != NULL;
	    cluster = cluster->older)
		if (strcmp(cluster->name, name) == 0)
			break;
	if (cluster == NULL) {
		cluster = cluster_new(database, name);
		cluster->older = atomic_load(&clusters.newest);
		atomic_store(&clusters.newest, cluster);
	}
	pthread_mutex_unlock(&clusters.mutex);
	free(name);
	return cluster;
}

/* Which clusters the configuration names, and a database of each. */
static void
clusters_name(const struct config *config)
{
	struct cluster	*cluster;

	for (cluster = cluster_each(NULL); cluster != NULL;
	    cluster = cluster->older)
		cluster->is_named = false;
	for (size_t i = 0; i < config->database_count; i++) {
		cluster = cluster_of(config, config->databases[i]);
		if (cluster == NULL || cluster->is_named)
			continue;
		cluster->is_named = true;
		free(cluster->database);
		cluster->database = mem_string(config->databases[i]->name);
	}
}

void
clusters_reload(const struct config *config)
{
	struct cluster	*cluster;

	clusters_name(config);
	for (cluster = cluster_each(NULL); cluster != NULL;
	    cluster = cluster->older) {
		/* Whoever reloads has seen what is wrong with them. */
		if (cluster_writer(cluster) == NULL && cluster->is_settled) {
			cluster->system_identifier = 0;
			cluster->timeline = 0;
		}
		if (cluster->is_named && !cluster->is_used)
			cluster_start(cluster);
		else if (!cluster->is_named && cluster->is_used)
			cluster_stop(cluster);
		else if (cluster->is_used)
			cluster_judge(cluster);
	}
}

/*
 * What is asked of one.
 */

enum use
cluster_use(const struct cluster *cluster, const struct backend *backend)
{
	for (int i = 0; i < CLUSTER_MEMBERS_MAX; i++)
		if (atomic_load_explicit(&cluster->members[i].backend,
		    memory_order_relaxed) == backend)
			return (enum use)atomic_load(&cluster->members[i].use);
	return USE_NONE;
}

struct backend *
cluster_anyone(const struct cluster *cluster)
{
	struct backend	*backend, *best = cluster_writer(cluster);
	int		 use, best_use = USE_NONE - 1;

	for (int i = 0; best_use < USE_WRITE && i < CLUSTER_MEMBERS_MAX; i++) {
		backend = atomic_load(&cluster->members[i].backend);
		use = atomic_load(&cluster->members[i].use);
		if (backend == NULL || use <= best_use)
			continue;
		if (best == NULL || best_use >= USE_NONE || use == USE_WRITE) {
			best = backend;
			best_use = use;
		}
	}
	return best;
}

bool
clusters_have(const struct backend *backend)
{
	struct cluster	*cluster;

	for (cluster = cluster_each(NULL); cluster != NULL;
	    cluster = cluster->older)
		for (int i = 0; i < CLUSTER_MEMBERS_MAX; i++)
			if (atomic_load(&cluster->members[i].backend) ==
			    backend)
				return true;
	return false;
}

void
cluster_explain(struct cluster *cluster, char *text, size_t size)
{
	pthread_mutex_lock(&clusters.mutex);
	snprintf(text, size, "%s", cluster->trouble);
	pthread_mutex_unlock(&clusters.mutex);
}

void
cluster_set_trouble(struct cluster *cluster, const char *trouble)
{
	pthread_mutex_lock(&clusters.mutex);
	snprintf(cluster->trouble, sizeof cluster->trouble, "%s", trouble);
	pthread_mutex_unlock(&clusters.mutex);
}

/* The main thread, which is told as well, moves the lines. */
void
cluster_doubt(struct cluster *cluster, struct backend *backend)
{
	struct backend	*expected = backend;

	if (atomic_compare_exchange_strong(&cluster->writer, &expected, NULL))
		atomic_fetch_add(&cluster->epoch, 1);
}

void
cluster_tell(struct cluster *cluster, struct backend *gone)
{
	atomic_fetch_add(&cluster->epoch, 1);
	pool_sets_changed(cluster, gone);
}
