/*
 * The statements that one server has; see session/prepared.h.
 *
 * A number is never used twice on a server, so that a name which PostgreSQL
 * still has, though we have forgotten it, stands in nobody's way.
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "session/prepared.h"

void
shelf_init(struct shelf *shelf)
{
	hash_table_init(&shelf->table);
	TAILQ_INIT(&shelf->used);
	shelf->next_number = 1;
}

static uint64_t
shelf_hash(const struct statement *statement)
{
	return hash_mix((uint64_t)(uintptr_t)statement, 1);
}

static struct shelf_entry *
shelf_lookup(struct shelf *shelf, const struct statement *statement)
{
	struct hash_node	*node;
	struct shelf_entry	*entry;

	for (node = hash_table_first(&shelf->table, shelf_hash(statement));
	    node != NULL; node = hash_table_same(node)) {
		entry = container_of(node, struct shelf_entry, node);
		if (entry->statement == statement)
			return entry;
	}
	return NULL;
}

struct shelf_entry *
shelf_find(struct shelf *shelf, const struct statement *statement)
{
	struct shelf_entry	*entry = shelf_lookup(shelf, statement);

	if (entry != NULL && entry != TAILQ_FIRST(&shelf->used)) {
		TAILQ_REMOVE(&shelf->used, entry, next);
		TAILQ_INSERT_HEAD(&shelf->used, entry, next);
	}
	return entry;
}

static struct shelf_entry *
shelf_put(struct shelf *shelf, struct statement *statement, uint32_t number)
{
	struct shelf_entry	*entry = mem_new(sizeof *entry);

	assert(shelf_lookup(shelf, statement) == NULL);
	entry->statement = statement_hold(statement);
	entry->number = number;
	hash_table_add(&shelf->table, &entry->node, shelf_hash(statement));
	TAILQ_INSERT_HEAD(&shelf->used, entry, next);
	return entry;
}

struct shelf_entry *
shelf_add(struct shelf *shelf, struct statement *statement)
{
	return shelf_put(shelf, statement, shelf->next_number++);
}

void
shelf_restore(struct shelf *shelf, struct statement *statement,
    uint32_t number)
{
	if (shelf_lookup(shelf, statement) == NULL)
		(void)shelf_put(shelf, statement, number);
}

void
shelf_remove(struct shelf *shelf, struct shelf_entry *entry)
{
	hash_table_remove(&shelf->table, &entry->node);
	TAILQ_REMOVE(&shelf->used, entry, next);
	statement_release(entry->statement);
	free(entry);
}

void
shelf_remove_number(struct shelf *shelf, const struct statement *statement,
    uint32_t number)
{
	struct shelf_entry	*entry = shelf_lookup(shelf, statement);

	if (entry != NULL && entry->number == number)
		shelf_remove(shelf, entry);
}

/* Slow, for errors. */
static struct shelf_entry *
shelf_find_number(struct shelf *shelf, uint32_t number)
{
	struct shelf_entry	*entry;

	TAILQ_FOREACH(entry, &shelf->used, next)
		if (entry->number == number)
			return entry;
	return NULL;
}

void
shelf_forget_number(struct shelf *shelf, uint32_t number)
{
	struct shelf_entry	*entry = shelf_find_number(shelf, number);

	if (entry != NULL)
		shelf_remove(shelf, entry);
}

struct statement *
shelf_statement(struct shelf *shelf, uint32_t number)
{
	struct shelf_entry	*entry = shelf_find_number(shelf, number);

	return entry == NULL ? NULL : entry->statement;
}

void
shelf_turn(struct shelf *shelf, const struct statement *statement,
    uint32_t number, struct statement *into)
{
	struct shelf_entry	*entry = shelf_lookup(shelf, statement);
	struct shelf_entry	*older;

	if (entry == NULL || entry->number != number || statement == into)
		return;
	if ((older = shelf_lookup(shelf, into)) != NULL) {
		entry->number = older->number;
		older->number = number;
		older->epoch = entry->epoch;
		TAILQ_REMOVE(&shelf->used, entry, next);
		TAILQ_INSERT_TAIL(&shelf->used, entry, next);
		return;
	}
	hash_table_remove(&shelf->table, &entry->node);
	statement_release(entry->statement);
	entry->statement = statement_hold(into);
	hash_table_add(&shelf->table, &entry->node, shelf_hash(into));
}

void
shelf_age(struct shelf *shelf)
{
	struct shelf_entry	*entry;

	TAILQ_FOREACH(entry, &shelf->used, next)
		entry->epoch = 0;
}

struct shelf_entry *
shelf_oldest_beyond(struct shelf *shelf, size_t limit)
{
	return shelf->table.count <= limit ? NULL :
	    TAILQ_LAST(&shelf->used, shelf_list);
}

void
shelf_clear(struct shelf *shelf)
{
	struct shelf_entry	*entry;

	while ((entry = TAILQ_FIRST(&shelf->used)) != NULL)
		shelf_remove(shelf, entry);
	hash_table_done(&shelf->table);
	hash_table_init(&shelf->table);
	shelf->has_private = false;
}

/* On the path of every Bind, so without printf. */
size_t
statement_server_name(uint32_t number, char name[STATEMENT_NAME_BYTES])
{
	static const char	prefix[] = "pgweir_";
	char			digits[10];
	size_t			length = sizeof prefix - 1, n = 0;

	memcpy(name, prefix, length);
	do
		digits[n++] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	while (n > 0)
		name[length++] = digits[--n];
	name[length] = '\0';
	return length;
}
