/*
 * Hashing, and one hash table for everything: chained, intrusive, growing.
 *
 * hash_bytes() is keyed with a random seed made at start, so that a client
 * cannot choose names that collide.  It is no cryptographic hash.
 *
 * A table holds hash_nodes that are embedded in the caller's structs; it
 * owns none of them and takes no lock.
 */

#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_node {
	struct hash_node	*next;
	uint64_t		 hash;
};

struct hash_table {
	struct hash_node	**slots;	/* NULL until the first entry */
	uint32_t		  count;
	uint32_t		  mask;		/* slots less one */
};

uint64_t	hash_bytes(const void *, size_t);
uint64_t	hash_text(const char *);
uint64_t	hash_mix(uint64_t, uint64_t);	/* combine two hashes */

void		hash_table_init(struct hash_table *);
void		hash_table_done(struct hash_table *);	/* must be empty */
void		hash_table_add(struct hash_table *, struct hash_node *,
		    uint64_t hash);
void		hash_table_remove(struct hash_table *, struct hash_node *);

/* The first node with this hash, and the next one with the same. */
struct hash_node	*hash_table_first(const struct hash_table *, uint64_t);
struct hash_node	*hash_table_same(const struct hash_node *);

/*
 * Walk all nodes: start with NULL.  The node returned may be removed, and no
 * other, before the next call only if its successor was fetched first.
 */
struct hash_node	*hash_table_each(const struct hash_table *,
			    const struct hash_node *);

#endif
