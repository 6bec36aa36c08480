/*
 * Who is the primary; the rules are told in pool/cluster.h.
 *
 * A verdict is made of what every member has said last, and compared with the
 * one in force; only differences are acted upon.  A member that speaks but
 * does not answer (HEALTH_MUTE) keeps what it had: only silence, a refused
 * connection, or its own word takes a role away.
 */

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "pool/backend.h"
#include "pool/cluster_private.h"
#include "pool/pool_set.h"

struct verdict {
	enum use	 use[CLUSTER_MEMBERS_MAX];
	struct backend	*candidates[CLUSTER_MEMBERS_MAX];
	int		 candidate_count;
	struct backend	*writer;
	char		 trouble[400];
};

static struct backend *
member_of(const struct cluster *cluster, int i)
{
	return atomic_load(&cluster->members[i].backend);
}

static enum health
health_of(const struct backend *backend)
{
	return (enum health)atomic_load(&backend->health);
}

/* Everybody was asked once: before that a primary may be an old one. */
static bool
cluster_is_heard(const struct cluster *cluster)
{
	bool	any = false;

	for (size_t i = 0; i < cluster->seed_count; i++)
		if (!cluster->seeds[i].is_literal &&
		    !cluster->seeds[i].was_answered)
			return false;
	for (int i = 0; i < CLUSTER_MEMBERS_MAX; i++) {
		if (member_of(cluster, i) == NULL)
			continue;
		any = true;
		if (health_of(member_of(cluster, i)) == HEALTH_UNKNOWN)
			return false;
	}
	return any;
}

/* The same server under two addresses is counted once. */
static bool
member_is_alias(const struct cluster *cluster, int which)
{
	const struct backend_report *report =
	    &member_of(cluster, which)->report;
	const struct backend	*other;

	for (int i = 0; i < which; i++) {
		other = member_of(cluster, i);
		if (other != NULL && health_of(other) == HEALTH_UP &&
		    other->report.started_us == report->started_us &&
		    other->report.system_identifier ==
		    report->system_identifier)
			return true;
	}
	return false;
}

static bool
member_is_doubted(const struct backend *backend)
{
	return atomic_load(&backend->doubts) !=
	    atomic_load(&backend->settled);
}

static bool
member_is_late(const struct backend *backend)
{
	struct config	*config = config_current();
	int64_t		 most_us = config->option.max_replica_lag_us;
	int64_t		 most = config->option.max_replica_lag_bytes;

	config_release(config);
	return (most_us > 0 && atomic_load(&backend->lag_us) > most_us) ||
	    (most > 0 && atomic_load(&backend->lag_bytes) > most);
}

static void
verdict_hear(const struct cluster *cluster, struct verdict *verdict, int i)
{
	struct backend	*backend = member_of(cluster, i);
	enum use	 now = (enum use)atomic_load(
			    &cluster->members[i].use);

	switch (health_of(backend)) {
	case HEALTH_UNKNOWN:
		verdict->use[i] = USE_UNKNOWN;
		return;
	case HEALTH_DOWN:
		return;
	case HEALTH_MUTE:
		if (now != USE_WRITE) {
			verdict->use[i] = now;
			return;
		}
		break;
	case HEALTH_UP:
		if (member_is_alias(cluster, i))
			return;
		break;
	}
	if (backend->report.role == ROLE_PRIMARY &&
	    !member_is_doubted(backend))
		verdict->candidates[verdict->candidate_count++] = backend;
	else if (backend->report.role == ROLE_REPLICA &&
	    (cluster->system_identifier == 0 ||
	    backend->report.system_identifier == cluster->system_identifier))
		verdict->use[i] = member_is_late(backend) ? USE_LATE :
		    USE_READ;
}

