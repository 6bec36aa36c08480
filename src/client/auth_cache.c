/*
 * See client/auth_cache.h.
 *
 * An entry is in the table and in the list, or in neither; the list begins
 * with the oldest, which goes first when there are too many.  Everything is
 * behind one mutex.
 */

#include <sys/queue.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "client/auth_cache.h"

#define CACHE_MAX	10000

struct cached {
	struct hash_node	 node;
	TAILQ_ENTRY(cached)	 next;		/* oldest first */
	char			*database, *user, *secret;
	int64_t			 until_us;
};

static struct {
	pthread_mutex_t		 mutex;
	struct hash_table	 by_name;
	TAILQ_HEAD(, cached)	 cached;
} cache = { .mutex = PTHREAD_MUTEX_INITIALIZER,
	.cached = TAILQ_HEAD_INITIALIZER(cache.cached) };

static uint64_t
cached_hash(const char *database, const char *user)
{
	return hash_mix(hash_text(database), hash_text(user));
}

static struct cached *
cached_find_locked(const char *database, const char *user)
{
	struct hash_node	*node;
	struct cached		*cached;

	for (node = hash_table_first(&cache.by_name,
	    cached_hash(database, user)); node != NULL;
	    node = hash_table_same(node)) {
		cached = container_of(node, struct cached, node);
		if (strcmp(cached->database, database) == 0 &&
		    strcmp(cached->user, user) == 0)
			return cached;
	}
	return NULL;
}

static void
cached_remove_locked(struct cached *cached)
{
	hash_table_remove(&cache.by_name, &cached->node);
	TAILQ_REMOVE(&cache.cached, cached, next);
	mem_free_secret(cached->secret);
	free(cached->database);
	free(cached->user);
	free(cached);
}

void
auth_cache_put(const char *database, const char *user, const char *secret,
    int64_t ttl_us)
{
	struct cached	*cached;

	pthread_mutex_lock(&cache.mutex);
	cached = cached_find_locked(database, user);
	if (cached != NULL)
		cached_remove_locked(cached);
	if (cache.by_name.count >= CACHE_MAX)
		cached_remove_locked(TAILQ_FIRST(&cache.cached));
	if (ttl_us > 0) {
		cached = mem_new(sizeof *cached);
		cached->database = mem_string(database);
		cached->user = mem_string(user);
		cached->secret = mem_string(secret);
		cached->until_us = clock_now_us() + ttl_us;
		hash_table_add(&cache.by_name, &cached->node,
		    cached_hash(database, user));
		TAILQ_INSERT_TAIL(&cache.cached, cached, next);
	}
	pthread_mutex_unlock(&cache.mutex);
}

bool
auth_cache_get(const char *database, const char *user, char **secret)
{
	struct cached	*cached;
	bool		 found;

	pthread_mutex_lock(&cache.mutex);
	cached = cached_find_locked(database, user);
	found = cached != NULL && cached->until_us > clock_now_us();
	if (found)
		*secret = mem_string(cached->secret);
	pthread_mutex_unlock(&cache.mutex);
	return found;
}

void
auth_cache_forget(const char *database, const char *user)
{
	struct cached	*cached;

	pthread_mutex_lock(&cache.mutex);
	cached = cached_find_locked(database, user);
	if (cached != NULL)
		cached_remove_locked(cached);
	pthread_mutex_unlock(&cache.mutex);
}
