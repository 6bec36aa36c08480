/*
 * base/hash: the table finds what is in it and nothing else.
 */

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

#include "check_main.h"

enum { ENTRIES = 5000 };

struct entry {
	struct hash_node	node;
	int			number;
	int			seen;
};

static struct entry	entries[ENTRIES];

static struct entry *
find(const struct hash_table *table, int number)
{
	struct hash_node	*node;
	struct entry		*entry;

	node = hash_table_first(table, hash_bytes(&number, sizeof number));
	for (; node != NULL; node = hash_table_same(node)) {
		entry = container_of(node, struct entry, node);
		if (entry->number == number)
			return entry;
	}
	return NULL;
}

static void
fill(struct hash_table *table)
{
	hash_table_init(table);
	for (int i = 0; i < ENTRIES; i++) {
		entries[i].number = i;
		entries[i].seen = 0;
		hash_table_add(table, &entries[i].node,
		    hash_bytes(&i, sizeof i));
	}
}

START_TEST(an_empty_table_has_nothing)
{
	struct hash_table	table;

	hash_table_init(&table);
	ck_assert_ptr_null(hash_table_first(&table, 0));
	ck_assert_ptr_null(hash_table_each(&table, NULL));
	hash_table_done(&table);
}
END_TEST

START_TEST(what_was_added_is_found_until_it_is_removed)
{
	struct hash_table	table;

	fill(&table);
	ck_assert_uint_eq(table.count, ENTRIES);
	for (int i = 0; i < ENTRIES; i++)
		ck_assert_ptr_eq(find(&table, i), &entries[i]);
	ck_assert_ptr_null(find(&table, ENTRIES));
	for (int i = 0; i < ENTRIES; i += 2)
		hash_table_remove(&table, &entries[i].node);
	for (int i = 0; i < ENTRIES; i++)
		ck_assert_ptr_eq(find(&table, i), i % 2 ? &entries[i] : NULL);
	for (int i = 1; i < ENTRIES; i += 2)
		hash_table_remove(&table, &entries[i].node);
	ck_assert_ptr_null(hash_table_each(&table, NULL));
	hash_table_done(&table);
}
END_TEST

START_TEST(a_walk_meets_each_node_once_and_may_remove_it)
{
	struct hash_table	 table;
	struct hash_node	*node, *next;

	fill(&table);
	for (node = hash_table_each(&table, NULL); node != NULL; node = next) {
		next = hash_table_each(&table, node);
		container_of(node, struct entry, node)->seen++;
		hash_table_remove(&table, node);
	}
	for (int i = 0; i < ENTRIES; i++)
		ck_assert_int_eq(entries[i].seen, 1);
	hash_table_done(&table);
}
END_TEST

START_TEST(nodes_with_the_same_hash_are_all_found)
{
	struct hash_table	 table;
	struct hash_node	*node;
	int			 n = 0;

	hash_table_init(&table);
	for (int i = 0; i < 100; i++)
		hash_table_add(&table, &entries[i].node, i % 2 ? 7 : 15);
	node = hash_table_first(&table, 7);
	for (; node != NULL; node = hash_table_same(node)) {
		ck_assert_uint_eq(node->hash, 7);
		n++;
	}
	ck_assert_int_eq(n, 50);
	ck_assert_ptr_null(hash_table_first(&table, 23));
	for (int i = 0; i < 100; i++)
		hash_table_remove(&table, &entries[i].node);
	hash_table_done(&table);
}
END_TEST

START_TEST(every_bit_and_every_length_changes_the_hash)
{
	char		bytes[40] = { 0 };
	uint64_t	hash, whole[41];

	for (size_t n = 0; n <= sizeof bytes; n++) {
		whole[n] = hash_bytes(bytes, n);
		for (size_t other = 0; other < n; other++)
			ck_assert(whole[n] != whole[other]);
		for (size_t bit = 0; bit < n * 8; bit++) {
			bytes[bit / 8] = (char)(1 << bit % 8);
			hash = hash_bytes(bytes, n);
			bytes[bit / 8] = 0;
			ck_assert(hash != whole[n]);
		}
		ck_assert(hash_bytes(bytes, n) == whole[n]);
	}
	ck_assert(hash_text("name") == hash_bytes("name", 4));
	ck_assert(hash_mix(1, 2) != hash_mix(2, 1));
}
END_TEST

START_TEST(small_numbers_spread_over_the_slots)
{
	unsigned	slots[256] = { 0 }, most = 0;

	for (uint32_t i = 0; i < 2560; i++) {
		unsigned	slot = hash_bytes(&i, sizeof i) & 255;

		if (++slots[slot] > most)
			most = slots[slot];
	}
	/* Ten each on the average; 40 would be a wonder. */
	ck_assert_uint_lt(most, 40);
}
END_TEST

CHECK_MAIN("hash",
    an_empty_table_has_nothing,
    what_was_added_is_found_until_it_is_removed,
    a_walk_meets_each_node_once_and_may_remove_it,
    nodes_with_the_same_hash_are_all_found,
    every_bit_and_every_length_changes_the_hash,
    small_numbers_spread_over_the_slots)