/* NULL: no candidate may have the writes; trouble says why. */
static struct backend *
verdict_elect(const struct cluster *cluster, struct verdict *verdict)
{
	struct backend	*best = NULL, *twin = NULL, *other;
	uint64_t	 known = cluster->system_identifier;

	for (int i = 0; i < verdict->candidate_count; i++) {
		other = verdict->candidates[i];
		if (known == 0)
			known = other->report.system_identifier;
		if (other->report.system_identifier != known) {
			snprintf(verdict->trouble, sizeof verdict->trouble,
			    "%s says it is the primary, but is of another "
			    "system (system_identifier %llu, not %llu); "
			    "RELOAD if that is right", other->name,
			    (unsigned long long)
			    other->report.system_identifier,
			    (unsigned long long)known);
			return NULL;
		}
		if (best == NULL ||
		    other->report.timeline > best->report.timeline) {
			best = other;
			twin = NULL;
		} else if (other->report.timeline == best->report.timeline)
			twin = other;
	}
	if (twin != NULL)
		snprintf(verdict->trouble, sizeof verdict->trouble, "%s and "
		    "%s both say that they are the primary, on the same "
		    "timeline (%u)", best->name, twin->name,
		    best->report.timeline);
	else if (best == NULL)
		snprintf(verdict->trouble, sizeof verdict->trouble,
		    "no host says that it is the primary");
	else if (best->report.timeline < cluster->timeline)
		snprintf(verdict->trouble, sizeof verdict->trouble, "%s says "
		    "it is the primary, but on timeline %u, and there was a "
		    "primary on timeline %u; RELOAD if that is right",
		    best->name, best->report.timeline, cluster->timeline);
	else
		return best;
	return NULL;
}

/* An error of a monitor, where nobody has ever been heard. */
static bool
cluster_find_blindness(const struct cluster *cluster,
    struct verdict *verdict)
{
	const struct backend	*mute = NULL, *backend;

	if (!cluster->is_settled || verdict->candidate_count > 0)
		return false;
	for (int i = 0; i < CLUSTER_MEMBERS_MAX; i++) {
		if ((backend = member_of(cluster, i)) == NULL)
			continue;
		if (verdict->use[i] == USE_READ || backend->report.role !=
		    ROLE_UNKNOWN)
			return false;
		if (health_of(backend) == HEALTH_MUTE)
			mute = backend;
	}
	if (mute == NULL)
		return false;
	snprintf(verdict->trouble, sizeof verdict->trouble, "no host can be "
	    "asked whether it is the primary: %s", mute->report.error);
	return true;
}

static void
cluster_measure_lag(struct cluster *cluster)
{
	struct backend_report	*report;
	struct backend		*backend;
	struct wake_lag		 lag;

	for (int i = 0; i < CLUSTER_MEMBERS_MAX; i++) {
		if ((backend = member_of(cluster, i)) == NULL)
			continue;
		report = &backend->report;
		lag = (struct wake_lag){ .bytes = 0 };
		if (report->role == ROLE_REPLICA)
			lag = wake_lag(&cluster->wake, report->lsn,
			    report->asked_us);
		/* It was late before we came. */
		if (lag.is_older && report->replay_age_us > lag.us)
			lag.us = report->replay_age_us;
		atomic_store(&backend->lag_bytes, lag.bytes);
		atomic_store(&backend->lag_us, lag.us);
	}
}

static void
cluster_crown(struct cluster *cluster, struct backend *writer)
{
	struct backend	*former = cluster->last_writer;

	cluster->system_identifier = writer->report.system_identifier;
	cluster->timeline = writer->report.timeline;
	cluster->last_writer = writer;
	failover_note(cluster, writer);
	cluster->crowned = writer;
	log_info(NULL, "%s is the primary of %s, timeline %u", writer->name,
	    cluster->name, writer->report.timeline);
	if (former == NULL || former == writer)
		return;
	pool_sets_close_former(cluster, former,
	    "another host is the primary now");
}

static void
member_tell(const struct backend *backend, enum use before, enum use use)
{
	if (use == USE_LATE)
		log_warning(NULL, "host %s is %.3f s and %lld bytes behind "
		    "the primary: it gets no reads until it has caught up",
		    backend->name, (double)atomic_load(&backend->lag_us) /
		    US_PER_SECOND, (long long)
		    atomic_load(&backend->lag_bytes));
	else if (before == USE_LATE && use == USE_READ)
		log_info(NULL, "host %s has caught up", backend->name);
}

static bool
cluster_apply_uses(struct cluster *cluster, const struct verdict *verdict)
{
	struct cluster_member	*member;
	bool			 changed = false;
	enum use		 use;

	for (int i = 0; i < CLUSTER_MEMBERS_MAX; i++) {
		member = &cluster->members[i];
		if (member_of(cluster, i) == NULL)
			continue;
		use = member_of(cluster, i) == verdict->writer ? USE_WRITE :
		    verdict->use[i];
		if (atomic_load(&member->use) == (int)use)
			continue;
		member_tell(member_of(cluster, i),
		    (enum use)atomic_load(&member->use), use);
		atomic_store(&member->use, use);
		changed = true;
	}
	return changed;
}

