/*
 * A ring that doubles when it is full and is kept with its server, so that
 * the steady state allocates nothing.
 */

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "session/expected.h"
#include "session/prepared.h"

enum { EXPECTED_FIRST_SIZE = 16 };

void
expected_grow(struct expected *expected)
{
	uint32_t		 size = expected->size * 2;
	struct expectation	*ring;

	if (size == 0)
		size = EXPECTED_FIRST_SIZE;
	ring = mem_new(size * sizeof *ring);
	for (uint32_t i = 0; i < expected->count; i++)
		ring[i] = *expected_at(expected, i);
	free(expected->ring);
	expected->ring = ring;
	expected->size = size;
	expected->head = 0;
}

void
expectation_done(struct expected *expected, struct expectation *entry)
{
	if (entry->statement != NULL) {
		expected->parses -= entry->kind == EXPECT_PARSE &&
		    entry->number != 0;
		statement_release(entry->statement);
	}
	if (entry->before != NULL)
		statement_release(entry->before);
	if (entry->name != NULL)
		expected->closes -= entry->kind == EXPECT_CLOSE;
	free(entry->name);
	free(entry->made);
}

uint32_t
expected_ignore_syncs(struct expected *expected)
{
	uint32_t	syncs = 0;

	while (expected->count > 1 &&
	    expected_at(expected, 1)->kind == EXPECT_SYNC) {
		*expected_at(expected, 1) = *expected_at(expected, 0);
		expected->head = (expected->head + 1) & (expected->size - 1);
		expected->count--;
		syncs++;
	}
	return syncs;
}

void
expected_restore_syncs(struct expected *expected, uint32_t syncs)
{
	struct expectation	*entry;

	while (syncs-- > 0) {
		if (expected->count == expected->size)
			expected_grow(expected);
		expected->head = (expected->head - 1) & (expected->size - 1);
		expected->count++;
		*expected_head(expected) = *expected_at(expected, 1);
		entry = expected_at(expected, 1);
		memset(entry, 0, sizeof *entry);
		entry->kind = EXPECT_SYNC;
		entry->fate = FATE_PASS;
	}
}

bool
expected_has(const struct expected *expected, enum expect_kind kind)
{
	for (uint32_t i = 0; i < expected->count; i++)
		if (expected_at(expected, i)->kind == kind)
			return true;
	return false;
}

bool
expected_has_sync(const struct expected *expected)
{
	for (uint32_t i = 0; i < expected->count; i++)
		if (expected_at(expected, i)->kind >= EXPECT_SYNC)
			return true;
	return false;
}

bool
expected_has_end(const struct expected *expected)
{
	const struct expectation	*entry;

	for (uint32_t i = 0; i < expected->count; i++) {
		entry = expected_at(expected, i);
		if (entry->kind >= EXPECT_SYNC && entry->fate == FATE_PASS)
			return true;
	}
	return false;
}

bool
expected_has_batch(const struct expected *expected)
{
	for (uint32_t i = 0; i < expected->count; i++)
		if (expected_at(expected, i)->kind < EXPECT_SYNC)
			return true;
	return false;
}

void
expected_done(struct expected *expected)
{
	while (expected->count > 0)
		expected_strike(expected);
	free(expected->ring);
	memset(expected, 0, sizeof *expected);
}
