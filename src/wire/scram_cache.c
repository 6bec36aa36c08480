/*
 * The cache of derived keys.  An entry is in the table and in the list of
 * recent use, whose head is the newest; both or neither.
 */

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/scram_cache.h"

struct scram_cache_entry {
	struct hash_node		node;
	TAILQ_ENTRY(scram_cache_entry)	recent;
	uint8_t				id[SCRAM_ID_BYTES];
	uint8_t				client_key[SCRAM_KEY_BYTES];
	uint8_t				server_key[SCRAM_KEY_BYTES];
};

/* Ids come out of a keyed hash already. */
static uint64_t
scram_cache_hash(const uint8_t id[SCRAM_ID_BYTES])
{
	uint64_t	hash;

	memcpy(&hash, id, sizeof hash);
	return hash;
}

static struct scram_cache_entry *
scram_cache_find_locked(struct scram_cache *cache,
    const uint8_t id[SCRAM_ID_BYTES])
{
	struct scram_cache_entry	*entry;
	struct hash_node		*node;

	node = hash_table_first(&cache->shared.table, scram_cache_hash(id));
	for (; node != NULL; node = hash_table_same(node)) {
		entry = container_of(node, struct scram_cache_entry, node);
		if (mem_equal_secret(entry->id, id, SCRAM_ID_BYTES))
			return entry;
	}
	return NULL;
}

static void
scram_cache_drop_locked(struct scram_cache *cache,
    struct scram_cache_entry *entry)
{
	hash_table_remove(&cache->shared.table, &entry->node);
	TAILQ_REMOVE(&cache->shared.recent, entry, recent);
	mem_wipe(entry, sizeof *entry);
	free(entry);
}

bool
scram_cache_get(struct scram_cache *cache, const uint8_t id[SCRAM_ID_BYTES],
    uint8_t client_key[SCRAM_KEY_BYTES], uint8_t server_key[SCRAM_KEY_BYTES])
{
	struct scram_cache_entry	*entry;

	pthread_mutex_lock(&cache->shared.mutex);
	if ((entry = scram_cache_find_locked(cache, id)) != NULL) {
		TAILQ_REMOVE(&cache->shared.recent, entry, recent);
		TAILQ_INSERT_HEAD(&cache->shared.recent, entry, recent);
		memcpy(client_key, entry->client_key, SCRAM_KEY_BYTES);
		memcpy(server_key, entry->server_key, SCRAM_KEY_BYTES);
		cache->shared.hits++;
	} else
		cache->shared.misses++;
	pthread_mutex_unlock(&cache->shared.mutex);
	return entry != NULL;
}

void
scram_cache_put(struct scram_cache *cache, const uint8_t id[SCRAM_ID_BYTES],
    const uint8_t client_key[SCRAM_KEY_BYTES],
    const uint8_t server_key[SCRAM_KEY_BYTES])
{
	struct scram_cache_entry	*entry;

	pthread_mutex_lock(&cache->shared.mutex);
	if (scram_cache_find_locked(cache, id) == NULL) {
		if (cache->shared.table.count >= cache->max)
			scram_cache_drop_locked(cache,
			    TAILQ_LAST(&cache->shared.recent,
			    scram_cache_list));
		entry = mem_new(sizeof *entry);
		memcpy(entry->id, id, SCRAM_ID_BYTES);
		memcpy(entry->client_key, client_key, SCRAM_KEY_BYTES);
		memcpy(entry->server_key, server_key, SCRAM_KEY_BYTES);
		hash_table_add(&cache->shared.table, &entry->node,
		    scram_cache_hash(id));
		TAILQ_INSERT_HEAD(&cache->shared.recent, entry, recent);
	}
	pthread_mutex_unlock(&cache->shared.mutex);
}

void
scram_cache_drop_all(struct scram_cache *cache)
{
	struct scram_cache_entry	*entry;

	pthread_mutex_lock(&cache->shared.mutex);
	while ((entry = TAILQ_FIRST(&cache->shared.recent)) != NULL)
		scram_cache_drop_locked(cache, entry);
	hash_table_done(&cache->shared.table);
	cache->shared.hits = cache->shared.misses = 0;
	pthread_mutex_unlock(&cache->shared.mutex);
}
