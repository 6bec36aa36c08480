/*
 * A bounded cache of derived SCRAM keys, the least recently used go first.
 *
 * What is looked up is an id that scram_key.c makes of password, salt and
 * iterations with a random key of this process; no password is kept.  Keys
 * are wiped when they are dropped.  Any thread; one mutex a cache, a leaf.
 */

#ifndef WIRE_SCRAM_CACHE_H
#define WIRE_SCRAM_CACHE_H

#include <sys/queue.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "wire/scram_key.h"

enum { SCRAM_ID_BYTES = 32 };

struct scram_cache_entry;

struct scram_cache {
	uint32_t	max;
	struct {
		pthread_mutex_t		 mutex;
		struct hash_table	 table;
		TAILQ_HEAD(scram_cache_list, scram_cache_entry) recent;
		uint64_t		 hits;
		uint64_t		 misses;
	} shared;			/* guarded by shared.mutex */
};

#define SCRAM_CACHE_INITIALIZER(cache, limit)				\
	{								\
		.max = (limit),						\
		.shared.mutex = PTHREAD_MUTEX_INITIALIZER,		\
		.shared.recent =					\
		    TAILQ_HEAD_INITIALIZER((cache).shared.recent),	\
	}

bool	scram_cache_get(struct scram_cache *, const uint8_t id[SCRAM_ID_BYTES],
	    uint8_t client_key[SCRAM_KEY_BYTES],
	    uint8_t server_key[SCRAM_KEY_BYTES]);
/* Adding what is there already changes nothing. */
void	scram_cache_put(struct scram_cache *, const uint8_t id[SCRAM_ID_BYTES],
	    const uint8_t client_key[SCRAM_KEY_BYTES],
	    const uint8_t server_key[SCRAM_KEY_BYTES]);
void	scram_cache_drop_all(struct scram_cache *);

#endif