/* A former primary that is a replica now: its connections are of no use. */
static void
cluster_note_demotion(struct cluster *cluster)
{
	struct backend	*former = cluster->last_writer;

	if (former == NULL || health_of(former) != HEALTH_UP ||
	    former->report.role != ROLE_REPLICA)
		return;
	cluster->last_writer = NULL;
	pool_sets_close_former(cluster, former, "it is a replica now");
}

/* More hosts than one say it, or one that is not believed. */
static void
cluster_note_rivals(struct cluster *cluster, const struct verdict *verdict,
    int rivals)
{
	if (!cluster->is_settled || rivals == cluster->rivals)
		return;
	if (rivals > cluster->rivals) {
		cluster->conflicts++;
		log_error(NULL, "%d hosts of %s say that they are the primary, "
		    "and %s gets the writes", verdict->candidate_count,
		    cluster->name, verdict->writer != NULL ?
		    verdict->writer->name : "none");
	}
	cluster->rivals = rivals;
}

void
cluster_judge(struct cluster *cluster)
{
	struct verdict	verdict = { .writer = NULL };
	struct backend	*before = cluster_writer(cluster);
	bool		changed, was_blind = cluster->is_blind;
	int		rivals;

	if (!cluster->is_used || cluster_is_plain(cluster))
		return;
	cluster->is_settled |= cluster_is_heard(cluster);
	cluster_measure_lag(cluster);
	for (int i = 0; i < CLUSTER_MEMBERS_MAX; i++)
		if (member_of(cluster, i) != NULL)
			verdict_hear(cluster, &verdict, i);
	if (cluster->is_settled)
		verdict.writer = verdict_elect(cluster, &verdict);
	else
		snprintf(verdict.trouble, sizeof verdict.trouble,
		    "not every host has been asked yet");
	rivals = verdict.candidate_count - (verdict.writer != NULL);
	cluster_note_rivals(cluster, &verdict, rivals);
	atomic_store(&cluster->is_blind,
	    cluster_find_blindness(cluster, &verdict));
	changed = cluster_apply_uses(cluster, &verdict);
	atomic_store(&cluster->writer, verdict.writer);
	if (verdict.writer == NULL && cluster->is_settled &&
	    strcmp(cluster->trouble, verdict.trouble) != 0)
		log_warning(NULL, "%s has no primary, writes wait: %s",
		    cluster->name, verdict.trouble);
	cluster_set_trouble(cluster, verdict.trouble);
	if (verdict.writer != NULL && verdict.writer != before)
		cluster_crown(cluster, verdict.writer);
	cluster_note_demotion(cluster);
	if (changed || verdict.writer != before ||
	    was_blind != cluster->is_blind)
		cluster_tell(cluster, NULL);
}

void
clusters_judge(const struct backend *backend)
{
	struct cluster	*cluster;

	for (cluster = cluster_each(NULL); cluster != NULL;
	    cluster = cluster->older)
		for (int i = 0; i < CLUSTER_MEMBERS_MAX; i++)
			if (member_of(cluster, i) == backend) {
				cluster_judge(cluster);
				break;
			}
}

void
clusters_tide(const struct backend *backend, uint64_t number,
    uint32_t timeline, int64_t lsn)
{
	struct cluster	*cluster;

	for (cluster = cluster_each(NULL); cluster != NULL;
	    cluster = cluster->older)
		if (cluster_writer(cluster) == backend) {
			tide_answer(&cluster->tide, number, timeline, lsn);
			wake_add(&cluster->wake, timeline, lsn,
			    loop_now_us(clusters_loop()));
			pool_sets_answered(cluster);
		}
}

bool
clusters_replayed(const struct backend *backend)
{
	struct cluster	*cluster;
	bool		 is_awaited = false;

	for (cluster = cluster_each(NULL); cluster != NULL;
	    cluster = cluster->older) {
		if (!cluster_is_awaited(cluster) ||
		    cluster_use(cluster, backend) != USE_READ)
			continue;
		pool_sets_replayed(cluster, backend);
		is_awaited |= cluster_is_awaited(cluster);
	}
	return is_awaited;
}

void
clusters_renew(struct backend *backend)
{
	struct cluster	*cluster;

	for (cluster = cluster_each(NULL); cluster != NULL;
	    cluster = cluster->older)
		if (cluster_use(cluster, backend) != USE_NONE)
			pool_sets_close_former(cluster, backend,
			    "it was started anew");
}
