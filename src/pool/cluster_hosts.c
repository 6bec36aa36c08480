/*
 * Who belongs to a cluster: names are looked up in the background, again and
 * again, and every address is a member.
 *
 * A failed look-up keeps the last good answer.  An address that is new is
 * asked for its role at once; one that has disappeared is drained: whoever
 * waits for it goes elsewhere, idle connections are closed, the others at the
 * end of their transaction.
 *
 * A name with addresses of both families usually means the same hosts twice;
 * where there are IPv4 addresses, they are the members.
 */

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "net/resolve.h"
#include "pool/backend.h"
#include "pool/cluster_private.h"
#include "pool/monitor.h"

struct wanted {
	struct backend	*list[CLUSTER_MEMBERS_MAX];
	int		 count;
};

static void	seed_ask(struct cluster_seed *);

static void
wanted_add(struct wanted *wanted, struct backend *backend)
{
	for (int i = 0; i < wanted->count; i++)
		if (wanted->list[i] == backend)
			return;
	if (wanted->count < CLUSTER_MEMBERS_MAX)
		wanted->list[wanted->count++] = backend;
}

static bool
wanted_has(const struct wanted *wanted, const struct backend *backend)
{
	for (int i = 0; i < wanted->count; i++)
		if (wanted->list[i] == backend)
			return true;
	return false;
}

static void
cluster_want(const struct cluster *cluster, struct wanted *wanted)
{
	const struct cluster_seed	*seed;

	wanted->count = 0;
	for (size_t i = 0; cluster->is_used && i < cluster->seed_count; i++) {
		seed = &cluster->seeds[i];
		if (seed->is_literal)
			wanted_add(wanted, backend_find(seed->host,
			    seed->port));
		for (int n = 0; n < seed->count; n++)
			wanted_add(wanted, backend_find_at(seed->host,
			    seed->port, &seed->addresses[n]));
	}
}

static void
cluster_drop(struct cluster *cluster, struct cluster_member *member)
{
	struct backend	*backend = atomic_load(&member->backend);

	log_info(NULL, "host %s does not belong to %s any more",
	    backend->name, cluster->name);
	atomic_store(&member->use, USE_NONE);
	atomic_store(&member->backend, NULL);
	if (cluster_writer(cluster) == backend)
		atomic_store(&cluster->writer, NULL);
	if (cluster->last_writer == backend)
		cluster->last_writer = NULL;
	if (!clusters_have(backend))
		monitor_stop(backend);
	cluster_tell(cluster, backend);
}

static void
cluster_add(struct cluster *cluster, struct backend *backend)
{
	for (int i = 0; i < CLUSTER_MEMBERS_MAX; i++) {
		if (atomic_load(&cluster->members[i].backend) == backend)
			return;
	}
	for (int i = 0; i < CLUSTER_MEMBERS_MAX; i++) {
		struct cluster_member	*member = &cluster->members[i];

		if (atomic_load(&member->backend) != NULL)
			continue;
		log_info(NULL, "host %s belongs to %s", backend->name,
		    cluster->name);
		atomic_store(&member->use, USE_UNKNOWN);
		atomic_store(&member->backend, backend);
		monitor_start(backend, cluster->database);
		return;
	}
}

static void
cluster_update(struct cluster *cluster)
{
	struct wanted	 wanted;
	struct backend	*backend;

	cluster_want(cluster, &wanted);
	if (cluster_is_plain(cluster) && wanted.count <= 1)
		return;
	for (int i = 0; i < CLUSTER_MEMBERS_MAX; i++) {
		backend = atomic_load(&cluster->members[i].backend);
		if (backend != NULL && !wanted_has(&wanted, backend))
			cluster_drop(cluster, &cluster->members[i]);
	}
	for (int i = 0; i < wanted.count; i++)
		cluster_add(cluster, wanted.list[i]);
	if (cluster_is_plain(cluster)) {
		atomic_store(&cluster->is_plain, false);
		/* What went to the name goes to one address now. */
		cluster_tell(cluster, backend_find(cluster->seeds[0].host,
		    cluster->seeds[0].port));
	}
	cluster_judge(cluster);
}

/*
 * Looking names up.
 */

static void
seed_on_deadline(struct loop *loop, struct deadline *deadline)
{
	(void)loop;
	seed_ask(container_of(deadline, struct cluster_seed, deadline));
}

static void
seed_take(struct cluster_seed *seed, const struct resolve_answer *answer)
{
	bool	has_v4 = false;

	for (int i = 0; i < answer->count; i++)
		has_v4 |= answer->addresses[i].u.any.sa_family == AF_INET;
	seed->count = 0;
	for (int i = 0; i < answer->count &&
	    seed->count < CLUSTER_MEMBERS_MAX; i++)
		if (!has_v4 ||
		    answer->addresses[i].u.any.sa_family == AF_INET)
			seed->addresses[seed->count++] = answer->addresses[i];
}

/* Whole seconds, as records have them, and at least one. */
static int64_t
seed_pause_us(int64_t ttl_us, int64_t most_us)
{
	if (ttl_us > most_us)
		ttl_us = most_us;
	ttl_us -= ttl_us % US_PER_SECOND;
	return ttl_us < US_PER_SECOND ? US_PER_SECOND : ttl_us;
}

static void
seed_on_answer(void *arg, const struct resolve_answer *answer)
{
	struct cluster_seed	*seed = arg;
	struct config		*config = config_current();
	int64_t			 pause_us;

	seed->is_asking = false;
	seed->was_answered = true;
	if (answer->count > 0) {
		seed_take(seed, answer);
		pause_us = seed_pause_us(answer->ttl_us,
		    config->option.dns_max_ttl_us);
	} else {
		if (!seed->is_failing)
			log_warning(NULL, "host \"%s\" cannot be resolved: "
			    "%s%s", seed->host, answer->error,
			    seed->count > 0 ? "; the last known addresses "
			    "stay in use" : "");
		pause_us = seed_pause_us(config->option.dns_nxdomain_ttl_us,
		    config->option.dns_max_ttl_us);
	}
	seed->is_failing = answer->count == 0;
	config_release(config);
	if (!seed->cluster->is_used)
		return;
	deadline_set(clusters_loop(), &seed->deadline, pause_us,
	    seed_on_deadline);
	cluster_update(seed->cluster);
}

static void
seed_ask(struct cluster_seed *seed)
{
	if (seed->is_asking)
		return;
	seed->is_asking = true;
	resolver_ask(clusters_resolver(), seed->host, seed_on_answer, seed);
}

void
cluster_start(struct cluster *cluster)
{
	cluster->is_used = true;
	for (size_t i = 0; i < cluster->seed_count; i++)
		if (!cluster->seeds[i].is_literal)
			seed_ask(&cluster->seeds[i]);
	cluster_update(cluster);
}

void
cluster_stop(struct cluster *cluster)
{
	cluster->is_used = cluster->is_settled = false;
	for (size_t i = 0; i < cluster->seed_count; i++)
		deadline_clear(clusters_loop(), &cluster->seeds[i].deadline);
	cluster_update(cluster);
}
