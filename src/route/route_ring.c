/*
 * Verdicts remembered by text.
 *
 * The ring is written once around and then over its oldest entries; positions
 * only grow, so that one says whether its entry is still there.  A slot holds
 * the position of the last text that fell into it.  Nothing is allocated but
 * the ring itself, so a stream of texts that never come again costs a copy
 * each and no more.
 */

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "route/catalogue.h"
#include "route/route.h"

enum { RING_SLOTS = 4096, RING_ALIGN = 16 };

struct entry {
	uint64_t		catalogue;	/* its number; 0: none */
	struct route_verdict	verdict;
	uint32_t		length;
	char			text[];
};

struct ring {
	uint64_t	head;		/* position of the next entry */
	uint32_t	tags[RING_SLOTS];	/* of the hashes */
	uint64_t	slots[RING_SLOTS];	/* positions, one more; or 0 */
	_Alignas(RING_ALIGN) uint8_t bytes[ROUTE_RING_BYTES];
};

static _Thread_local struct ring	*ring;

static uint64_t
ring_number(const struct catalogue *catalogue)
{
	return catalogue == NULL ? 0 : catalogue_number(catalogue);
}

static struct entry *
ring_entry(uint64_t position)
{
	return (void *)(ring->bytes + position % ROUTE_RING_BYTES);
}

static struct entry *
ring_find(const char *text, size_t n, uint64_t number, uint64_t hash)
{
	uint64_t	 at = ring->slots[hash % RING_SLOTS];
	struct entry	*entry;

	if (at == 0 || ring->tags[hash % RING_SLOTS] != hash >> 32 ||
	    at - 1 + ROUTE_RING_BYTES < ring->head)
		return NULL;
	entry = ring_entry(at - 1);
	return entry->length == n && entry->catalogue == number &&
	    memcmp(entry->text, text, n) == 0 ? entry : NULL;
}

/* The room is the entry's from here on; what stood there is gone. */
static struct entry *
ring_add(const char *text, size_t n, uint64_t number, uint64_t hash)
{
	size_t		 size = sizeof(struct entry) + n;
	uint64_t	 left;
	struct entry	*entry;

	size = (size + RING_ALIGN - 1) & ~(size_t)(RING_ALIGN - 1);
	left = ROUTE_RING_BYTES - ring->head % ROUTE_RING_BYTES;
	if (left < size)
		ring->head += left;
	entry = ring_entry(ring->head);
	entry->catalogue = number;
	entry->length = (uint32_t)n;
	memcpy(entry->text, text, n);
	ring->slots[hash % RING_SLOTS] = ring->head + 1;
	ring->tags[hash % RING_SLOTS] = (uint32_t)(hash >> 32);
	ring->head += size;
	return entry;
}

void
route_look_up(struct route_verdict *verdict, const char *text, size_t n,
    const struct catalogue *catalogue)
{
	uint64_t	 number = ring_number(catalogue), hash;
	struct entry	*entry;

	if (n > ROUTE_TEXT_BYTES) {
		route_decide(verdict, text, n, catalogue);
		return;
	}
	if (ring == NULL)
		ring = mem_new(sizeof *ring);
	hash = hash_mix(hash_bytes(text, n), number);
	entry = ring_find(text, n, number, hash);
	if (entry == NULL) {
		entry = ring_add(text, n, number, hash);
		route_decide(&entry->verdict, text, n, catalogue);
	}
	*verdict = entry->verdict;
}

void
route_refuse(const char *text, size_t n, const struct catalogue *catalogue)
{
	struct route_verdict	 verdict;
	uint64_t		 number = ring_number(catalogue);
	struct entry		*entry;

	route_look_up(&verdict, text, n, catalogue);
	if (n > ROUTE_TEXT_BYTES)
		return;
	entry = ring_find(text, n, number, hash_mix(hash_bytes(text, n),
	    number));
	if (entry != NULL && entry->verdict.why == WHY_READ)
		entry->verdict.why = WHY_REFUSED;
}

void
route_done(void)
{
	free(ring);
	ring = NULL;
}
