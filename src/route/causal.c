/*
 * See route/causal.h.
 *
 * wanted only grows, and is taken away only by who has seen the answer to it;
 * a write meanwhile wants a later one, which then stays.
 */

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "route/causal.h"

static struct {
	pthread_mutex_t		mutex;
	struct hash_table	table;
	TAILQ_HEAD(causal_list, causal) kept;	/* the oldest first */
	size_t			kept_count;
	bool			has_forgotten;
} causals = {
	.mutex = PTHREAD_MUTEX_INITIALIZER,
	.kept = TAILQ_HEAD_INITIALIZER(causals.kept),
};

static struct causal *
causal_find(const char *key, uint64_t hash)
{
	struct hash_node	*node;
	struct causal		*causal;

	for (node = hash_table_first(&causals.table, hash); node != NULL;
	    node = hash_table_same(node)) {
		causal = container_of(node, struct causal, node);
		if (strcmp(causal->key, key) == 0)
			return causal;
	}
	return NULL;
}

static struct causal *
causal_new(struct tide *tide)
{
	struct causal	*causal = mem_new(sizeof *causal);

	causal->users = 1;
	causal->tide = tide;
	pthread_mutex_init(&causal->shared.mutex, NULL);
	return causal;
}

static void
causal_free(struct causal *causal)
{
	pthread_mutex_destroy(&causal->shared.mutex);
	free(causal->key);
	free(causal);
}

/* Lengths keep names apart that have any character in them. */
static char *
causal_key(enum causal_scope scope, const struct tide *tide,
    const char *database, const char *user, const char *address)
{
	if (scope == CAUSAL_DATABASE)
		return mem_printf("%p d%s", (const void *)tide, database);
	return mem_printf("%p a%zu:%s%zu:%s%s", (const void *)tide,
	    strlen(database), database, strlen(user), user, address);
}

/* One that nobody uses is used again. */
static void
causal_wake_locked(struct causal *causal)
{
	if (causal->users++ > 0)
		return;
	TAILQ_REMOVE(&causals.kept, causal, kept);
	causals.kept_count--;
}

struct causal *
causal_join(enum causal_scope scope, struct tide *tide, const char *database,
    const char *user, const char *address)
{
	struct causal	*causal;
	char		*key;
	uint64_t	 hash;

	if (scope == CAUSAL_OFF)
		return NULL;
	if (scope == CAUSAL_SESSION)
		return causal_new(tide);
	key = causal_key(scope, tide, database, user, address);
	hash = hash_text(key);
	pthread_mutex_lock(&causals.mutex);
	causal = causal_find(key, hash);
	if (causal != NULL) {
		causal_wake_locked(causal);
		free(key);
	} else {
		causal = causal_new(tide);
		causal->key = key;
		hash_table_add(&causals.table, &causal->node, hash);
		/* It may be one of those that were forgotten. */
		if (causals.has_forgotten)
			causal_write(causal);
	}
	pthread_mutex_unlock(&causals.mutex);
	return causal;
}

static void
causal_forget_oldest_locked(void)
{
	struct causal	*causal = TAILQ_FIRST(&causals.kept);

	TAILQ_REMOVE(&causals.kept, causal, kept);
	causals.kept_count--;
	hash_table_remove(&causals.table, &causal->node);
	causal_free(causal);
}

void
causal_leave(struct causal *causal)
{
	if (causal == NULL)
		return;
	if (causal->key == NULL) {
		causal_free(causal);
		return;
	}
	pthread_mutex_lock(&causals.mutex);
	if (--causal->users == 0) {
		TAILQ_INSERT_TAIL(&causals.kept, causal, kept);
		causals.kept_count++;
	}
	if (causals.kept_count > CAUSAL_KEPT_MAX) {
		causals.has_forgotten = true;
		causal_forget_oldest_locked();
	}
	pthread_mutex_unlock(&causals.mutex);
}

void
causals_done(void)
{
	pthread_mutex_lock(&causals.mutex);
	while (causals.kept_count > 0)
		causal_forget_oldest_locked();
	if (causals.table.count == 0)
		hash_table_done(&causals.table);
	causals.has_forgotten = false;
	pthread_mutex_unlock(&causals.mutex);
}

/* What was asked before the acknowledgement does not count. */
void
causal_write(struct causal *causal)
{
	uint64_t	number, before;

	if (causal == NULL)
		return;
	number = tide_next();
	before = atomic_load(&causal->wanted);
	while (before < number && !atomic_compare_exchange_weak(
	    &causal->wanted, &before, number))
		;
}

/*
 * The answer that was wanted has come, or one of a later timeline: from now
 * on its position counts.
 */
static void
causal_take_answer(struct causal *causal)
{
	struct tide	*tide = causal->tide;
	uint64_t	 wanted = atomic_load(&causal->wanted), answered;
	uint32_t	 timeline;
	int64_t		 lsn;

	pthread_mutex_lock(&tide->shared.mutex);
	answered = tide->shared.answered;
	timeline = tide->shared.timeline;
	lsn = tide->shared.lsn;
	pthread_mutex_unlock(&tide->shared.mutex);
	if (answered < wanted)
		return;
	pthread_mutex_lock(&causal->shared.mutex);
	if (timeline > causal->shared.timeline ||
	    (timeline == causal->shared.timeline &&
	    lsn > causal->shared.lsn)) {
		causal->shared.timeline = timeline;
		causal->shared.lsn = lsn;
		atomic_store(&causal->timeline, timeline);
	}
	pthread_mutex_unlock(&causal->shared.mutex);
	atomic_compare_exchange_strong(&causal->wanted, &wanted, 0);
}

uint64_t
causal_wanted(const struct causal *causal)
{
	return atomic_load(&causal->wanted);
}

enum causal_state
causal_state(struct causal *causal, uint32_t *timeline, int64_t *lsn)
{
	if (causal == NULL)
		return CAUSAL_FREE;
	if (atomic_load(&causal->wanted) != 0 ||
	    (atomic_load(&causal->timeline) != 0 &&
	    atomic_load(&causal->timeline) <
	    atomic_load(&causal->tide->timeline)))
		causal_take_answer(causal);
	if (atomic_load(&causal->wanted) != 0)
		return CAUSAL_UNKNOWN;
	if (atomic_load(&causal->timeline) == 0)
		return CAUSAL_FREE;
	pthread_mutex_lock(&causal->shared.mutex);
	*timeline = causal->shared.timeline;
	*lsn = causal->shared.lsn;
	pthread_mutex_unlock(&causal->shared.mutex);
	return CAUSAL_AT;
}

/*
 * A replica on a later timeline has what the earlier one had when it ended,
 * which may be less than was written: there a new answer tells.
 */
bool
causal_allows(struct causal *causal, uint32_t timeline, int64_t replayed)
{
	uint32_t	wanted;
	int64_t		lsn;

	switch (causal_state(causal, &wanted, &lsn)) {
	case CAUSAL_FREE:
		return true;
	case CAUSAL_UNKNOWN:
		return false;
	default:
		return timeline == wanted && replayed >= lsn;
	}
}
