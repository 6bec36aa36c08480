/*
 * Hashing and the hash table.
 *
 * A hash takes eight bytes at a time, and folds the 128 bits of a product of
 * what it has with a random odd number.  Without knowing the random numbers,
 * which are drawn before main(), nobody can choose input that collides.
 *
 * The table doubles when it has as many entries as slots, and never shrinks.
 * Hashing may be done in any thread; a table belongs to its caller, who locks.
 */

#include <sys/random.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

enum { HASH_SLOTS_MIN = 8 };

static uint64_t	hash_seed[2];

__attribute__((constructor))
static void
hash_seed_init(void)
{
	if (getrandom(hash_seed, sizeof hash_seed, 0) != sizeof hash_seed)
		abort();
	hash_seed[1] |= 1;
}

static inline uint64_t
hash_fold(uint64_t a, uint64_t b)
{
	unsigned __int128	product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t
hash_bytes(const void *bytes, size_t n)
{
	const uint8_t	*at = bytes;
	uint64_t	 hash = hash_seed[0] ^ n;
	uint64_t	 word;

	for (; n >= sizeof word; n -= sizeof word, at += sizeof word) {
		memcpy(&word, at, sizeof word);
		hash = hash_fold(hash ^ word, hash_seed[1]) + hash_seed[0];
	}
	word = 0;
	if (n != 0)
		memcpy(&word, at, n);
	return hash_mix(hash, word);
}

uint64_t
hash_text(const char *text)
{
	return hash_bytes(text, strlen(text));
}

/* Twice, because the fold alone leaves the low bits of a small product. */
uint64_t
hash_mix(uint64_t a, uint64_t b)
{
	a = hash_fold(a ^ b, hash_seed[1]) + hash_seed[0] + b;
	return hash_fold(a ^ hash_seed[0], UINT64_C(0x9e3779b97f4a7c15));
}

void
hash_table_init(struct hash_table *table)
{
	*table = (struct hash_table){ 0 };
}

void
hash_table_done(struct hash_table *table)
{
	assert(table->count == 0);
	free(table->slots);
	hash_table_init(table);
}

static void
hash_table_resize(struct hash_table *table, uint32_t slots)
{
	struct hash_table	 old = *table;
	struct hash_node	*node, *next, **slot;

	table->slots = mem_new(slots * sizeof *table->slots);
	table->mask = slots - 1;
	if (old.slots == NULL)
		return;
	for (uint32_t i = 0; i <= old.mask; i++) {
		for (node = old.slots[i]; node != NULL; node = next) {
			next = node->next;
			slot = &table->slots[node->hash & table->mask];
			node->next = *slot;
			*slot = node;
		}
	}
	free(old.slots);
}

void
hash_table_add(struct hash_table *table, struct hash_node *node,
    uint64_t hash)
{
	struct hash_node	**slot;

	if (table->slots == NULL)
		hash_table_resize(table, HASH_SLOTS_MIN);
	else if (table->count > table->mask && table->mask < UINT32_MAX / 2)
		hash_table_resize(table, (table->mask + 1) * 2);
	slot = &table->slots[hash & table->mask];
	node->hash = hash;
	node->next = *slot;
	*slot = node;
	table->count++;
}

void
hash_table_remove(struct hash_table *table, struct hash_node *node)
{
	struct hash_node	**slot;

	assert(table->count > 0);
	slot = &table->slots[node->hash & table->mask];
	while (*slot != node) {
		assert(*slot != NULL);
		slot = &(*slot)->next;
	}
	*slot = node->next;
	node->next = NULL;
	table->count--;
}

static struct hash_node *
hash_node_with(struct hash_node *node, uint64_t hash)
{
	while (node != NULL && node->hash != hash)
		node = node->next;
	return node;
}

struct hash_node *
hash_table_first(const struct hash_table *table, uint64_t hash)
{
	if (table->count == 0)
		return NULL;
	return hash_node_with(table->slots[hash & table->mask], hash);
}

struct hash_node *
hash_table_same(const struct hash_node *node)
{
	return hash_node_with(node->next, node->hash);
}

struct hash_node *
hash_table_each(const struct hash_table *table, const struct hash_node *node)
{
	uint64_t	i = 0;

	if (table->slots == NULL)
		return NULL;
	if (node != NULL) {
		if (node->next != NULL)
			return node->next;
		i = (node->hash & table->mask) + 1;
	}
	for (; i <= table->mask; i++)
		if (table->slots[i] != NULL)
			return table->slots[i];
	return NULL;
}
